"""Measuring what trimming keeps and costs: every method at every share, on the same functions."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sprig_export.config.request import Example
from sprig_export.evaluate.metrics import sentence_bleu
from sprig_export.evaluate.search import bootstrap_interval, reciprocal_ranks
from sprig_server.bundle.manifest import Trim
from sprig_server.bundle.store import Bundle
from sprig_server.code.text import Passage, search_passage
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.reader import Reader
from sprig_server.inference.summarizer import Summarizer
from sprig_server.types import TrimMethod

METHODS: tuple[TrimMethod, ...] = ("novelty", "lean", "slim", "diet", "tail", "random")
RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5)
_WARM_UP = 4  # functions before timing starts
Score = Callable[[], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The result of one method at one share.

    Attributes:
        method, ratio: how functions were trimmed; "none" and 0 for the reference.
        whole: whether tokens were selected from the whole function instead of from what fits into the window.
        score: the mean MRR or BLEU-4.
        kept: the share of the untrimmed score.
        low, high: the 95 % bootstrap interval of `kept`, over queries or functions.
        tokens: the mean share of tokens that the model read.
        milliseconds: the time for a function, from its text to its vector or summary.
    """

    method: TrimMethod
    ratio: float
    whole: bool
    score: float
    kept: float
    low: float
    high: float
    tokens: float
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries for functions in `code`. `relevant` is the index of the right function of each query."""

    queries: Sequence[str]
    relevant: Sequence[int]
    code: Sequence[str]
    language: str


def every_method(methods: Sequence[TrimMethod] = METHODS, least: int = 1) -> list[Trim]:
    """Each method at each share; at least `least` tokens of a function stay."""
    return [Trim(method, ratio, least) for method in methods for ratio in RATIOS]


def measure_search(bundle: Bundle, asked: Asked, trims: Sequence[Trim], seed: int = 0) -> list[Trimmed]:
    """How well trimmed functions are found, compared with whole ones. Queries are never trimmed."""
    passages = [search_passage(code, 0, asked.language) for code in asked.code]
    queries = Encoder(bundle, 1).encode(asked.queries)

    def prepare(trimming: Bundle) -> Score:
        encoder = Encoder(trimming, 1)
        encoder.encode(passages[:_WARM_UP])
        return lambda: reciprocal_ranks(queries, encoder.encode(passages), asked.relevant)

    return list(_measure(bundle, passages, trims, seed, prepare))


def measure_summaries(bundle: Bundle, sample: Sequence[Example], trims: Sequence[Trim], seed: int = 0) -> list[Trimmed]:
    """BLEU-4 of greedy summaries of trimmed functions against their documentation, compared with those of whole
    functions.
    """
    reader = Reader(bundle)
    passages = [reader.passage(example.code, example.language) for example in sample]

    def prepare(trimming: Bundle) -> Score:
        summarizer = Summarizer(trimming, 1)

        def write(functions: Sequence[Example]) -> NDArray[np.float64]:
            written = (summarizer.summarize(example.code, example.language, beams=1).text for example in functions)
            return np.array([sentence_bleu(text, e.text) for text, e in zip(written, functions, strict=True)])

        write(sample[:_WARM_UP])
        return lambda: write(sample)

    return list(_measure(bundle, passages, trims, seed, prepare))


def _measure(
    bundle: Bundle, passages: Sequence[Passage], trims: Sequence[Trim], seed: int, prepare: Callable[[Bundle], Score]
) -> Iterator[Trimmed]:
    whole, untrimmed = Trim(), np.zeros(0)
    length = 0
    for trim in (whole, *trims):
        trimming = replace(bundle, manifest=replace(bundle.manifest, trim=trim))
        score = prepare(trimming)
        started = time.perf_counter()
        scores = score()
        seconds = time.perf_counter() - started
        read = sum(map(len, Reader(trimming).read(passages)))
        if trim is whole:
            untrimmed, length = scores, read
        mean = float(untrimmed.mean())
        low, high = bootstrap_interval((scores - untrimmed) / mean if mean else scores - untrimmed, seed)
        yield Trimmed(
            trim.method,
            trim.ratio,
            trim.whole,
            float(scores.mean()),
            float(scores.mean()) / mean if mean else 1.0,
            1.0 + low,
            1.0 + high,
            read / max(1, length),
            1000 * seconds / len(passages),
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of trimming a set of functions, in total.

    Attributes:
        tokens: the number of tokens without trimming; `read` is the number that were read.
        trimming: the milliseconds that trimming adds to tokenization.
        saved: the milliseconds of inference that it saves.
    """

    tokens: int
    read: int
    trimming: float
    saved: float


def measure_cost(bundle: Bundle, passages: Sequence[Passage], rounds: int) -> Cost:
    """What trimming costs and saves for a search bundle on one thread: medians over alternating rounds.

    Args:
        bundle: the bundle, which trims as its manifest says.
        passages: functions, encoded one by one, as the server encodes edited functions.
    """
    readers, encoders = [], []
    for trim in (Trim(), bundle.manifest.trim):
        trimming = replace(bundle, manifest=replace(bundle.manifest, trim=trim))
        readers.append(Reader(trimming))
        encoders.append(Encoder(trimming, 1))

    def read(reader: Reader) -> list[int]:
        return [len(reader.read([passage])[0]) for passage in passages]

    def encode(encoder: Encoder) -> None:
        for passage in passages:
            encoder.encode([passage])

    works: list[Callable[[], object]] = [lambda r=r: read(r) for r in readers]  # type: ignore[misc]
    works += [lambda e=e: encode(e) for e in encoders]  # type: ignore[misc]
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds + 1):
        for work, own in zip(works, times, strict=True):
            started = time.perf_counter()
            work()
            own.append(1000 * (time.perf_counter() - started))
    whole, trimmed, whole_all, trimmed_all = (
        statistics.median(own[1:]) for own in times
    )  # the first round is a warm-up
    inference = whole_all - whole - (trimmed_all - trimmed)
    before, after = (sum(read(reader)) for reader in readers)
    return Cost(before, after, trimmed - whole, inference)
