"""An export to a target: a plan is found and exported, and replaced by a slower one if it loses too much."""

from __future__ import annotations

import json
import sysconfig
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sprig_export.autotune.precision import Variant, choose_variant, fewest_bits, measure_variants, with_precision
from sprig_export.autotune.search_space import choose_vocabulary
from sprig_export.autotune.selection import (
    SCORED,
    SPEED_SAMPLE,
    TRIAL_STEPS,
    Choice,
    PlanSearch,
    choose_plan,
    slower_plans,
)
from sprig_export.bundles.graphs import prompt_for
from sprig_export.bundles.writer import check_output, was_left, work_folder
from sprig_export.config.proposal import read_proposal
from sprig_export.config.recipe import Recipe
from sprig_export.config.request import ExportRequest, Target
from sprig_export.data.calibration import ENOUGH, Calibration, InputFormat, read_calibration
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_export.models.inspection import fit_lengths, inspect_model
from sprig_export.onnx.convert import check_convertible
from sprig_export.pipeline import ExportState, LostTooMuch, export, shaping_of
from sprig_export.report.stages import StageLog
from sprig_server.bundle.manifest import Manifest
from sprig_server.errors import InvalidInput

RECOVERY_STEPS = 300


@dataclass(frozen=True, slots=True)
class ChosenPlan:
    """A plan that a search found. It implements `pipeline.Tuning`."""

    choice: Choice
    target: Target
    variants: list[Variant] = field(default_factory=list)
    """The measured precisions."""

    def choose_precision(self, state: ExportState, log: StageLog) -> Recipe:
        """The recipe with the best precision on this machine."""
        recipe, calibration = state.recipe, state.calibration
        assert calibration is not None  # a plan needs code to choose it on
        with log.stage("measure precisions on this machine") as facts:
            samples = calibration.trials[: SCORED[recipe.task]], calibration.trials[:SPEED_SAMPLE]
            self.variants[:] = measure_variants(recipe, state.checkpoint, *samples, state.work / "variants")
            best = choose_variant(self.variants, self.target, self.choice.whole)
            recipe = with_precision(recipe, best)
            facts["chosen"] = recipe.quantization
        if self.target.speed is not None and best.rate < self.target.speed * self.choice.whole:
            times = best.rate / self.choice.whole
            log.say(f"it is {times:.2f} times as fast now, not {self.target}: ask for a little more")
        return recipe

    def report(self) -> dict[str, Any]:
        """The considered plans with their costs and scores, and the precisions."""
        shown = ("name", "megabytes", "speed", "kept")
        considered = [{name: getattr(found, name) for name in shown} for found in self.choice.considered]
        return {
            "plans": {"why": self.choice.why, "considered": considered},
            "variants": [asdict(variant) for variant in self.variants],
        }


def export_to_target(request: ExportRequest, log: StageLog) -> Manifest:
    """Make the bundle that meets the request's target with the least loss.

    Args:
        request: its recipe gives the task, the model, the language, the gate and the samples; the rest is searched for.
            For Python, the standard library is used if no code is given.

    Raises:
        InvalidInput: the model, the code or the folder cannot be used, or no plan meets the target.
        ValidationFailed: every plan that was expected to pass the gate loses too much.
    """
    recipe, target = request.recipe, request.target
    output = check_output(request.output)  # check before the long search
    proposal = read_proposal(request.analysis) if request.analysis is not None else None
    base, code = open_checkpoint(recipe.model, recipe.adapter), request.calibration or _own_library(recipe.language)
    recipe = fit_lengths(recipe, base, log.say)
    # The measurements do not depend on the gate.
    made_by = json.dumps([shaping_of(recipe, base, code), recipe.sample, asdict(target), str(proposal)])
    with work_folder(output, made_by, request.resume, "plans") as folder:
        inspect_model(base, recipe.task)
        if recipe.task == "search":
            check_convertible(base)
        recipe, calibration = _read_code(recipe, target, base, code, log)
        choice = choose_plan(PlanSearch(recipe, target, base, calibration, folder, log, proposal))
        if minutes := _minutes_left(log):
            log.say(f"About {minutes} minutes to go")
        fallbacks = [] if target.named else slower_plans(choice)
        slower = [replace(found.recipe, dimensions=choice.recipe.dimensions) for found in fallbacks]
        choices = [choice, *(replace(choice, recipe=plan, why="faster ones lost too much") for plan in slower)]
        refused = folder / f"refused at {recipe.max_loss:g}.json"
        return export_first_good(choices, replace(request, calibration=code), refused, log)


