"""The stages of an export: load, prune, tune, convert, trim, evaluate, gate, write.

`export` calls them in order. Each stage takes an `ExportState` and returns the next one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from transformers import PreTrainedModel

from sprig_export.bundles.graphs import build_search, build_summary, build_unchecked, prompt_for
from sprig_export.bundles.interface import describe_bundle
from sprig_export.bundles.writer import check_output, staging_folder, work_folder, write_bundle
from sprig_export.config.recipe import Recipe, render_recipe, whole_recipe
from sprig_export.config.request import Example, ExportRequest
from sprig_export.data.calibration import Calibration, InputFormat, read_calibration
from sprig_export.data.samples import standard_library_examples
from sprig_export.evaluate.export_quality import Quality, measure_search, measure_summaries, score_checkpoint
from sprig_export.evaluate.throughput import measure_throughput
from sprig_export.models.blocks import is_known, read_blocks, read_stacks
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_export.models.inspection import fit_lengths, inspect_model
from sprig_export.models.loading import load_model
from sprig_export.onnx.convert import check_convertible
from sprig_export.onnx.validate import ValidationFailed
from sprig_export.pruning.cut import CutRequest, cut_checkpoint, prune_vocabulary
from sprig_export.pruning.gptq import fit_checkpoint
from sprig_export.report.stages import StageLog
from sprig_export.trimming.choose import SCORED_TRIMMED, check_trim, choose_trim
from sprig_export.trimming.importance import collect_importance, learn_trimming
from sprig_server.bundle.importance import FILE_NAME as IMPORTANCE
from sprig_server.bundle.importance import render_importance
from sprig_server.bundle.manifest import FILE_NAME, Manifest, Trim, describe_file, render_manifest
from sprig_server.errors import InvalidInput


class LostTooMuch(ValidationFailed):
    """The bundle loses more than the gate allows."""


class Tuning(Protocol):
    """The search that found the recipe. It chooses the precision after the model is pruned (`autotune`)."""

    def choose_precision(self, state: ExportState, log: StageLog) -> Recipe:
        """The recipe with the best precision on this machine."""

    def report(self) -> dict[str, Any]:
        """The plans and precisions that were considered, for the report."""


@dataclass(frozen=True, slots=True)
class ExportState:
    """The state of an export.

    Attributes:
        recipe: the request's recipe, with the choices of the stages so far.
        base: the original model.
        checkpoint: the model in its current state.
        calibration: None if no code was given.
        sample: the functions that every stage is measured on.
        data: the name of the sample, for people.
        staging: the folder that becomes the bundle.
        work: the folder with intermediate results, from which an interrupted export resumes.
        built: the manifest of the bundle in `staging`, after the conversion.
        measured: the comparison of the bundle with its base, after the evaluation.
    """

    recipe: Recipe
    base: Checkpoint
    checkpoint: Checkpoint
    calibration: Calibration | None
    sample: tuple[Example, ...]
    data: str
    staging: Path
    work: Path
    built: Manifest | None = None
    measured: Quality | None = None

    @property
    def manifest(self) -> Manifest:
        """The manifest. It exists from `_convert` on."""
        assert self.built is not None
        return self.built

    @property
    def quality(self) -> Quality:
        """The figures. They exist from `_evaluate` on."""
        assert self.measured is not None
        return self.measured


def export(request: ExportRequest, log: StageLog, tuning: Tuning | None = None) -> Manifest:
    """Make a bundle.

    Args:
        log: gets every stage and its results.
        tuning: the search that found the recipe, if there was one.

    Raises:
        InvalidInput: the model, the code or the output folder cannot be used.
        ValidationFailed: the graph does not compute what the model computes, or the bundle lost too much. Nothing is
            written.
    """
    check_trim(request.recipe)
    output = check_output(request.output)
    base = open_checkpoint(request.recipe.model, request.recipe.adapter)
    request = replace(request, recipe=fit_lengths(request.recipe, base, log.say))
    made_by = shaping_of(request.recipe, base, request.calibration)
    with staging_folder(output) as staging, work_folder(output, made_by, request.resume) as work:
        state = _load(request, base, staging, work, log)
        state = _prune(state, log)
        if tuning is not None:
            state = replace(state, recipe=tuning.choose_precision(state, log))
        state = _convert(state, output.name, log)
        state = _trim(state, log)
        state = _evaluate(state, log)
        state = _pass_gate(state, log)
        return _write(state, output, log, tuning)


def shaping_of(recipe: Recipe, base: Checkpoint, calibration: Path | None) -> str:
    """Everything that determines the pruned model, as text. An export may be resumed with another gate, but not with
    other code.
    """
    gates = {"max_loss", "min_cosine", "min_agreement", "sample", "speed_sample"}
    shaping = {name: value for name, value in asdict(recipe).items() if name not in gates}
    code = str(calibration.resolve()) if calibration else ""
    weights = [base.sha256, open_checkpoint(recipe.start).sha256 if recipe.start else ""]
    return json.dumps(shaping | {"weights": weights, "calibration": code}, sort_keys=True)


def _load(request: ExportRequest, base: Checkpoint, staging: Path, work: Path, log: StageLog) -> ExportState:
    recipe = request.recipe
    with log.stage("load the model") as facts:
        facts |= inspect_model(base, recipe.task)
        if recipe.task == "search":
            check_convertible(base)
        calibration = None
        if request.calibration is not None:
            form = InputFormat(recipe.task, recipe.language, prompt_for(base, recipe))
            calibration = read_calibration(request.calibration, form, recipe.sample, recipe.seed)
        data, sample = _choose_sample(request, calibration)
    return ExportState(recipe, base, base, calibration, sample, data, staging, work)


def _choose_sample(request: ExportRequest, calibration: Calibration | None) -> tuple[str, tuple[Example, ...]]:
    """The sample to measure on, with its name."""
    recipe = request.recipe
    if request.examples is not None:
        named, sample = "given", list(request.examples)
    elif calibration is not None:
        named, sample = calibration.name, list(calibration.examples)
    else:
        named, sample = "python standard library", standard_library_examples(recipe.sample, recipe.seed)
    if len(sample) < 2:
        raise InvalidInput("the evaluation data holds fewer than two functions: give more")
    return f"{named} ({len(sample)})", tuple(sample[: recipe.sample])


def _prune(state: ExportState, log: StageLog) -> ExportState:
    """Prune the model as the recipe says, into a folder in `work`. Each step is scored."""
    recipe, checkpoint, calibration, work = state.recipe, state.checkpoint, state.calibration, state.work
    start = open_checkpoint(recipe.start) if recipe.start else None
    if recipe.vocabulary:
        if calibration is None:
            raise InvalidInput("pruning the vocabulary needs code: give it with --calibration")
        with log.stage("prune the vocabulary") as facts:
            checkpoint = prune_vocabulary(checkpoint, recipe, calibration, work / "vocabulary", facts)
            facts |= _rounded(score_checkpoint(checkpoint, recipe, state.sample))
            if start is not None:
                start = prune_vocabulary(start, recipe, calibration, work / "start", {})
    if recipe.cuts:
        if calibration is None:
            raise InvalidInput("pruning needs code: give a folder or a corpus with --calibration")
        with log.stage("cut layers, heads and units, and recover") as facts:
            trimming = learn_trimming(checkpoint, recipe, calibration)
            request = CutRequest(recipe, calibration, work, start=start, trimming=trimming)
            checkpoint = cut_checkpoint(checkpoint, request, facts)
            facts |= _rounded(score_checkpoint(checkpoint, recipe, state.sample))
    if recipe.linear_dtype == "mixed":
        if calibration is None:
            raise InvalidInput("fitting weights to 4 bits needs code: give it with --calibration")
        with log.stage("fit the weights to 4 bits"):
            checkpoint = fit_checkpoint(checkpoint, recipe, calibration, work / "fitted")
    return replace(state, checkpoint=checkpoint)


def _convert(state: ExportState, name: str, log: StageLog) -> ExportState:
    """Write the model as validated, quantized graphs to `staging`."""
    build = build_search if state.recipe.task == "search" else build_summary
    interface = build(state.recipe, state.checkpoint, state.sample, state.staging, log)
    return replace(state, built=describe_bundle(state.recipe, state.base, name, interface, state.staging))


def _trim(state: ExportState, log: StageLog) -> ExportState:
    """Choose the bundle's trimming, with an importance table that is written to `staging`."""
    recipe, calibration, manifest, staging = state.recipe, state.calibration, state.manifest, state.staging
    if calibration is None or recipe.trim == "none":
        return state
    with log.stage("collect importance and choose the trimming") as facts:
        prompt = prompt_for(state.checkpoint, recipe)
        found = collect_importance(state.checkpoint, recipe.task, calibration.functions, manifest.max_tokens, prompt)
        (staging / IMPORTANCE).write_bytes(render_importance(found))
        files = manifest.files | {IMPORTANCE: describe_file(staging / IMPORTANCE)}
        manifest = replace(manifest, files=files)
        sample = calibration.trials[: SCORED_TRIMMED[recipe.task]]
        trim, scores = choose_trim(recipe, staging, manifest, sample)
        facts["entries"], facts["left_out"] = len(found.keys), trim.ratio
        facts |= {f"score without {ratio:.0%}": round(score, 4) for ratio, score in scores.items()}
    return replace(state, built=replace(manifest, trim=trim))


