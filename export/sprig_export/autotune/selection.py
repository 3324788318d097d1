"""The search for a plan: all are measured for what they cost, a few are tried, and the best one is named with why."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sprig_export.autotune.costs import Notes, measure_cost, measure_whole
from sprig_export.autotune.search_space import choose_dimensions, describe_plan, follow_proposal, list_plans
from sprig_export.autotune.targets import Considered, Target
from sprig_export.config.proposal import Proposal
from sprig_export.config.recipe import Recipe
from sprig_export.data.calibration import Calibration
from sprig_export.evaluate.export_quality import score_checkpoint
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_export.models.loading import load_model
from sprig_export.pruning.cut import cut_checkpoint, trim_checkpoint
from sprig_export.report.stages import Run
from sprig_server.errors import InvalidInput

TRIAL_STEPS = 60
"""Of the short recovery that a plan is tried with."""

_MOST_TRIED = 4

_ROOM = 0.8  # the share of what the gate allows that a plan may lose when it is tried

_DIRECTED = 300  # pairs that the principal directions of vectors are found on, and functions they are chosen by

_PROPOSED = ", as the analysis proposes"

SPEED_SAMPLE, SCORED = 32, {"search": 200, "summarize": 40}
"""Functions that speed is measured on, and those that plans and precisions are scored on."""

SCORED_TRIMMED = {"search": 1000, "summarize": 300}
"""Functions that a share to leave out is scored on: with 200, chance is larger than what trimming costs."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The plan, all that were looked at, why it is this one, and the functions or tokens a second of the whole model in
    32 bits."""

    recipe: Recipe
    considered: tuple[Considered, ...]
    why: str
    whole: float = 0.0


def choose_plan(
    recipe: Recipe,
    target: Target,
    base: Checkpoint,
    calibration: Calibration,
    run: Run,
    folder: Path,
    proposal: Proposal | None = None,
) -> Choice:
    """Find the plan that meets a target at the least loss, or the fastest one whose loss the gate allows.

    Args:
        recipe: what holds for every plan: task, model, language, vocabulary, precision, the recovery's length; its
            `start`, a smaller model that was distilled before, is a plan of its own.
        folder: what is measured is noted there, so that an interrupted search goes on.
        proposal: what an analysis would leave out: it is tried as well, so that what following it costs is known.

    Raises:
        InvalidInput: no plan meets the target.
    """
    trimmed, small = base, open_checkpoint(recipe.start) if recipe.start else None
    if recipe.vocabulary:
        with run.stage("trim the vocabulary") as facts:
            trimmed = trim_checkpoint(base, recipe, calibration, folder / "trimmed", facts)
            if small is not None:
                small = trim_checkpoint(small, recipe, calibration, folder / "start", {})
    model = load_model(trimmed, recipe.task)
    notes = Notes(folder / "measured.json")
    sample = calibration.trials[:SPEED_SAMPLE]
    plans = {describe_plan(plan, model): plan for plan in list_plans(replace(recipe, start=""), model)}
    proposed = follow_proposal(replace(recipe, start=""), proposal, model) if proposal is not None else None
    if proposed is not None:
        plans[describe_plan(proposed, model) + _PROPOSED] = proposed
    if small is not None:
        plans[f"{Path(recipe.start).name}, distilled before"] = recipe
    with run.stage("measure the whole model") as facts:
        whole = notes.take("whole", lambda: measure_whole(recipe, base, sample, folder / "whole"))
        facts[f"{'functions' if recipe.task == 'search' else 'tokens'} a second"] = round(whole, 1)
    considered = []
    for number, (name, plan) in enumerate(plans.items(), 1):
        with run.stage(f"measure plan {number} of {len(plans)}: {name}") as facts:

            def measure(plan: Recipe = plan) -> list[float]:
                start = small if plan.start else None
                return list(measure_cost(plan, trimmed, calibration, sample, folder / "cost", start))

            megabytes, rate = notes.take(name, measure)
            considered.append(Considered(plan, name, megabytes, rate / whole))
            facts |= {"megabytes": round(megabytes, 2), "times as fast": round(rate / whole, 2)}
    fitting = [found for found in considered if found.meets(target)]
    if not fitting:
        raise InvalidInput(_too_much(target, considered))
    examples = calibration.trials[: SCORED[recipe.task]]
    unpruned = notes.take("score", lambda: score_checkpoint(trimmed, recipe, examples))

    def try_plan(found: Considered) -> Considered:
        def score() -> dict[str, float]:
            short, place = replace(found.recipe, recovery_steps=TRIAL_STEPS), folder / f"trial of {found.name}"
            place.mkdir(exist_ok=True)
            start = small if short.start else None
            cut = cut_checkpoint(trimmed, short, calibration, place / "cut", place / "state", {}, start=start)
            try:
                return score_checkpoint(cut, recipe, examples)
            finally:
                shutil.rmtree(place)

        with run.stage(f"try {found.name}") as facts:
            left = notes.take(f"try {found.name}", score)
            kept = min(left[name] / before if before else 1.0 for name, before in unpruned.items())
            facts["kept"] = round(kept, 4)
        return replace(found, kept=kept)

    shapes = [found for found in fitting if found.recipe is not proposed and not found.recipe.start]
    if target.named:
        tried, chosen, why = by_target(shapes or fitting, target, try_plan)
    else:
        tried, chosen, why = by_gate(shapes or fitting, recipe.max_loss, try_plan)
    for found in considered:
        if found.recipe is proposed:
            tried = [*tried, try_plan(found)]  # for the report: what following the analysis costs
        elif found.recipe.start and found in fitting:
            distilled = try_plan(found)
            tried = [*tried, distilled]
            if is_better(distilled, chosen, target, recipe.max_loss):
                chosen = distilled
                why = f"it keeps {distilled.kept:.1%} after {TRIAL_STEPS} steps, since it was distilled before"
    by_name = {found.name: found for found in tried}
    plan = chosen.recipe
    if recipe.task == "search":
        with run.stage("choose output dimensions") as facts:
            texts = [text for pair in calibration.pairs[:_DIRECTED] for text in pair]
            plan = replace(plan, dimensions=choose_dimensions(base, texts, calibration.trials[:_DIRECTED]))
            facts["dimensions"] = plan.dimensions
    return Choice(plan, tuple(by_name.get(found.name, found) for found in considered), why, whole)


Try = Callable[[Considered], Considered]

Found = tuple[Sequence[Considered], Considered, str]


def by_target(fitting: Sequence[Considered], target: Target, try_plan: Try) -> Found:
    """Of the plans that meet the target, the largest or slowest have the most left; the best of a few of them is
    taken."""
    left = (lambda found: -found.megabytes) if target.speed is None else (lambda found: found.speed)
    most = sorted(fitting, key=left)[:_MOST_TRIED]
    tried = [try_plan(found) for found in most]
    best = max(tried, key=lambda found: found.kept or 0.0)
    kept = f"keeps {'the most ' if len(tried) > 1 else ''}after {TRIAL_STEPS} steps: {best.kept or 0.0:.1%}"
    return tried, best, f"it is {target} ({best.megabytes:.1f} MB, {best.speed:.1f} times as fast) and {kept}"


def is_better(distilled: Considered, chosen: Considered, target: Target, max_loss: float) -> bool:
    """Whether a model that was distilled before is to be taken instead: with a target if it keeps more of the score,
    without one if it is as fast at least and well within the gate."""
    if target.named:
        return (distilled.kept or 0.0) > (chosen.kept or 0.0)
    return distilled.speed >= chosen.speed and _passes(distilled, max_loss)


def _passes(tried: Considered, max_loss: float) -> bool:
    """Whether a plan is well within the gate after its trial already: on little code the whole recovery brings hardly
    more back for functions that nothing was learnt from, and fewer bits cost something too."""
    return 100 * (1 - (tried.kept or 0.0)) <= _ROOM * max_loss


def by_gate(fitting: Sequence[Considered], max_loss: float, try_plan: Try) -> Found:
    """The fastest plan that is well within the gate when it is tried, by bisection: slower ones are taken to lose
    less."""
    order = sorted(fitting, key=lambda found: -found.speed)
    tried: dict[str, Considered] = {}
    low, high = 0, len(order) - 1  # the slowest one is taken where no faster one passes
    while low < high:
        middle = (low + high) // 2
        found = tried[order[middle].name] = try_plan(order[middle])
        low, high = (low, middle) if _passes(found, max_loss) else (middle + 1, high)
    best = tried.get(order[low].name, order[low])
    costs = f"({best.megabytes:.1f} MB, {best.speed:.1f} times as fast)"
    if best.kept is None:
        others = f"the slowest, and faster ones lose more than {_ROOM * max_loss:g} %" if tried else "the only one"
        return list(tried.values()), best, f"it is {others} {costs}"
    left = f"{best.kept:.1%} are kept after {TRIAL_STEPS} steps"
    why = f"it is the fastest that loses at most {_ROOM * max_loss:g} % when tried: {left} {costs}"
    return list(tried.values()), best, why


def slower_plans(choice: Choice) -> list[Considered]:
    """What to fall back on where the chosen plan loses too much: the next slower one that did not lose too much when it
    was tried, then the slowest, which has most left."""
    own = next(found for found in choice.considered if found.recipe == replace(choice.recipe, dimensions=0))
    slower = [
        found
        for found in choice.considered
        if found.speed < own.speed and (found.kept is None or _passes(found, choice.recipe.max_loss))
    ]
    order = sorted((found for found in slower if not found.name.endswith(_PROPOSED)), key=lambda found: -found.speed)
    return [order[0], order[-1]] if len(order) > 1 else order


def _too_much(target: Target, considered: Sequence[Considered]) -> str:
    smallest = min(considered, key=lambda found: found.megabytes)
    fastest = max(considered, key=lambda found: found.speed)
    return (
        f"no plan is {target}: the smallest has {smallest.megabytes:.1f} MB ({smallest.name}), the fastest is "
        f"{fastest.speed:.1f} times as fast ({fastest.name}); ask for less"
    )