def _read_code(
    recipe: Recipe, target: Target, base: Checkpoint, code: Path, log: StageLog
) -> tuple[Recipe, Calibration]:
    """The settings that all plans share, and the code that plans are cut and tried with."""
    with log.stage("read the code"):
        form = InputFormat(recipe.task, recipe.language, prompt_for(base, recipe))
        calibration = read_calibration(code, form, recipe.sample, recipe.seed)
        recipe = replace(recipe, vocabulary=choose_vocabulary(base, calibration), recovery_steps=RECOVERY_STEPS)
        if target.megabytes is not None:  # a larger model in 4 bits keeps more than a smaller one in 8
            recipe = replace(recipe, linear_dtype=fewest_bits(base), embedding_dtype=fewest_bits(base))
    if (few := min(len(calibration.trials), len(calibration.examples))) < ENOUGH:
        log.say(f"Only {few} functions for choices and measurements, so both are unreliable: give more code")
    return recipe, calibration


def export_first_good(choices: Sequence[Choice], request: ExportRequest, refused: Path, log: StageLog) -> Manifest:
    """Export the first plan that passes the gate. The number of refused plans is written to the file `refused`, so that
    they are not made again.
    """
    first = json.loads(refused.read_text(encoding="utf-8")) if refused.is_file() else 0
    for number in range(first, len(choices)):
        choice = choices[number]
        log.say(_sentence(choice))
        base = open_checkpoint(choice.recipe.model, choice.recipe.adapter)
        again = request.resume and was_left(request.output, shaping_of(choice.recipe, base, request.calibration))
        # A bundle's report describes its own stages, not those of the search.
        own = StageLog(log.announce, log.say)
        try:
            return export(replace(request, recipe=choice.recipe, resume=again), own, ChosenPlan(choice, request.target))
        except LostTooMuch as error:
            if number == len(choices) - 1:
                raise
            log.say(str(error))
            refused.write_text(str(number + 1), encoding="utf-8")
    raise AssertionError("the last plan is exported or raises")


def _minutes_left(log: StageLog) -> int | None:
    """An estimate, from the trials so far, of how long the recovery and the rest will take; None if an earlier run made
    them.
    """
    tries = [stage["seconds"] for stage in log.stages if stage["stage"].startswith("try ")]
    costs = [stage["seconds"] for stage in log.stages if stage["stage"].startswith("measure plan")]
    recovery = max(tries, default=0.0) * RECOVERY_STEPS / TRIAL_STEPS
    if not recovery:
        return None
    return round((recovery + 8 * max(costs, default=0.0)) / 60) + 1


def _sentence(choice: Choice) -> str:
    recipe = choice.recipe
    own = next(c for c in choice.considered if c.recipe == replace(recipe, dimensions=0))
    fewer = f", {recipe.dimensions} output dimensions" if recipe.dimensions else ""
    return f"Chosen: {own.name}, {recipe.vocabulary or 'all'} vocabulary entries{fewer}; {choice.why}"


def _own_library(language: str) -> Path:
    if language != "python":
        raise InvalidInput(
            f"an export for {language} needs code to learn from: give a folder of it with --calibration, your own "
            "repository for example, or a corpus that sprig corpus build wrote"
        )
    return Path(sysconfig.get_paths()["stdlib"])
