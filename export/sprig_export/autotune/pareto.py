"""Quality, speed and size of every plan: measuring and drawing the Pareto front."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sprig_export.autotune.costs import Cache, measure_cost, measure_whole
from sprig_export.autotune.search_space import describe_plan, list_plans
from sprig_export.bundles.graphs import prompt_for
from sprig_export.config.recipe import Recipe
from sprig_export.data.calibration import InputFormat, read_calibration
from sprig_export.evaluate.export_quality import score_examples
from sprig_export.evaluate.search import bootstrap_interval
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.loading import load_model
from sprig_export.pruning.cut import CutRequest, cut_checkpoint, prune_vocabulary
from sprig_export.pruning.structure import Choice
from sprig_export.report.charts import Group, scatter
from sprig_export.report.frame import html_table, legend, lone_chart, wrap_page
from sprig_export.report.stages import StageLog

_SPEED_SAMPLE = 64
_CLASSES = {"fluctuation": "b", "magnitude": "c", "random": "a"}
_MEANINGS = {
    "fluctuation": "units and heads that vary most stay (FLAP); or whole layers go",
    "magnitude": "those of the largest weights stay",
    "random": "drawn",
}


@dataclass(frozen=True, slots=True)
class Point:
    """A measured plan.

    Attributes:
        name: the plan in words: what stays of the model.
        choice: how units were chosen. Plans that remove whole layers or heads have only one choice.
        megabytes: the size of the bundle.
        rate: functions, or tokens of summaries, a second.
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
    """All plans for a model and a language, the whole model's score, and the data they were measured on."""

    task: str
    model: str
    language: str
    metric: str
    data: str
    steps: int
    seed: int
    whole: float
    points: tuple[Point, ...]


def measure_front(recipe: Recipe, corpus: Path, output: Path, run: StageLog) -> Front:
    """Measure every plan for a model, after a recovery of the recipe's length.

    Measurements are kept in `output`, so an interrupted run continues.

    Args:
        recipe: task, model, language, vocabulary, precision, `recovery_steps`, `sample`, `seed`.
        corpus: the language's corpus, or a folder of code.

    Raises:
        InvalidInput: the model or the corpus cannot be used.
    """
    output.mkdir(parents=True, exist_ok=True)
    base = open_checkpoint(recipe.model, recipe.adapter)
    form = InputFormat(recipe.task, recipe.language, prompt_for(base, recipe))
    calibration = read_calibration(corpus, form, recipe.sample, recipe.seed)
    work = output / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    pruned = prune_vocabulary(base, recipe, calibration, work / "pruned", {}) if recipe.vocabulary else base
    model, speeds = load_model(pruned, recipe.task), calibration.trials[:_SPEED_SAMPLE]
    cache = Cache(output / "points.json", f"{recipe} {base.sha256} {corpus.resolve()}")
    with run.stage("the whole model"):
        whole = cache.get("score", lambda: float(score_examples(base, recipe, calibration.examples).mean()))
        whole_rate = cache.get("rate", lambda: measure_whole(recipe, base, speeds, work / "whole"))

    def measure(plan: Recipe, name: str, choice: Choice) -> dict[str, Any]:
        # The same for all choices: cost depends on the shape alone.
        size, rate = cache.get(name, lambda: measure_cost(pruned, CutRequest(plan, calibration, work / "cost"), speeds))
        place = work / "cut"
        place.mkdir()
        cut = cut_checkpoint(pruned, CutRequest(plan, calibration, place, choice), {})
        scores = score_examples(cut, recipe, calibration.examples)
        shutil.rmtree(place)
        interval = bootstrap_interval(scores, recipe.seed)
        return asdict(Point(name, choice, size, rate, rate / whole_rate, float(scores.mean()), *interval))

    points = []
    for plan in list_plans(recipe, model):
        name = describe_plan(plan, model)
        narrowed = plan.units < 1.0 and plan.heads == 1.0  # for units only: baselines for every shape would take hours
        choices: tuple[Choice, ...] = ("fluctuation", "magnitude", "random") if narrowed else ("fluctuation",)
        for choice in choices:
            with run.stage(f"{name}, {choice}"):
                found = cache.get(f"{name}, {choice}", partial(measure, plan, name, choice))
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
    """The points that no other point beats in both cost and score, cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (cost(p), -p.score)):
        if not best or point.score > best[-1].score:
            best.append(point)
    return best


def render_front(front: Front) -> str:
    """The text of `report.html`."""
    described = (
        f"{front.model}, {front.task} in {front.language}: {front.metric} on {front.data} after {front.steps} steps of "
        f"recovery, seed {front.seed}. The broken line is the whole model's, {front.whole:.3f}. Speeds and sizes are "
        "those of the bundles."
    )
    what = "functions a second" if front.task == "search" else "tokens a second"
    sections = [
        legend(_CLASSES, _MEANINGS),
        f"<h2>{front.metric} against speed</h2>",
        _chart(front, what, lambda point: point.rate),
        f"<h2>{front.metric} against size</h2>",
        _chart(front, "megabytes", lambda point: point.megabytes, 1),
        "<h2>All plans</h2>",
        html_table(
            ("what is left", "chosen by", "megabytes", what, "times as fast", front.metric, "95 % interval", "kept"),
            [_row(point, front.whole) for point in front.points],
        ),
    ]
    return wrap_page(f"Plans for {front.model}", described, sections)


def draw_front(front: Front) -> dict[str, str]:
    """The two charts as separate files, by their horizontal axis: "speed" and "size"."""
    speed = _chart(front, "times as fast as the whole model", lambda point: point.speed)
    size = _chart(front, "megabytes", lambda point: point.megabytes, 1)
    return {"speed": lone_chart(speed, _CLASSES), "size": lone_chart(size, _CLASSES)}


def _row(point: Point, whole: float) -> tuple[str, ...]:
    costs = f"{point.megabytes:.1f}", f"{point.rate:.0f}", f"{point.speed:.1f}"
    scores = f"{point.score:.3f}", f"{point.low:.3f} to {point.high:.3f}", f"{point.score / whole:.1%}"
    return point.name, point.choice, *costs, *scores


def _chart(front: Front, across: str, across_of: Callable[[Point], float], sign: int = -1) -> str:
    """A chart. With `sign` 1, lower values on the horizontal axis are better."""
    groups = {
        choice: Group(css, tuple((across_of(p), p.score, p.name) for p in front.points if p.choice == choice))
        for choice, css in _CLASSES.items()
        if any(p.choice == choice for p in front.points)
    }
    line = [(across_of(p), p.score) for p in best_points(front.points, lambda p: sign * across_of(p))]
    return scatter(f"{front.metric} against {across}", groups, line, front.whole, across)
