"""An export to a target: the plan is searched, exported, and replaced by a slower one where it loses too much."""

from __future__ import annotations

import json
import sysconfig
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from sprig_export.autotune.precision import fewest_bits
from sprig_export.autotune.search_space import choose_vocabulary
from sprig_export.autotune.selection import TRIAL_STEPS, Choice, choose_plan, slower_plans
from sprig_export.autotune.targets import Target
from sprig_export.bundles.graphs import prompt_for
from sprig_export.bundles.writer import check_output, was_left, work_folder
from sprig_export.config.proposal import read_proposal
from sprig_export.config.recipe import Recipe
from sprig_export.data.calibration import ENOUGH, read_calibration
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.inspection import fit_lengths, inspect_model
from sprig_export.pipeline import LostTooMuch, export, shaping_of
from sprig_export.report.stages import Run, Say, say_nothing
from sprig_server.bundle.manifest import Manifest
from sprig_server.errors import InvalidInput

RECOVERY_STEPS = 300


def export_to_target(
    recipe: Recipe,
    target: Target,
    output: Path,
    calibrated_on: Path | None = None,
    announce: Say = say_nothing,
    say: Say = say_nothing,
    resume: bool = False,
    analysis: Path | None = None,
) -> Manifest:
    """Make the bundle that meets a target at the least loss, in the folder `output`.

    Args:
        recipe: task, model, language, the gate, and what is measured; the rest is searched.
        calibrated_on: a corpus of the language, or a folder of code; for Python, its own standard library where none
            is given.
        announce: called with the name of every stage as it begins.
        say: called with what every stage found, and with a sentence for every decision.
        resume: go on with what an interrupted export to the same target left behind.
        analysis: a report.json of `sprig analyze`, whose proposal is tried as well.

    Raises:
        InvalidInput: the model, the code or the folder cannot be used, or no plan meets the target.
        ValidationFailed: all plans that were expected to pass the gate lose too much.
    """
    output = check_output(output)  # now, not after the search
    proposal = read_proposal(analysis) if analysis is not None else None
    base, code = open_checkpoint(recipe.model, recipe.adapter), calibrated_on or _own_library(recipe.language)
    recipe = fit_lengths(recipe, base, say)
    # Another gate chooses among the same measurements.
    shaping = json.dumps([shaping_of(recipe, base, code), recipe.sample, asdict(target), str(proposal)])
    with work_folder(output, shaping, resume, "plans") as folder:
        run = Run(announce, say)
        inspect_model(base, recipe.task)
        with run.stage("read the code"):
            wanted = recipe.task, recipe.language, recipe.sample, recipe.seed
            calibration = read_calibration(code, *wanted, prompt_for(base, recipe))
            recipe = replace(recipe, vocabulary=choose_vocabulary(base, calibration), recovery_steps=RECOVERY_STEPS)
            if target.megabytes is not None:  # more of a model in 4 bits keeps more than less of it in 8
                recipe = replace(recipe, products=fewest_bits(base), tables=fewest_bits(base))
        if (few := min(len(calibration.trials), len(calibration.examples))) < ENOUGH:
            say(f"Only {few} functions to choose or to measure by, which says little: more code would say more")
        choice = choose_plan(recipe, target, base, calibration, run, folder, proposal)
        if minutes := _minutes_left(run):
            say(f"About {minutes} minutes to go")
        fallbacks = [] if target.named else slower_plans(choice)
        slower = [replace(found.recipe, dimensions=choice.recipe.dimensions) for found in fallbacks]
        choices = [choice, *(replace(choice, recipe=plan, why="faster ones lost too much") for plan in slower)]
        refused = folder / f"refused at {recipe.max_loss:g}.json"
        return export_first_good(choices, target, output, code, announce, say, resume, refused)


def export_first_good(
    choices: Sequence[Choice],
    target: Target,
    output: Path,
    code: Path,
    announce: Say,
    say: Say,
    resume: bool,
    refused: Path,
) -> Manifest:
    """Export the first plan that passes the gate; how many were refused is noted, so that they are not made again."""
    first = json.loads(refused.read_text(encoding="utf-8")) if refused.is_file() else 0
    for number in range(first, len(choices)):
        choice = choices[number]
        say(_sentence(choice))
        again = resume and was_left(
            output, shaping_of(choice.recipe, open_checkpoint(choice.recipe.model, choice.recipe.adapter), code)
        )
        try:
            return export(choice.recipe, output, None, code, announce, again, say, choice, target)
        except LostTooMuch as error:
            if number == len(choices) - 1:
                raise
            say(str(error))
            refused.write_text(str(number + 1), encoding="utf-8")
    raise AssertionError("the last plan is exported or raises")


def _minutes_left(run: Run) -> int | None:
    """How long the whole recovery and what follows will take, by the trials and measurements so far; None where those
    were made by an earlier run."""
    tries = [stage["seconds"] for stage in run.stages if stage["stage"].startswith("try ")]
    costs = [stage["seconds"] for stage in run.stages if stage["stage"].startswith("measure plan")]
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
