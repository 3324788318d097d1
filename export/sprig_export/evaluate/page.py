"""A report as one page of HTML that needs nothing else: no script, no network, light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from sprig_export.evaluate.charts import Dot, dot_chart, line_chart
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
from sprig_server.types import MIN_CONFIDENCE

_CLASSES = {BM25: "a", BASELINE: "b", NAME: "a", NEIGHBOUR: "b", BASE: "c", BUNDLE_AGAIN: "e", BUNDLE: "d"}
_SHOWN = {"shown": "d", "hidden": "b"}
_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --soft: #667080; --rule: #dfe3e8;
  --a: #8a909c; --b: #2f6fbf; --c: #c8701a; --d: #13805f; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e4e7eb; --soft: #98a1ae; --rule: #30363e;
  --a: #8f96a3; --b: #74aef2; --c: #eda65b; --d: #52c9a2; } }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; } .soft { color: var(--soft); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; white-space: nowrap; } th { color: var(--soft); font-weight: 500; }
td:not(:first-child) { max-width: 8.2rem; }
.words td, .words th { text-align: left; white-space: nowrap; }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; font-size: 13px; }
.legend svg { vertical-align: -1px; } .many { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; } figcaption { font-size: 13px; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .axis, svg .value { fill: var(--soft); font-size: 10.5px; }
.grid, .rule { stroke: var(--rule); } .mark { stroke: var(--soft); stroke-dasharray: 4 3; }
.line { fill: none; stroke-width: 2; } .interval { stroke-width: 2; opacity: .55; } .dot { stroke-width: 1.6; }
.a { stroke: var(--a); } .dot.a { fill: var(--a); } .b { stroke: var(--b); } .dot.b { fill: var(--b); }
.c { stroke: var(--c); } .dot.c { fill: var(--c); } .d, .e { stroke: var(--d); } .dot.d { fill: var(--d); }
.dot.e { fill: var(--paper); } .line { fill: none; }
"""


def render_page(report: Report) -> str:
    """The text of `report.html`."""
    charts = {"Search": _search_chart, "Summaries": _summary_charts, "Confidence": _confidence_charts}
    sections = [
        section
        for table in tables(report)
        for section in (*_heading(table), charts[table.title](report), _table(table))
    ]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            # Even a mistake in here could not reach a network.
            """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">""",
            '<meta name="viewport" content="width=device-width">',
            f"<title>Sprig: quality</title><style>{_STYLE}</style></head><body>",
            f'<h1>How good Sprig\'s models are</h1><p class="soft">{escape(describe(report))}</p>',
            *sections,
            "<h2>Models</h2>",
            _rows_of_words(
                ("task", "column", "language", "name", "digest"),
                [(m.task, m.column, m.language, m.name, m.sha256) for m in report.models],
            ),
            *_left_out(report.left_out),
            "</body></html>\n",
        ]
    )


def _search_chart(report: Report) -> str:
    rows = {
        data: {c: Dot(f.mrr, f"{f.mrr:.3f}", f.low, f.high) for c, f in row.items()}
        for data, row in by_data(report.search).items()
    }
    classes = _classes(SEARCH_COLUMNS, rows)
    chart = dot_chart("Mean reciprocal rank of each column on each data set", rows, classes, (0, 0.2, 0.4, 0.6, 0.8, 1))
    return _legend(classes, SEARCH_COLUMNS) + chart


def _summary_charts(report: Report) -> str:
    table = by_data(report.summaries)
    bleu = {data: {c: Dot(f.bleu, f"{f.bleu:.1f}") for c, f in row.items()} for data, row in table.items()}
    rouge = {data: {c: Dot(f.rouge_l, f"{f.rouge_l:.1f}") for c, f in row.items()} for data, row in table.items()}
    classes = _classes(SUMMARY_COLUMNS, bleu)
    most = max(dot.value for rows in (bleu, rouge) for row in rows.values() for dot in row.values())
    ticks = [float(tick) for tick in range(0, int(most) + 11, 10)]
    return (
        _legend(classes, SUMMARY_COLUMNS)
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
    return _legend(_SHOWN, meanings) + f'<div class="many">{charts}</div>'


def _curve(curve: ConfidenceCurve) -> str:
    lines = {
        "shown": [(p.threshold, p.good_shown) for p in curve.points if p.good_shown is not None],
        "hidden": [(p.threshold, p.good_hidden) for p in curve.points if p.good_hidden is not None],
    }
    return line_chart(f"Good summaries over the threshold, {curve.data}", lines, _SHOWN, MIN_CONFIDENCE)


def _classes(columns: Mapping[str, str], rows: Mapping[str, Mapping[str, Dot]]) -> dict[str, str]:
    return {column: _CLASSES[column] for column in columns if any(column in row for row in rows.values())}


def _legend(classes: Mapping[str, str], meanings: Mapping[str, str]) -> str:
    items = "".join(
        f'<li><svg width="12" height="12"><circle class="dot {css}" cx="6" cy="6" r="4"/></svg> '
        f"<b>{escape(name)}</b> <span class=soft>{escape(meanings[name])}</span></li>"
        for name, css in classes.items()
    )
    return f'<ul class="legend">{items}</ul>'


def _heading(table: Table) -> Iterator[str]:
    yield f'<h2>{escape(table.title)}</h2><p class="soft">{escape(table.meaning)}</p>'


def _table(table: Table) -> str:
    return f'<div class="wide">{_cells(table.head, table.rows, "")}</div>'


def _rows_of_words(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f'<div class="wide">{_cells(head, rows, "words")}</div>'


def _cells(head: Sequence[str], rows: Sequence[Sequence[str]], css: str) -> str:
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="{css}"><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table>'


def _left_out(reasons: Sequence[str]) -> Iterator[str]:
    if reasons:
        yield "<h2>Left out</h2><ul>" + "".join(f"<li>{escape(reason)}</li>" for reason in reasons) + "</ul>"
