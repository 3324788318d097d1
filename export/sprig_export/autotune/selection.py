"""The search for a plan: the costs of all plans are measured, a few are tried, and the best is chosen."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sprig_export.autotune.costs import Cache, Candidate, measure_cost, measure_whole
from sprig_export.autotune.search_space import choose_dimensions, describe_plan, follow_proposal, list_plans
from sprig_export.config.proposal import Proposal
from sprig_export.config.recipe import Recipe
from sprig_export.config.request import Target
from sprig_export.data.calibration import Calibration
from sprig_export.evaluate.export_quality import score_checkpoint
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_export.models.loading import load_model
from sprig_export.pruning.cut import CutRequest, cut_checkpoint, prune_vocabulary
from sprig_export.report.stages import StageLog
from sprig_server.errors import InvalidInput

TRIAL_STEPS = 60
"""The steps of the short recovery with which a plan is tried."""
_MOST_TRIED = 4
_ROOM = 0.8  # the share of the gate's allowance that a plan may lose in its trial
_DIRECTED = 300  # pairs for finding the principal directions of vectors, and functions for choosing their number
_PROPOSED = ", as the analysis proposes"
SPEED_SAMPLE, SCORED = 32, {"search": 200, "summarize": 40}
"""Functions for measuring speed, and functions for scoring plans and precisions."""
Try = Callable[[Candidate], Candidate]
Found = tuple[Sequence[Candidate], Candidate, str]


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen plan, all considered plans, the reason for the choice, and the speed of the whole model in 32 bits, in
    functions or tokens a second.
    """

    recipe: Recipe
    considered: tuple[Candidate, ...]
    why: str
    whole: float = 0.0


@dataclass(frozen=True, slots=True)
class PlanSearch:
    """The input of a search for a plan.

    Attributes:
        recipe: the settings that all plans share: task, model, language, vocabulary, precision, the recovery's length.
            Its `start`, a smaller model that was distilled before, is a plan too.
        target: the size or speed that the bundle must have.
        base: the original model.
        calibration: the code that plans are cut and tried with.
        folder: for measurements, so that an interrupted search continues.
        log: gets every measurement.
        proposal: the proposal of an analysis. It is tried as well, so that its cost is known.
    """

    recipe: Recipe
    target: Target
    base: Checkpoint
    calibration: Calibration
    folder: Path
    log: StageLog
    proposal: Proposal | None = None


@dataclass(frozen=True, slots=True)
class _Models:
    """The model, and the smaller one that was distilled before, both with the language's vocabulary."""

    whole: Checkpoint
    small: Checkpoint | None

    def start_of(self, plan: Recipe) -> Checkpoint | None:
        return self.small if plan.start else None


def choose_plan(search: PlanSearch) -> Choice:
    """Find the plan that meets a target with the least loss, or the fastest plan that passes the gate.

    Raises:
        InvalidInput: no plan meets the target.
    """
    recipe, target = search.recipe, search.target
    models, cache = _prune_vocabularies(search), Cache(search.folder / "measured.json")
    plans = _list_plans(search, models)
    whole = _measure_whole(search, cache)
    considered = _measure_plans(search, models, cache, plans, whole)
    fitting = [found for found in considered if found.meets(target)]
    if not fitting:
        raise InvalidInput(_too_much(target, considered))
    try_plan = _trial(search, models, cache)
    proposed = [found for found in considered if found.name.endswith(_PROPOSED)]
    distilled = [found for found in fitting if found.recipe.start]
    shapes = [found for found in fitting if found not in (*proposed, *distilled)] or fitting
    if target.named:
        tried, chosen, why = by_target(shapes, target, try_plan)
    else:
        tried, chosen, why = by_gate(shapes, recipe.max_loss, try_plan)
    more = [try_plan(found) for found in proposed]  # for the report: the cost of following the analysis
    for found in map(try_plan, distilled):
        more.append(found)
        if is_better(found, chosen, target, recipe.max_loss):
            chosen = found
            why = f"it keeps {found.kept:.1%} after {TRIAL_STEPS} steps, since it was distilled before"
    by_name = {found.name: found for found in (*tried, *more)}
    plan = _with_dimensions(search, chosen.recipe)
    return Choice(plan, tuple(by_name.get(found.name, found) for found in considered), why, whole)


def _prune_vocabularies(search: PlanSearch) -> _Models:
    recipe, folder = search.recipe, search.folder
    whole, small = search.base, open_checkpoint(recipe.start) if recipe.start else None
    if recipe.vocabulary:
        with search.log.stage("prune the vocabulary") as facts:
            whole = prune_vocabulary(whole, recipe, search.calibration, folder / "vocabulary", facts)
            if small is not None:
                small = prune_vocabulary(small, recipe, search.calibration, folder / "start", {})
    return _Models(whole, small)


def _list_plans(search: PlanSearch, models: _Models) -> dict[str, Recipe]:
    """All plans, by their names in words."""
    model, recipe = load_model(models.whole, search.recipe.task), replace(search.recipe, start="")
    plans = {describe_plan(plan, model): plan for plan in list_plans(recipe, model)}
    if search.proposal is not None:
        proposed = follow_proposal(recipe, search.proposal, model)
        plans[describe_plan(proposed, model) + _PROPOSED] = proposed
    if models.small is not None:
        plans[f"{Path(search.recipe.start).name}, distilled before"] = search.recipe
    return plans


def _measure_whole(search: PlanSearch, cache: Cache) -> float:
    recipe, sample = search.recipe, search.calibration.trials[:SPEED_SAMPLE]
    with search.log.stage("measure the whole model") as facts:
        rate: float = cache.get("whole", lambda: measure_whole(recipe, search.base, sample, search.folder / "whole"))
        facts[f"{'functions' if recipe.task == 'search' else 'tokens'} a second"] = round(rate, 1)
    return rate


