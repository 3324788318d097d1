"""A report as tables of text, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sprig_export.evaluate.report import (
    SEARCH_COLUMNS,
    SUMMARY_COLUMNS,
    Comparison,
    ConfidenceCurve,
    Report,
    SearchFigure,
    SummaryFigure,
    by_data,
)
from sprig_server.types import MIN_CONFIDENCE

_NONE = "–"


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, what its cells mean, the names of the columns, and the rows; the first cell of a row names it."""

    title: str
    meaning: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(report: Report) -> list[Table]:
    """Search, summaries and confidence, each only where something was measured."""
    made = [
        _search(report.search, report.comparisons),
        _summaries(report.summaries, report.comparisons),
        _confidence(report.confidence),
    ]
    return [table for table in made if table.rows]


def _search(figures: Sequence[SearchFigure], comparisons: Sequence[Comparison]) -> Table:
    columns = [column for column in SEARCH_COLUMNS if any(figure.column == column for figure in figures)]
    compared = _compared(comparisons, ("mrr",))
    rows = []
    for data, row in by_data(figures).items():
        any_figure = next(iter(row.values()))
        cells = (_search_cell(row.get(column)) for column in columns)
        others = (_comparison_cell(comparisons, data, metric, of) for metric, of in compared)
        rows.append((data, str(any_figure.n), str(any_figure.pool), *cells, *others))
    meaning = (
        "Mean reciprocal rank over the whole pool (95 % interval), recall at 10. Vectors alone, code without "
        "its documentation."
    )
    return Table("Search", meaning, ("data", "queries", "pool", *columns, *(of for _, of in compared)), tuple(rows))


def _summaries(figures: Sequence[SummaryFigure], comparisons: Sequence[Comparison]) -> Table:
    columns = [column for column in SUMMARY_COLUMNS if any(figure.column == column for figure in figures)]
    compared = _compared(comparisons, ("bleu", "rouge_l"))
    rows = []
    for data, row in by_data(figures).items():
        n = max(figure.n for figure in row.values())
        cells = (_summary_cell(row.get(column), n) for column in columns)
        others = (_comparison_cell(comparisons, data, metric, of) for metric, of in compared)
        rows.append((data, str(n), *cells, *others))
    meaning = (
        "Smoothed BLEU-4 / ROUGE-L / share with a word three times running / mean words; in brackets how many "
        "functions, where not all."
    )
    head = ("data", "functions", *columns, *(f"{of}, {metric}" for metric, of in compared))
    return Table("Summaries", meaning, head, tuple(rows))


def _confidence(curves: Sequence[ConfidenceCurve]) -> Table:
    rows = tuple(
        (
            curve.data,
            str(curve.n),
            f"{curve.default.shown} ({_share(curve.default.good_shown)})",
            f"{curve.default.hidden} ({_share(curve.default.good_hidden)})",
            _NONE if curve.default.ratio is None else f"{curve.default.ratio:.2f}",
            _NONE if curve.twice_at is None else f"{curve.twice_at:.2f}",
        )
        for curve in curves
    )
    good = f"{curves[0].good_rouge_l:.0f}" if curves else ""
    meaning = (
        f"Summaries that the default threshold of {MIN_CONFIDENCE:g} shows and hides, in brackets the share with "
        f"ROUGE-L of at least {good}, the ratio of these shares, and the smallest decile at which it is 2."
    )
    return Table("Confidence", meaning, ("data", "functions", "shown", "hidden", "ratio", "twice at"), rows)


def _compared(comparisons: Iterable[Comparison], metrics: Sequence[str]) -> list[tuple[str, str]]:
    """The (metric, comparison) pairs that occur, in their order."""
    return list(dict.fromkeys((c.metric, c.of) for c in comparisons if c.metric in metrics))


def _search_cell(figure: SearchFigure | None) -> str:
    if figure is None:
        return _NONE
    return f"{figure.mrr:.3f} ({figure.low:.3f} to {figure.high:.3f}), {figure.recall_at_10:.3f}"


def _summary_cell(figure: SummaryFigure | None, n: int) -> str:
    if figure is None:
        return _NONE
    cell = f"{figure.bleu:.1f} / {figure.rouge_l:.1f} / {figure.repeats:.1%} / {figure.words:.1f}"
    return cell if figure.n == n else f"{cell} ({figure.n})"


def _comparison_cell(comparisons: Iterable[Comparison], data: str, metric: str, of: str) -> str:
    found = next((c for c in comparisons if (c.data, c.metric, c.of) == (data, metric, of)), None)
    if found is None:
        return _NONE
    if found.low is None or found.high is None:
        return f"{found.value:.1%}"
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{value:.0%}"
