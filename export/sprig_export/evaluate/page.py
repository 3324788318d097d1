"""A report as one page of HTML that needs nothing else: no script, no network, light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from sprig_export.evaluate.report import (
    BASE,
    BASELINE,
    BM25,
    BUNDLE,
    BUNDLE_AGAIN,
    NAME,
    NEIGHBOUR,
    SEARCH_COLUMNS,
    SUMMARY_COLUMNS,
    ConfidenceCurve,
    Report,
    by_data,
    describe,
)
from sprig_export.evaluate.tables import Table, tables
from sprig_export.report.charts import Dot, dot_chart, line_chart
from sprig_export.report.page import html_table, legend, wrap_page
from sprig_server.types import MIN_CONFIDENCE

_CLASSES = {BM25: "a", BASELINE: "b", NAME: "a", NEIGHBOUR: "b", BASE: "c", BUNDLE_AGAIN: "e", BUNDLE: "d"}
_SHOWN = {"shown": "d", "hidden": "b"}


def render_page(report: Report) -> str:
    """The text of `report.html`."""
    charts = {"Search": _search_chart, "Summaries": _summary_charts, "Confidence": _confidence_charts}
    sections = [
        section
        for table in tables(report)
        for section in (*_heading(table), charts[table.title](report), _table(table))
    ]
    return wrap_page(
        "How good Sprig's models are",
        describe(report),
        [
            *sections,
            "<h2>Models</h2>",
            html_table(
                ("task", "column", "language", "name", "digest"),
                [(m.task, m.column, m.language, m.name, m.sha256) for m in report.models],
                words=True,
            ),
            *_left_out(report.left_out),
        ],
    )


def _search_chart(report: Report) -> str:
    rows = {
        data: {c: Dot(f.mrr, f"{f.mrr:.3f}", f.low, f.high) for c, f in row.items()}
        for data, row in by_data(report.search).items()
    }
    classes = _classes(SEARCH_COLUMNS, rows)
    chart = dot_chart("Mean reciprocal rank of each column on each data set", rows, classes, (0, 0.2, 0.4, 0.6, 0.8, 1))
    return legend(classes, SEARCH_COLUMNS) + chart


def _summary_charts(report: Report) -> str:
    table = by_data(report.summaries)
    bleu = {data: {c: Dot(f.bleu, f"{f.bleu:.1f}") for c, f in row.items()} for data, row in table.items()}
    rouge = {data: {c: Dot(f.rouge_l, f"{f.rouge_l:.1f}") for c, f in row.items()} for data, row in table.items()}
    classes = _classes(SUMMARY_COLUMNS, bleu)
    most = max(dot.value for rows in (bleu, rouge) for row in rows.values() for dot in row.values())
    ticks = [float(tick) for tick in range(0, int(most) + 11, 10)]
    return (
        legend(classes, SUMMARY_COLUMNS)
        + "<h3>ROUGE-L</h3>"
        + dot_chart("ROUGE-L of each column on each data set", rouge, classes, ticks)
        + "<h3>Smoothed BLEU-4</h3>"
        + dot_chart("Smoothed BLEU-4 of each column on each data set", bleu, classes, ticks)
    )


def _confidence_charts(report: Report) -> str:
    meanings = {
        "shown": "share of good summaries among those at or above a threshold",
        "hidden": f"among those below it; the broken line is the default, {MIN_CONFIDENCE:g}",
    }
    charts = "".join(
        f"<figure>{_curve(curve)}<figcaption>{escape(curve.data)}, {curve.n} summaries</figcaption></figure>"
        for curve in report.confidence
    )
    return legend(_SHOWN, meanings) + f'<div class="many">{charts}</div>'


def _curve(curve: ConfidenceCurve) -> str:
    lines = {
        "shown": [(p.threshold, p.good_shown) for p in curve.points if p.good_shown is not None],
        "hidden": [(p.threshold, p.good_hidden) for p in curve.points if p.good_hidden is not None],
    }
    return line_chart(f"Good summaries over the threshold, {curve.data}", lines, _SHOWN, MIN_CONFIDENCE)


def _classes(columns: Mapping[str, str], rows: Mapping[str, Mapping[str, Dot]]) -> dict[str, str]:
    return {column: _CLASSES[column] for column in columns if any(column in row for row in rows.values())}


def _heading(table: Table) -> Iterator[str]:
    yield f'<h2>{escape(table.title)}</h2><p class="soft">{escape(table.meaning)}</p>'


def _table(table: Table) -> str:
    return html_table(table.head, table.rows)


def _left_out(reasons: Sequence[str]) -> Iterator[str]:
    if reasons:
        yield "<h2>Left out</h2><ul>" + "".join(f"<li>{escape(reason)}</li>" for reason in reasons) + "</ul>"
