"""A row of the summary table: every column on one set of functions, and the value of the bundle's confidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sprig_export.evaluate.datasets import Documented, SummarySet, draw
from sprig_export.evaluate.metrics import (
    GOOD_ROUGE_L,
    at_threshold,
    curve,
    nearest,
    rouge_l,
    threshold_for,
    words_of_name,
)
from sprig_export.evaluate.models import SearchModel, ServedSummarizer, TorchSummarizer
from sprig_export.evaluate.results import (
    BASE,
    BUNDLE,
    BUNDLE_AGAIN,
    NAME,
    NEIGHBOUR,
    THRESHOLD,
    Comparison,
    ConfidenceCurve,
    Sample,
    SummaryFigure,
)
from sprig_export.evaluate.summaries import score_summaries
from sprig_export.report.progress import Announce, stage
from sprig_server.code.text import search_passage
from sprig_server.types import Summary, Vectors

BASE_SUMMARIES = 25
"""The base runs on at most this many functions of a set, drawn with the seed, because beam search in PyTorch is
slow.
"""

SAMPLES = 10
"""The number of summaries of each language that are sampled."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest-neighbour baseline: training pairs by the name of their pool, and a model to compare them."""

    model: SearchModel
    pools: Mapping[str, Sequence[Documented]]
    announce: Announce
    _vectors: dict[str, Vectors] = field(default_factory=dict)

    def sentences(self, data: SummarySet) -> list[str] | None:
        """The sentence of the most similar pair for each function of a set; None if the set's pool is missing."""
        pool = self.pools.get(data.pool)
        if pool is None:
            return None
        if data.pool not in self._vectors:
            self._vectors[data.pool] = self._encode(data.pool, pool)
        found = nearest(self._encode(f"{data.name}: nearest neighbours", data.functions), self._vectors[data.pool])
        return [pool[row].summary for row in found]

    def _encode(self, name: str, functions: Sequence[Documented]) -> Vectors:
        passages = [search_passage(function.code, 0, function.language) for function in functions]
        return self.model.encode_code(passages, stage(self.announce, name, len(passages)))


@dataclass(frozen=True, slots=True)
class Written:
    """The bundle's sentence for each function of a set, and the ROUGE-L (0 to 100) of each."""

    data: SummarySet
    summaries: tuple[Summary, ...]
    rouge_l: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Summarizers:
    """What writes summaries of a set's functions; None is what does not exist."""

    neighbours: Neighbours | None
    base: TorchSummarizer | None
    bundle: ServedSummarizer | None


def measure_summaries(
    data: SummarySet, models: Summarizers, seed: int, announce: Announce
) -> tuple[list[SummaryFigure], list[Comparison], Written | None]:
    """Measure the baselines and every model on one set. The bundle's sentences are None if there is no bundle."""
    neighbours, base, bundle = models.neighbours, models.base, models.bundle
    functions, written = data.functions, None
    everything = range(len(functions))
    few = sorted(draw(everything, BASE_SUMMARIES, seed))
    columns: dict[str, tuple[Sequence[int], list[str]]] = {
        NAME: (everything, [words_of_name(function.name) for function in functions])
    }
    if neighbours is not None and (sentences := neighbours.sentences(data)) is not None:
        columns[NEIGHBOUR] = everything, sentences
    if base is not None:
        tick = stage(announce, f"{data.name}: {BASE} writes", len(few))
        like = bundle.bundle if bundle is not None else None
        columns[BASE] = few, base.summarize([functions[row] for row in few], like, tick)
    if bundle is not None:
        summaries = bundle.summarize(functions, stage(announce, f"{data.name}: {BUNDLE} writes", len(functions)))
        if base is not None:
            columns[BUNDLE_AGAIN] = few, [summaries[row].text for row in few]
        columns[BUNDLE] = everything, [summary.text for summary in summaries]
        scores = tuple(rouge_l(s.text, f.summary) for s, f in zip(summaries, functions, strict=True))
        written = Written(data, tuple(summaries), scores)
    figures = [
        SummaryFigure(
            data.name,
            data.language,
            column,
            n=len(rows),
            seed=seed,
            **score_summaries(texts, [functions[row].summary for row in rows]),
        )
        for column, (rows, texts) in columns.items()
    ]
    return figures, list(_compare({figure.column: figure for figure in figures})), written


def measure_confidence(written: Written, seed: int) -> ConfidenceCurve:
    """The effect of thresholds on the confidence of these summaries."""
    confidences = [summary.confidence for summary in written.summaries]
    points = curve(confidences, written.rouge_l)
    return ConfidenceCurve(
        written.data.name,
        written.data.language,
        n=len(confidences),
        seed=seed,
        good_rouge_l=GOOD_ROUGE_L,
        default=at_threshold(confidences, written.rouge_l, THRESHOLD),
        twice_at=threshold_for(points, 2.0),
        points=points,
    )


def draw_samples(written: Iterable[Written], seed: int) -> list[Sample]:
    """Ten summaries of each language, drawn with the seed, from held-out packages or else from the first set."""
    by_language: dict[str, Written] = {}
    for candidate in written:
        language, packages = candidate.data.language, candidate.data.functions[0].package
        if language not in by_language or (packages and not by_language[language].data.functions[0].package):
            by_language[language] = candidate
    return [
        Sample(
            chosen.data.name,
            language,
            seed,
            package=chosen.data.functions[row].package,
            name=chosen.data.functions[row].name,
            reference=chosen.data.functions[row].summary,
            generated=chosen.summaries[row].text,
            confidence=chosen.summaries[row].confidence,
            rouge_l=chosen.rouge_l[row],
            shown=chosen.summaries[row].confidence >= THRESHOLD,
        )
        for language, chosen in by_language.items()
        for row in draw(range(len(chosen.summaries)), SAMPLES, seed)
    ]


def _compare(figures: Mapping[str, SummaryFigure]) -> Iterator[Comparison]:
    """The share of the base's score that the bundle keeps, on the examples that both ran on."""
    if BASE in figures and BUNDLE_AGAIN in figures:
        base, bundle = figures[BASE], figures[BUNDLE_AGAIN]
        for metric, whole, part in (("bleu", base.bleu, bundle.bleu), ("rouge_l", base.rouge_l, bundle.rouge_l)):
            if whole > 0:
                of = f"{BUNDLE} / {BASE}"
                yield Comparison(base.data, base.language, metric, of, base.n, base.seed, part / whole)