def _evaluate(state: ExportState, log: StageLog) -> ExportState:
    """Compare the bundle with its base."""
    with log.stage("evaluate") as facts:
        if state.recipe.task == "search":
            measured = measure_search(state.base, state.checkpoint, state.staging, state.manifest, state.sample)
        else:
            measured = measure_summaries(state.base, state.recipe, state.staging, state.manifest, state.sample)
        facts |= measured.figures
    return replace(state, measured=measured)


def _pass_gate(state: ExportState, log: StageLog) -> ExportState:
    """Check the bundle against the gate. If only its trimming makes it fail, the bundle reads whole functions instead.

    Raises:
        ValidationFailed: it lost more than the recipe allows, or its vectors point elsewhere.
    """
    try:
        _check_loss(state.recipe, state.quality, state.data)
    except LostTooMuch:
        chosen_here = state.recipe.trim_ratio < 0
        if not (chosen_here and state.manifest.trim.ratio):
            raise
        log.say("the bundle may pass with whole functions, so it does not trim")
        state = _evaluate(replace(state, built=replace(state.manifest, trim=Trim())), log)
        _check_loss(state.recipe, state.quality, state.data)
    if state.calibration is None:
        return state
    return replace(state, recipe=replace(state.recipe, trim_ratio=state.manifest.trim.ratio))


