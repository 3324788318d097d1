"""What a suite found out, as plain values: each figure says on which data, how many examples and with which seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from sprig_export.evaluate.confidence import Point

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


@dataclass(frozen=True, slots=True)
class Model:
    """A model that took part: its column, its name, and the digest of its weights (of a bundle: its digest)."""

    task: str
    column: str
    language: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class SearchFigure:
    """Search by one column on one set: the mean reciprocal rank with its 95 % interval, and the share in the top 10.

    `n` queries each choose from `pool` functions.
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

    `bleu` and `rouge_l` are 0 to 100, `repeats` is the share with a word three times running, `words` is the length.
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

    `low` and `high` are the 95 % interval of a difference of MRR, pair by pair; None where none is computed.
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
    """How well the bundle's confidence sorts its summaries of one set.

    `points` lie at the deciles, `default` at the server's own threshold; `twice_at` is the smallest decile at which the
    shown are good at least twice as often as the hidden, None where there is none.
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
    """One generated summary as it was drawn; `shown` says whether a hover would show it by default."""

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
    """Everything that one run found out; `commit` is None where the code is in no repository."""

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
    """The text of `report.json`; numbers are rounded to four decimals."""
    return json.dumps(_rounded(asdict(report)), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def by_data(figures: Sequence[_F]) -> dict[str, dict[str, _F]]:
    """Figures as a table: data set, then column, both in the order in which they were measured."""
    rows: dict[str, dict[str, _F]] = {}
    for figure in figures:
        rows.setdefault(figure.data, {})[figure.column] = figure
    return rows


def describe(report: Report) -> str:
    """One line on when, on what and how a report was made."""
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
