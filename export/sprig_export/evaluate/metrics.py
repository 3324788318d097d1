"""Metrics of sentences and rankings, and baselines for models. Pure functions."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sprig_server.code.words import STOP_WORDS, split_identifier, split_words
from sprig_server.types import Vectors

_TOKEN = re.compile(r"\w+|[^\w\s]")
_MAX_ORDER = 4
GOOD_ROUGE_L = 30.0
"""A summary with at least this ROUGE-L (0 to 100) counts as good."""
_K1 = 1.2
_B = 0.75


def tokenize(sentence: str) -> list[str]:
    """Lower-cased words and single punctuation marks."""
    return _TOKEN.findall(sentence.lower())


def sentence_bleu(hypothesis: str, reference: str) -> float:
    """Smoothed sentence BLEU-4 as code summarization reports it (Lin and Och 2004; the CodeXGLUE variant).

    One is added to the matches and the count of every order above 1, and the brevity penalty compares the lengths
    with one added to both.

    Returns:
        A score from 0 to 100; 0 where no word matches.
    """
    words, expected = tokenize(hypothesis), tokenize(reference)
    log_precision = 0.0
    for order in range(1, _MAX_ORDER + 1):
        smoothing = 0 if order == 1 else 1
        matches = sum((_ngrams(words, order) & _ngrams(expected, order)).values())
        total = max(len(words) - order + 1, 0)
        if matches + smoothing == 0:
            return 0.0
        log_precision += math.log((matches + smoothing) / (total + smoothing)) / _MAX_ORDER
    brevity = min(0.0, 1 - (len(expected) + 1) / (len(words) + 1))
    return 100 * math.exp(log_precision + brevity)


def rouge_l(hypothesis: str, reference: str) -> float:
    """ROUGE-L: the F1 of the longest common subsequence of words, 0 to 100."""
    words, expected = tokenize(hypothesis), tokenize(reference)
    if not words or not expected:
        return 0.0
    previous = [0] * (len(expected) + 1)
    for word in words:
        current = [0]
        for column, other in enumerate(expected):
            current.append(previous[column] + 1 if word == other else max(previous[column + 1], current[column]))
        previous = current
    return 200 * previous[-1] / (len(words) + len(expected))


def _ngrams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + order]) for i in range(len(words) - order + 1))


@dataclass(frozen=True, slots=True)
class Point:
    """The effect of a threshold: how many summaries it shows and hides, and the share of good ones among each.

    A share of nothing is None. `ratio` is the share of good ones among the shown, divided by that among the hidden;
    None if it is not defined.
    """

    threshold: float
    shown: int
    hidden: int
    good_shown: float | None
    good_hidden: float | None
    ratio: float | None


def at_threshold(confidences: Sequence[float], rouge_l: Sequence[float], threshold: float) -> Point:
    """The effect of showing only summaries with at least this confidence (a mean log-probability)."""
    good = np.asarray(rouge_l) >= GOOD_ROUGE_L
    shown = np.asarray(confidences) >= threshold
    good_shown, good_hidden = _share(good[shown]), _share(good[~shown])
    ratio = good_shown / good_hidden if good_shown is not None and good_hidden else None
    return Point(threshold, int(shown.sum()), int((~shown).sum()), good_shown, good_hidden, ratio)


def curve(confidences: Sequence[float], rouge_l: Sequence[float]) -> tuple[Point, ...]:
    """The points at the deciles of the confidences, from showing all to showing about a tenth."""
    deciles = np.quantile(confidences, np.arange(10) / 10, method="higher")
    return tuple(at_threshold(confidences, rouge_l, float(threshold)) for threshold in np.unique(deciles))


def threshold_for(points: Sequence[Point], ratio: float) -> float | None:
    """The smallest threshold of a curve at which shown summaries are good at least `ratio` times as often as hidden
    ones.
    """
    return next(
        (
            point.threshold
            for point in points
            if point.good_shown and point.good_hidden is not None and point.good_shown >= ratio * point.good_hidden
        ),
        None,
    )


def _share(values: NDArray[np.bool_]) -> float | None:
    return float(values.mean()) if len(values) else None


# The constants of SQLite's full text, which the server's lexical search uses.


def bm25(queries: Sequence[str], documents: Sequence[str]) -> NDArray[np.float64]:
    """BM25 scores over identifiers and their parts: float64 [q, c], at least 0.

    The stop words of a query count only if it has no other words. A repeated word counts once.
    """
    counts = [Counter(split_words(document)) for document in documents]
    lengths = np.array([count.total() for count in counts], dtype=np.float64)  # [c]
    norms = _K1 * (1 - _B + _B * lengths / max(lengths.mean(), 1.0))
    postings: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for row, count in enumerate(counts):
        for word, times in count.items():
            postings[word].append((row, times))
    scores = np.zeros((len(queries), len(documents)))
    for query, into in zip(queries, scores, strict=True):
        words = dict.fromkeys(split_words(query))
        for word in [word for word in words if word not in STOP_WORDS] or words:
            if word in postings:
                rows, times = np.array(postings[word]).T
                rarity = math.log1p((len(documents) - len(rows) + 0.5) / (len(rows) + 0.5))
                into[rows] += rarity * times * (_K1 + 1) / (times + norms[rows])
    return scores


def words_of_name(name: str) -> str:
    """The words of an identifier as a sentence: "parse http url" for `parseHTTP_url`."""
    return " ".join(split_identifier(name))


def nearest(vectors: Vectors, pool: Vectors) -> NDArray[np.int64]:
    """For each vector [n, d], the row of the pool [p, d] with the highest cosine: int64 [n]."""
    rows: NDArray[np.int64] = (vectors @ pool.T).argmax(axis=1)
    return rows
