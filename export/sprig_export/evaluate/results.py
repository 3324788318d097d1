"""The results of an evaluation, as values and as tables."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from sprig_export.evaluate.metrics import Point
from sprig_server.inference.likelihood import LIKELY

BM25, BASELINE, BASE, BUNDLE = "BM25", "baseline", "base", "bundle"
NAME, NEIGHBOUR, BUNDLE_AGAIN = "name", "neighbour", "bundle, base's examples"
SEARCH_COLUMNS = {
    BM25: "full text over identifiers and their parts",
    BASELINE: "the unpruned sentence encoder, fp32",
    BASE: "this project's encoder, fp32",
    BUNDLE: "the installed bundle, quantized, as it is served",
}
SUMMARY_COLUMNS = {
    NAME: "the words of the function's own name",
    NEIGHBOUR: "the sentence of the most similar training function",
    BASE: "this project's summary model, fp32",
    BUNDLE_AGAIN: "the bundle on the examples that the base ran on",
    BUNDLE: "the installed bundle, quantized, as it is served",
}
THRESHOLD = round(math.log(LIKELY), 2)
"""The mean log-probability from which hovers show the sentences of a bundle without a calibration."""
_NONE = "–"


@dataclass(frozen=True, slots=True)
class Model:
    """An evaluated model: its column, its name, and the digest of its weights or of the bundle."""

    task: str
    column: str
    language: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class SearchFigure:
    """Search by one column on one set: the mean reciprocal rank with its 95 % interval, and the share in the top 10.

    Each of `n` queries has `pool` candidates.
    """

    data: str
    language: str
    column: str
    n: int
    pool: int
    seed: int
    mrr: float
    low: float
    high: float
    recall_at_10: float


@dataclass(frozen=True, slots=True)
class SummaryFigure:
    """Summaries by one column on one set: means over `n` functions.

    `bleu` and `rouge_l` are 0 to 100. `repeats` is the share with a word three times in a row, `words` the mean length.
    """

    data: str
    language: str
    column: str
    n: int
    seed: int
    bleu: float
    rouge_l: float
    repeats: float
    words: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two columns on the same `n` examples: "base - baseline" is a difference, "bundle / base" a ratio of means.

    `low` and `high` are the 95 % interval of a paired difference of MRR; None if there is none.
    """

    data: str
    language: str
    metric: str
    of: str
    n: int
    seed: int
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class ConfidenceCurve:
    """How well the bundle's confidence separates good from bad summaries of one set.

    `points` are at the deciles, `default` at the server's threshold. `twice_at` is the smallest decile at which shown
    summaries are good at least twice as often as hidden ones; None if there is none.
    """

    data: str
    language: str
    n: int
    seed: int
    good_rouge_l: float
    default: Point
    twice_at: float | None
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """A sampled summary. `shown` says whether a hover would show it by default."""

    data: str
    language: str
    seed: int
    package: str
    name: str
    reference: str
    generated: str
    confidence: float
    rouge_l: float
    shown: bool


@dataclass(frozen=True, slots=True)
class Report:
    """All results of a run. `commit` is None if the code is not in a repository."""

    suite: str
    date: str
    commit: str | None
    seed: int
    limit: int | None
    models: tuple[Model, ...]
    left_out: tuple[str, ...]
    search: tuple[SearchFigure, ...]
    summaries: tuple[SummaryFigure, ...]
    comparisons: tuple[Comparison, ...]
    confidence: tuple[ConfidenceCurve, ...]
    samples: tuple[Sample, ...]


_F = TypeVar("_F", SearchFigure, SummaryFigure)


def render_json(report: Report) -> str:
    """The text of `report.json`, with numbers rounded to four decimals."""
    return json.dumps(_rounded(asdict(report)), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def by_data(figures: Sequence[_F]) -> dict[str, dict[str, _F]]:
    """Figures by data set and column, both in the order of measurement."""
    rows: dict[str, dict[str, _F]] = {}
    for figure in figures:
        rows.setdefault(figure.data, {})[figure.column] = figure
    return rows


def describe(report: Report) -> str:
    """One line that says when, on which commit and how a report was made."""
    parts = [
        f"suite {report.suite}",
        report.date,
        f"commit {report.commit}" if report.commit else "no commit",
        f"seed {report.seed}",
    ]
    if report.limit is not None:
        parts.append(f"at most {report.limit} examples of each set and each pool: a quick look, not a result")
    return ", ".join(parts)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its heading, the meaning of its cells, the names of its columns, and its rows. The first cell of a row
    is its name.
    """

    title: str
    meaning: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(report: Report) -> list[Table]:
    """The tables of search, summaries and confidence, without those that have no measurements."""
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
        f"Summaries that a threshold of {THRESHOLD:g} shows and hides, in brackets the share with "
        f"ROUGE-L of at least {good}, the ratio of these shares, and the smallest decile at which it is 2."
    )
    return Table("Confidence", meaning, ("data", "functions", "shown", "hidden", "ratio", "twice at"), rows)


def _compared(comparisons: Iterable[Comparison], metrics: Sequence[str]) -> list[tuple[str, str]]:
    """The (metric, comparison) pairs that occur, in order."""
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
