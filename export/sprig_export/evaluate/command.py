"""`sprig evaluate`: run the suite, print it, and write it as pages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table as PrintedTable

from sprig_export.evaluate.results import (
    BASE,
    BASELINE,
    BM25,
    BUNDLE,
    BUNDLE_AGAIN,
    NAME,
    NEIGHBOUR,
    SEARCH_COLUMNS,
    SUMMARY_COLUMNS,
    THRESHOLD,
    ConfidenceCurve,
    Report,
    Sample,
    Table,
    by_data,
    describe,
    render_json,
    tables,
)
from sprig_export.evaluate.suite import Evaluation, run_standard
from sprig_export.report.charts import Dot, dot_chart, line_chart
from sprig_export.report.frame import html_table, legend, wrap_page
from sprig_export.report.progress import shown_progress
from sprig_server.errors import InvalidInput

_PIPE_WIDTH = 260  # characters; no wrapping if the output is not a terminal
_CLASSES = {BM25: "a", BASELINE: "b", NAME: "a", NEIGHBOUR: "b", BASE: "c", BUNDLE_AGAIN: "e", BUNDLE: "d"}
_SHOWN = {"shown": "d", "hidden": "b"}
_MARKS = re.compile(r"([\\`*_<>\[\]|#~])")


def evaluate(plan: Evaluation, output: Path, samples: Path | None, messages: Console) -> None:
    """Run the standard suite. Writes `report.json` and `report.html` into `output`, and sampled summaries to `samples`.

    Raises:
        InvalidInput: the data or models cannot be used, or the files cannot be written.
        InvalidBundle: a bundle is damaged.
    """
    for folder in filter(None, (output, samples and samples.parent)):  # checked before the long work
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(f'cannot write to "{folder}" ({error.strerror}): give another folder') from None
    with shown_progress(messages) as announce:
        report = run_standard(plan, announce)
    (output / "report.json").write_text(render_json(report), encoding="utf-8")
    (output / "report.html").write_text(render_page(report), encoding="utf-8")
    if samples is not None:
        samples.write_text(render_samples(report), encoding="utf-8")
    print_report(report, Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH))
    messages.print(f"wrote {output / 'report.json'} and {output / 'report.html'}", markup=False)


def print_report(report: Report, console: Console) -> None:
    """Print the tables of a report, and what was left out."""
    for made in tables(report):
        table = PrintedTable(
            title=made.title, caption=made.meaning, box=None, title_justify="left", caption_justify="left"
        )
        for number, column in enumerate(made.head):
            table.add_column(column, justify="right" if number else "left")
        for row in made.rows:
            table.add_row(*row)
        console.print(table)
        console.print()
    for reason in report.left_out:
        console.print(f"left out: {reason}", markup=False)
    console.print(describe(report), markup=False)


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
        "hidden": f"among those below it; the broken line is that of bundles without a calibration, {THRESHOLD:g}",
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
    return line_chart(f"Good summaries over the threshold, {curve.data}", lines, _SHOWN, THRESHOLD)


def _classes(columns: Mapping[str, str], rows: Mapping[str, Mapping[str, Dot]]) -> dict[str, str]:
    return {column: _CLASSES[column] for column in columns if any(column in row for row in rows.values())}


def _heading(table: Table) -> Iterator[str]:
    yield f'<h2>{escape(table.title)}</h2><p class="soft">{escape(table.meaning)}</p>'


def _table(table: Table) -> str:
    return html_table(table.head, table.rows)


def _left_out(reasons: Sequence[str]) -> Iterator[str]:
    if reasons:
        yield "<h2>Left out</h2><ul>" + "".join(f"<li>{escape(reason)}</li>" for reason in reasons) + "</ul>"


def render_samples(report: Report) -> str:
    """All samples of a report, good and bad as drawn, with the command that draws them again."""
    held_out = any(sample.package for sample in report.samples)
    words = ["sprig evaluate --suite standard --data DATA", *(["--held-out CORPUS"] if held_out else [])]
    words += [f"--limit {report.limit}"] if report.limit is not None else []
    lines = [
        "# Results: generated summaries, unselected",
        "",
        "What the installed bundles write about functions that they were not trained on. Nothing is selected: the",
        f"functions are drawn with seed {report.seed}, and good and bad summaries are shown alike. The reference is",
        "the first sentence of a function's own documentation, which the model does not see. ROUGE-L is from 0 to 100.",
        "The confidence is a mean log-probability. Bundles without a calibration show summaries with at least "
        f"{THRESHOLD:g}.",
        "",
        "```",
        f"{' '.join(words)} --output REPORT --samples FILE.md",
        "```",
        "",
        f"({describe(report)})",
    ]
    for (language, data), samples in groupby(report.samples, lambda sample: (sample.language, sample.data)):
        lines += ["", f"## {language}, from {data}", ""]
        for number, sample in enumerate(samples, 1):
            lines += _item(number, sample)
    return "\n".join(lines) + "\n"


def _item(number: int, sample: Sample) -> Iterator[str]:
    package = f", package {_escape(sample.package)}" if sample.package else ""
    hidden = "" if sample.shown else ", hidden by default"
    yield f"{number}. **{_escape(sample.name)}**{package}"
    yield f"   - reference: {_escape(sample.reference)}"
    yield f"   - generated: {_escape(sample.generated)}"
    yield f"   - confidence {sample.confidence:.2f}{hidden}; ROUGE-L {sample.rouge_l:.1f}"


def _escape(text: str) -> str:
    return _MARKS.sub(r"\\\1", " ".join(text.split()))
