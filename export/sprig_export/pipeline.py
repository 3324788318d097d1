"""The export, stage after stage: load, trim, cut, convert, validate, quantize, evaluate, gate, write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from sprig_export.autotune.precision import Variant, choose_variant, measure_variants, with_precision
from sprig_export.autotune.selection import SCORED, SCORED_TRIMMED, SPEED_SAMPLE, Choice
from sprig_export.autotune.targets import Target
from sprig_export.bundles.graphs import build_search, build_summary, build_unchecked, prompt_for
from sprig_export.bundles.interface import describe_bundle
from sprig_export.bundles.writer import check_output, staging_folder, work_folder, write_bundle
from sprig_export.config.recipe import Recipe, render_recipe, whole_recipe
from sprig_export.data.calibration import Calibration, read_calibration
from sprig_export.data.samples import Example, standard_library_examples
from sprig_export.evaluate.export_quality import Quality, measure_search, measure_summaries, score_checkpoint
from sprig_export.evaluate.throughput import measure_throughput
from sprig_export.models.blocks import is_known, read_blocks, read_stacks
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_export.models.inspection import fit_lengths, inspect_model
from sprig_export.models.loading import load_model
from sprig_export.onnx.validate import ValidationFailed
from sprig_export.pruning.cut import cut_checkpoint, trim_checkpoint
from sprig_export.report.stages import Run, Say, say_nothing
from sprig_export.trimming.choose import check_trim, choose_trim
from sprig_export.trimming.importance import collect_importance, learn_trimming
from sprig_server.bundle.importance import FILE_NAME as IMPORTANCE
from sprig_server.bundle.importance import render_importance
from sprig_server.bundle.manifest import FILE_NAME, Manifest, Trim, describe_file, render_manifest
from sprig_server.errors import InvalidInput


class LostTooMuch(ValidationFailed):
    """The bundle answers worse than the gate allows."""


def export(
    recipe: Recipe,
    output: Path,
    examples: Sequence[Example] | None = None,
    calibrated_on: Path | None = None,
    announce: Say = say_nothing,
    resume: bool = False,
    say: Say = say_nothing,
    choice: Choice | None = None,
    target: Target | None = None,
) -> Manifest:
    """Make a bundle in the folder `output`.

    Args:
        examples: documented functions to validate and evaluate on; the standard library of the running Python where
            none are given.
        calibrated_on: a corpus of the language, or a folder of code: what the model has to know. Its tokens are
            counted, its functions show which parts matter, and its held-out ones are the examples where none are
            given. Needed where the recipe takes anything out.
        announce: called with the name of every stage as it begins.
        resume: go on with what an export of the same recipe left behind when it was interrupted.
        say: called with what every stage found.
        choice: how the recipe was found, for the report.
        target: what the bundle is for, where its precision is to be chosen: the fastest on this machine is taken.

    Raises:
        InvalidInput: the model, the code or the output folder cannot be used.
        ValidationFailed: the graph does not compute what the model computes, or the bundle lost too much; nothing is
            written.
    """
    check_trim(recipe)
    output = check_output(output)
    run, base = Run(announce, say), open_checkpoint(recipe.model, recipe.adapter)
    recipe = fit_lengths(recipe, base, say)
    shaping = shaping_of(recipe, base, calibrated_on)
    with staging_folder(output) as staging, work_folder(output, shaping, resume) as work:
        with run.stage("load the model") as facts:
            facts |= inspect_model(base, recipe.task)
            calibration = None
            if calibrated_on is not None:
                wanted = recipe.task, recipe.language, recipe.sample, recipe.seed
                calibration = read_calibration(calibrated_on, *wanted, prompt_for(base, recipe))
            data, sample = _choose_sample(recipe, examples, calibration)
        checkpoint = _prune(recipe, base, calibration, sample, work, run)
        variants: list[Variant] = []
        if target is not None and calibration is not None:
            with run.stage("measure what fewer bits do on this machine") as facts:
                speeds = calibration.trials[:SPEED_SAMPLE]
                scored = calibration.trials[: SCORED[recipe.task]]
                variants = measure_variants(recipe, checkpoint, scored, speeds, work / "variants")
                best = choose_variant(variants, target, choice.whole if choice is not None else 0.0)
                recipe = with_precision(recipe, best)
                facts["chosen"] = recipe.quantization
            if choice is not None and target.speed is not None and best.rate < target.speed * choice.whole:
                say(f"it is {best.rate / choice.whole:.2f} times as fast now, not {target}: ask for a little more")
        build = build_search if recipe.task == "search" else build_summary
        interface = build(recipe, checkpoint, sample, staging, run)
        manifest = describe_bundle(recipe, base, output.name, interface, staging)
        chosen = recipe.trim_ratio < 0  # here, and not by whoever wrote the recipe
        if calibration is not None and recipe.trim != "none" and not checkpoint.decoder_only:
            manifest = _trim(recipe, checkpoint, calibration, manifest, staging, run)
        quality = _evaluate(recipe, base, checkpoint, manifest, sample, staging, run)
        try:
            _gate(recipe, quality, data)
        except LostTooMuch:
            if not (chosen and manifest.trim.ratio):
                raise
            say("with whole functions it may pass: trimming is left out")
            manifest = replace(manifest, trim=Trim())
            quality = _evaluate(recipe, base, checkpoint, manifest, sample, staging, run)
            _gate(recipe, quality, data)
        if calibration is not None:
            recipe = replace(recipe, trim_ratio=manifest.trim.ratio)
        whole, left = load_model(base, recipe.task), load_model(checkpoint, recipe.task)
        compared = _compare(whole, left, quality, staging)
        if recipe.speed_sample:
            with run.stage("measure the speed"):
                compared |= _compare_speed(recipe, base, manifest, sample[: recipe.speed_sample], staging)
        report = {
            "data": data,
            "stages": run.stages,
            "quality": {data: _rounded(quality.figures)},
            "compared": {what: {when: round(v, 4) for when, v in found.items()} for what, found in compared.items()},
            "layers": _layers(whole, left),
            "forgotten": [asdict(loss) for loss in quality.forgotten],
            "plans": _plans(choice),
            "variants": [asdict(variant) for variant in variants],
        }
        measured = replace(manifest, quality={data: _rounded(quality.figures)})
        # By the model's name, not by where it lies: a path says nothing elsewhere, and tells of the user's disk.
        named = replace(recipe, model=base.name, adapter="", start=Path(recipe.start).name)
        title = f"Makes {output.name} again, of {base.name} with the weights {base.sha256[:12]}: sprig export --recipe"
        (staging / "recipe.toml").write_text(render_recipe(named, title), encoding="utf-8")
        return write_bundle(staging, output, measured, report | {"recipe": asdict(named)})


def shaping_of(recipe: Recipe, base: Checkpoint, calibrated_on: Path | None) -> str:
    """What shapes the pruned model, as text: an export may be resumed with another gate, but not with other code."""
    gates = {"max_loss", "min_cosine", "min_agreement", "sample", "speed_sample"}
    shaping = {name: value for name, value in asdict(recipe).items() if name not in gates}
    code = str(calibrated_on.resolve()) if calibrated_on else ""
    weights = [base.sha256, open_checkpoint(recipe.start).sha256 if recipe.start else ""]
    return json.dumps(shaping | {"weights": weights, "calibration": code}, sort_keys=True)


def _choose_sample(
    recipe: Recipe, examples: Sequence[Example] | None, calibration: Calibration | None
) -> tuple[str, list[Example]]:
    """What to measure on, with its name."""
    if examples is not None:
        named, sample = "given", list(examples)
    elif calibration is not None:
        named, sample = calibration.name, list(calibration.examples)
    else:
        named, sample = "python standard library", standard_library_examples(recipe.sample, recipe.seed)
    if len(sample) < 2:
        raise InvalidInput("the evaluation data holds fewer than two functions: give more")
    return f"{named} ({len(sample)})", sample[: recipe.sample]


def _prune(
    recipe: Recipe,
    base: Checkpoint,
    calibration: Calibration | None,
    sample: Sequence[Example],
    work: Path,
    run: Run,
) -> Checkpoint:
    """The checkpoint without what the recipe leaves out, in a folder below `work`; each stage is scored."""
    checkpoint = base
    start = open_checkpoint(recipe.start) if recipe.start else None
    if recipe.vocabulary:
        if calibration is None:
            raise InvalidInput("a vocabulary is trimmed to what code needs: give code with --calibration")
        with run.stage("trim the vocabulary") as facts:
            checkpoint = trim_checkpoint(checkpoint, recipe, calibration, work / "trimmed", facts)
            facts |= _rounded(score_checkpoint(checkpoint, recipe, sample))
            if start is not None:
                start = trim_checkpoint(start, recipe, calibration, work / "start", {})
    if recipe.cuts:
        if calibration is None:
            raise InvalidInput("what can go is seen on code: give a folder or a corpus with --calibration")
        with run.stage("cut layers, heads and units, and recover") as facts:
            folders = work / "cut", work / "recovery"
            trimming = learn_trimming(checkpoint, recipe, calibration)
            checkpoint = cut_checkpoint(
                checkpoint, recipe, calibration, *folders, facts, start=start, trimming=trimming
            )
            facts |= _rounded(score_checkpoint(checkpoint, recipe, sample))
    return checkpoint


def _trim(
    recipe: Recipe, checkpoint: Checkpoint, calibration: Calibration, manifest: Manifest, staging: Path, run: Run
) -> Manifest:
    """The manifest of a bundle that leaves out what it can do without, by the importances that are written to
    `staging`."""
    with run.stage("learn what may be left out") as facts:
        found = collect_importance(checkpoint, recipe.task, calibration.functions, manifest.max_tokens)
        (staging / IMPORTANCE).write_bytes(render_importance(found))
        files = manifest.files | {IMPORTANCE: describe_file(staging / IMPORTANCE)}
        manifest = replace(manifest, files=files)
        sample = calibration.trials[: SCORED_TRIMMED[recipe.task]]
        trim, scores = choose_trim(recipe, staging, manifest, sample)
        facts["entries"], facts["left_out"] = len(found.keys), trim.ratio
        facts |= {f"score without {ratio:.0%}": round(score, 4) for ratio, score in scores.items()}
    return replace(manifest, trim=trim)


def _evaluate(
    recipe: Recipe,
    base: Checkpoint,
    checkpoint: Checkpoint,
    manifest: Manifest,
    sample: Sequence[Example],
    staging: Path,
    run: Run,
) -> Quality:
    """The bundle in `staging` beside its base."""
    with run.stage("evaluate") as facts:
        if recipe.task == "search":
            quality = measure_search(base, checkpoint, staging, manifest, sample)
        else:
            quality = measure_summaries(base, recipe, staging, manifest, sample)
        facts |= quality.figures
    return quality


def _gate(recipe: Recipe, quality: Quality, data: str) -> None:
    """Refuse a bundle that lost too much.

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


