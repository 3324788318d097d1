"""A comparison as an HTML page: heat maps of what is kept, and of the distances between masks."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from sprig_export.comparison.experiment import Comparison, Level
from sprig_export.report.charts import heat_map
from sprig_export.report.frame import html_table, wrap_page

_METHODS = {"wanda": "Wanda", "magnitude": "magnitude", "sparsegpt": "SparseGPT"}


def render_comparison(comparison: Comparison) -> str:
    """The text of `report.html`."""
    described = (
        f"{comparison.model}, {_METHODS[comparison.method]} masks, {comparison.metric} over {comparison.functions} "
        f"held-out functions of each language, seed {comparison.seed}. Rows: the text a sub-model was calibrated on. "
        "Columns: what it is measured on."
    )
    sections = [section for level in comparison.levels for section in _level(level, comparison)]
    return wrap_page("Does the language of the calibration matter?", described, sections)


def say(level: Level, metric: str) -> str:
    """The effect of matching languages at one level, in a sentence."""
    advantage = level.advantage
    interval = f"{advantage.mean:+.3f} {metric} (95 % interval {advantage.low:+.3f} to {advantage.high:+.3f})"
    if not advantage.shows:
        return f"No effect of the language shows: calibrated on its own language, a sub-model has {interval}."
    return f"Calibrated on its own language, a sub-model has {interval} against the other languages' sub-models."


def _level(level: Level, comparison: Comparison) -> Iterator[str]:
    yield f"<h2>{escape(level.pruned)} of the weights pruned</h2><p>{escape(say(level, comparison.metric))}</p>"
    yield f"<h3>Change of {escape(comparison.metric)} against the whole model, per cent</h3>"
    lost = {row: {name: 100 * (k.share - 1) for name, k in shares.items()} for row, shares in level.kept.items()}
    yield _map("change", lost, "{:+.1f}")
    yield "<h3>Kept, with 95 % bootstrap intervals</h3>"
    yield html_table(
        ["calibrated on", *comparison.whole], [[row, *map(str, shares.values())] for row, shares in level.kept.items()]
    )
    yield "<h3>Jaccard distance of the masks (two random halves: .667)</h3>"
    yield _map("distance of the masks", level.distances, "{:.3f}")
    if level.redrawn:
        again = ", ".join(f"{name} {distance:.3f}" for name, distance in level.redrawn.items())
        yield f"<p>Of two masks calibrated on different functions of one language: {escape(again)}.</p>"


def _map(label: str, rows: dict[str, dict[str, float]], form: str) -> str:
    most = max(abs(value) for row in rows.values() for value in row.values()) or 1.0
    return heat_map(label, rows, most, form)