def _check_loss(recipe: Recipe, quality: Quality, data: str) -> None:
    """Raise an error if a bundle lost too much.

    Raises:
        ValidationFailed: it lost more than the recipe allows, or its vectors point elsewhere.
    """
    cosine = quality.figures.get("cosine", 1.0)
    if cosine < recipe.min_cosine:
        raise ValidationFailed(
            f"the bundle's vectors have a mean cosine of {cosine:.4f} with those of PyTorch, {recipe.min_cosine} is "
            "asked for: no bundle was written; this model needs another quantization"
        )
    what, lost = quality.lost
    if lost > recipe.max_loss:
        before, after = quality.scores[what]
        raise LostTooMuch(
            f"the bundle has a {what} of {after:.3f} on {data}, its base {before:.3f}: it loses {lost:.1f} %, and "
            f"{recipe.max_loss:g} % are allowed. No bundle was written; keep more of the model "
            "(layers, units, vocabulary), let it recover for longer, or allow more with --max-loss; --resume goes "
            "on with what is done"
        )


def _write(state: ExportState, output: Path, log: StageLog, tuning: Tuning | None) -> Manifest:
    """Write the bundle with its report, recipe and model card to `output`, atomically."""
    recipe, base = state.recipe, state.base
    whole, left = load_model(base, recipe.task), load_model(state.checkpoint, recipe.task)
    compared = _compare(whole, left, state.quality, state.staging)
    if recipe.speed_sample:
        with log.stage("measure the speed"):
            compared |= _compare_speed(state)
    # The model's name instead of its path: a path is useless on another machine, and reveals the user's folders.
    named = replace(recipe, model=base.name, adapter="", start=Path(recipe.start).name)
    quality = {state.data: _rounded(state.quality.figures)}
    report = {
        "data": state.data,
        "stages": log.stages,
        "quality": quality,
        "compared": {what: {when: round(v, 4) for when, v in found.items()} for what, found in compared.items()},
        "layers": _layers(whole, left),
        "forgotten": [asdict(loss) for loss in state.quality.forgotten],
        **(tuning.report() if tuning is not None else {"plans": {}, "variants": []}),
        "recipe": asdict(named),
    }
    title = f"Makes {output.name} again, of {base.name} with the weights {base.sha256[:12]}: sprig export --recipe"
    (state.staging / "recipe.toml").write_text(render_recipe(named, title), encoding="utf-8")
    return write_bundle(state.staging, output, replace(state.manifest, quality=quality), report)