def _compare_speed(
    recipe: Recipe, base: Checkpoint, manifest: Manifest, sample: Sequence[Example], staging: Path
) -> dict[str, dict[str, float]]:
    """The bundle beside the whole base in 32 bits, in PyTorch and in ONNX Runtime, each in a process of its own."""
    what = "functions a second" if recipe.task == "search" else "tokens a second"
    (staging / FILE_NAME).write_text(render_manifest(manifest), encoding="utf-8")
    whole = build_unchecked(whole_recipe(recipe), base, staging / "whole")
    after, *before = (measure_throughput(folder, recipe.task, sample) for folder in (staging, base.folder, whole))
    return {
        f"{what}, before in {runtime}": {"before": rate, "after": after}
        for runtime, rate in zip(("PyTorch", "ONNX Runtime, 32 bits"), before, strict=True)
    }


def _plans(choice: Choice | None) -> dict[str, Any]:
    """The plans that were considered, with what they cost and kept."""
    if choice is None:
        return {}
    shown = ("name", "megabytes", "speed", "kept")
    return {
        "why": choice.why,
        "considered": [{name: getattr(found, name) for name in shown} for found in choice.considered],
    }


def _layers(whole: PreTrainedModel, left: PreTrainedModel) -> list[dict[str, Any]]:
    """Units and heads of every layer that stays, beside those of the base's layers."""
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
