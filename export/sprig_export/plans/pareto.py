"""Quality against cost: plans measured one by one, next to the same shapes by magnitude and at random."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sprig_export.calibration import read_calibration
from sprig_export.checkpoints import open_checkpoint
from sprig_export.evaluate.export_quality import score_examples
from sprig_export.evaluate.search import bootstrap_interval
from sprig_export.graphs import prompt_for
from sprig_export.plans.costs import measure_cost, measure_whole
from sprig_export.plans.ladder import describe_plan, list_plans
from sprig_export.plans.notes import Notes
from sprig_export.pruning.checkpoint import cut_checkpoint, load_model, trim_checkpoint
from sprig_export.pruning.shape import Choice
from sprig_export.recipe import Recipe
from sprig_export.stage import Run

_SPEED_SAMPLE = 64


@dataclass(frozen=True, slots=True)
class Point:
    """A plan that was measured.

    Attributes:
        name: what is left of the model.
        choice: by what units were chosen; plans that take out whole layers or heads have one choice.
        megabytes: of the bundle.
        rate: functions a second, or tokens of summaries.
        speed: how many times as fast as the whole model in ONNX Runtime with 32 bits.
        score: the mean MRR or BLEU-4 of the pruned model after its recovery, before quantization.
        low, high: the 95 % bootstrap interval of `score`.
    """

    name: str
    choice: Choice
    megabytes: float
    rate: float
    speed: float
    score: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Front:
    """All plans of one model and language, and the whole model's score, with what they were measured on."""

    task: str
    model: str
    language: str
    metric: str
    data: str
    steps: int
    seed: int
    whole: float
    points: tuple[Point, ...]


def measure_front(recipe: Recipe, corpus: Path, output: Path, run: Run) -> Front:
    """Measure every plan for a model, after a recovery of the recipe's length.

    What was measured stays in `output`, so that an interrupted measurement goes on.

    Args:
        recipe: task, model, language, vocabulary, bits, `recovery_steps`, `sample`, `seed`.
        corpus: the language's corpus, or a folder of code.

    Raises:
        InvalidInput: the model or the corpus cannot be used.
    """
    output.mkdir(parents=True, exist_ok=True)
    base = open_checkpoint(recipe.model, recipe.adapter)
    wanted = recipe.task, recipe.language, recipe.sample, recipe.seed
    calibration = read_calibration(corpus, *wanted, prompt_for(base, recipe))
    work = output / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    trimmed = trim_checkpoint(base, recipe, calibration, work / "trimmed", {}) if recipe.vocabulary else base
    model, speeds = load_model(trimmed, recipe.task), calibration.trials[:_SPEED_SAMPLE]
    notes = Notes(output / "points.json", f"{recipe} {base.sha256} {corpus.resolve()}")
    with run.stage("the whole model"):
        whole = notes.take("score", lambda: float(score_examples(base, recipe, calibration.examples).mean()))
        whole_rate = notes.take("rate", lambda: measure_whole(recipe, base, speeds, work / "whole"))

    def measure(plan: Recipe, name: str, choice: Choice) -> dict[str, Any]:
        # The same for all choices: a shape costs what it costs.
        size, rate = notes.take(name, lambda: measure_cost(plan, trimmed, calibration, speeds, work / "cost"))
        place = work / "cut"
        place.mkdir()
        cut = cut_checkpoint(trimmed, plan, calibration, place / "model", place / "state", {}, choice)
        scores = score_examples(cut, recipe, calibration.examples)
        shutil.rmtree(place)
        interval = bootstrap_interval(scores, recipe.seed)
        return asdict(Point(name, choice, size, rate, rate / whole_rate, float(scores.mean()), *interval))

    points = []
    for plan in list_plans(recipe, model):
        name = describe_plan(plan, model)
        narrowed = plan.units < 1.0 and plan.heads == 1.0  # units alone: rivals of every shape would take hours
        choices: tuple[Choice, ...] = ("fluctuation", "magnitude", "random") if narrowed else ("fluctuation",)
        for choice in choices:
            with run.stage(f"{name}, {choice}"):
                found = notes.take(f"{name}, {choice}", partial(measure, plan, name, choice))
                points.append(Point(**found))
    shutil.rmtree(work)
    metric = "MRR" if recipe.task == "search" else "BLEU-4"
    named = recipe.task, base.name, recipe.language, metric, calibration.name
    front = Front(*named, recipe.recovery_steps, recipe.seed, whole, tuple(points))
    (output / "report.json").write_text(json.dumps(asdict(front), indent=2) + "\n", encoding="utf-8")
    return front


def read_front(found: Mapping[str, Any]) -> Front:
    """The front in a report.json."""
    return Front(**{**found, "points": tuple(Point(**point) for point in found["points"])})


def best_points(points: Sequence[Point], cost: Callable[[Point], float]) -> list[Point]:
    """The points that no other one beats in both cost and score, cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (cost(p), -p.score)):
        if not best or point.score > best[-1].score:
            best.append(point)
    return best