def _measure_plans(
    search: PlanSearch, models: _Models, cache: Cache, plans: Mapping[str, Recipe], whole: float
) -> list[Candidate]:
    """All plans with their costs. `whole` is the rate of the whole model."""
    sample, considered = search.calibration.trials[:SPEED_SAMPLE], []
    for number, (name, plan) in enumerate(plans.items(), 1):
        with search.log.stage(f"measure plan {number} of {len(plans)}: {name}") as facts:
            request = CutRequest(plan, search.calibration, search.folder / "cost", start=models.start_of(plan))
            megabytes, rate = cache.get(name, partial(measure_cost, models.whole, request, sample))
            considered.append(Candidate(plan, name, megabytes, rate / whole))
            facts |= {"megabytes": round(megabytes, 2), "times as fast": round(rate / whole, 2)}
    return considered


def _trial(search: PlanSearch, models: _Models, cache: Cache) -> Try:
    """A trial of a plan: it is cut, recovers briefly, and is scored against the whole model."""
    examples = search.calibration.trials[: SCORED[search.recipe.task]]
    unpruned = cache.get("score", lambda: score_checkpoint(models.whole, search.recipe, examples))

    def score(found: Candidate) -> dict[str, float]:
        short, place = replace(found.recipe, recovery_steps=TRIAL_STEPS), search.folder / f"trial of {found.name}"
        place.mkdir(exist_ok=True)
        request = CutRequest(short, search.calibration, place, start=models.start_of(short))
        try:
            return score_checkpoint(cut_checkpoint(models.whole, request, {}), search.recipe, examples)
        finally:
            shutil.rmtree(place)

    def try_plan(found: Candidate) -> Candidate:
        with search.log.stage(f"try {found.name}") as facts:
            left = cache.get(f"try {found.name}", partial(score, found))
            kept = min(left[name] / before if before else 1.0 for name, before in unpruned.items())
            facts["kept"] = round(kept, 4)
        return replace(found, kept=kept)

    return try_plan


def _with_dimensions(search: PlanSearch, plan: Recipe) -> Recipe:
    """The plan with the fewest output dimensions that a search model needs."""
    if plan.task != "search":
        return plan
    with search.log.stage("choose output dimensions") as facts:
        texts = [text for pair in search.calibration.pairs[:_DIRECTED] for text in pair]
        plan = replace(plan, dimensions=choose_dimensions(search.base, texts, search.calibration.trials[:_DIRECTED]))
        facts["dimensions"] = plan.dimensions
    return plan


def by_target(fitting: Sequence[Candidate], target: Target, try_plan: Try) -> Found:
    """Choose among the plans that meet the target: try the few largest or slowest, which keep most of the model, and
    take the best.
    """
    left = (lambda found: -found.megabytes) if target.speed is None else (lambda found: found.speed)
    most = sorted(fitting, key=left)[:_MOST_TRIED]
    tried = [try_plan(found) for found in most]
    best = max(tried, key=lambda found: found.kept or 0.0)
    kept = f"keeps {'the most ' if len(tried) > 1 else ''}after {TRIAL_STEPS} steps: {best.kept or 0.0:.1%}"
    return tried, best, f"it is {target} ({best.megabytes:.1f} MB, {best.speed:.1f} times as fast) and {kept}"


def is_better(distilled: Candidate, chosen: Candidate, target: Target, max_loss: float) -> bool:
    """Whether to take a model that was distilled before instead: with a target, if it keeps more of the score; without
    one, if it is at least as fast and well within the gate.
    """
    if target.named:
        return (distilled.kept or 0.0) > (chosen.kept or 0.0)
    return distilled.speed >= chosen.speed and _passes(distilled, max_loss)


def _passes(tried: Candidate, max_loss: float) -> bool:
    """Whether a plan is well within the gate after its trial. With little code, the full recovery adds hardly anything
    for unseen functions, and fewer bits cost something too.
    """
    return 100 * (1 - (tried.kept or 0.0)) <= _ROOM * max_loss


def by_gate(fitting: Sequence[Candidate], max_loss: float, try_plan: Try) -> Found:
    """The fastest plan that is well within the gate in its trial, by bisection, assuming that slower plans lose
    less.
    """
    order = sorted(fitting, key=lambda found: -found.speed)
    tried: dict[str, Candidate] = {}
    low, high = 0, len(order) - 1  # the slowest one is taken if no faster one passes
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


def slower_plans(choice: Choice) -> list[Candidate]:
    """The fallbacks if the chosen plan loses too much: the next slower plan that did not lose too much in its trial,
    then the slowest, which keeps most of the model.
    """
    own = next(found for found in choice.considered if found.recipe == replace(choice.recipe, dimensions=0))
    slower = [
        found
        for found in choice.considered
        if found.speed < own.speed and (found.kept is None or _passes(found, choice.recipe.max_loss))
    ]
    order = sorted((found for found in slower if not found.name.endswith(_PROPOSED)), key=lambda found: -found.speed)
    return [order[0], order[-1]] if len(order) > 1 else order


def _too_much(target: Target, considered: Sequence[Candidate]) -> str:
    smallest = min(considered, key=lambda found: found.megabytes)
    fastest = max(considered, key=lambda found: found.speed)
    return (
        f"no plan is {target}: the smallest has {smallest.megabytes:.1f} MB ({smallest.name}), the fastest is "
        f"{fastest.speed:.1f} times as fast ({fastest.name}); ask for less"
    )