def _compare(
    whole: PreTrainedModel, left: PreTrainedModel, quality: Quality, staging: Path
) -> dict[str, dict[str, float]]:
    parameters = [sum(p.numel() for p in model.parameters()) for model in (whole, left)]
    size = sum(path.stat().st_size for path in staging.iterdir() if path.is_file())
    deep = [sum(map(len, read_stacks(model).values())) for model in (whole, left) if is_known(model)]
    return {
        **({"layers": dict(zip(("before", "after"), deep, strict=True))} if deep else {}),
        "parameters": {"before": parameters[0], "after": parameters[1]},
        "megabytes (before: weights of 32 bits)": {"before": 4 * parameters[0] / 1e6, "after": size / 1e6},
        **{name: {"before": before, "after": after} for name, (before, after) in quality.scores.items()},
    }


def _compare_speed(state: ExportState) -> dict[str, dict[str, float]]:
    """Compare the bundle's speed with the whole base in 32 bits, in PyTorch and in ONNX Runtime, each in a separate
    process.
    """
    recipe, base, staging = state.recipe, state.base, state.staging
    what, sample = "functions a second" if recipe.task == "search" else "tokens a second", state.sample
    (staging / FILE_NAME).write_text(render_manifest(state.manifest), encoding="utf-8")
    whole = build_unchecked(whole_recipe(recipe), base, staging / "whole")
    after, *before = (
        measure_throughput(folder, recipe.task, sample[: recipe.speed_sample])
        for folder in (staging, base.folder, whole)
    )
    return {
        f"{what}, before in {runtime}": {"before": rate, "after": after}
        for runtime, rate in zip(("PyTorch", "ONNX Runtime, 32 bits"), before, strict=True)
    }


def _layers(whole: PreTrainedModel, left: PreTrainedModel) -> list[dict[str, Any]]:
    """The units and heads of every remaining layer, beside those of the base's layers."""
    if not is_known(whole):
        return []
    before = read_blocks(whole)[0]
    return [
        {
            "layer": block.name,
            "units": block.feed_forward.width,
            "units_before": before.feed_forward.width,
            "heads": block.attentions[0].heads,
            "heads_before": before.attentions[0].heads,
        }
        for block in read_blocks(left)
    ]


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}
