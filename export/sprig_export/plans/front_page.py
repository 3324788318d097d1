"""The plans of a model as one page of HTML: what they cost against what they keep."""

from __future__ import annotations

from collections.abc import Callable

from sprig_export.plans.pareto import Front, Point, best_points
from sprig_export.report.charts import scatter
from sprig_export.report.page import html_table, legend, lone_chart, wrap_page

_CLASSES = {"fluctuation": "b", "magnitude": "c", "random": "a"}
_MEANINGS = {
    "fluctuation": "units and heads that vary most stay (FLAP); or whole layers go",
    "magnitude": "those of the largest weights stay",
    "random": "drawn",
}


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
    """The two charts as files of their own, by what is across: "speed" and "size"."""
    speed = _chart(front, "times as fast as the whole model", lambda point: point.speed)
    size = _chart(front, "megabytes", lambda point: point.megabytes, 1)
    return {"speed": lone_chart(speed, _CLASSES), "size": lone_chart(size, _CLASSES)}


def _row(point: Point, whole: float) -> tuple[str, ...]:
    costs = f"{point.megabytes:.1f}", f"{point.rate:.0f}", f"{point.speed:.1f}"
    scores = f"{point.score:.3f}", f"{point.low:.3f} to {point.high:.3f}", f"{point.score / whole:.1%}"
    return point.name, point.choice, *costs, *scores


def _chart(front: Front, across: str, across_of: Callable[[Point], float], sign: int = -1) -> str:
    """With `sign` 1, less of what is across is better."""
    dots = {
        choice: [(across_of(p), p.score, p.name) for p in front.points if p.choice == choice]
        for choice in _CLASSES
        if any(p.choice == choice for p in front.points)
    }
    line = [(across_of(p), p.score) for p in best_points(front.points, lambda p: sign * across_of(p))]
    return scatter(f"{front.metric} against {across}", dots, line, _CLASSES, front.whole, across)
