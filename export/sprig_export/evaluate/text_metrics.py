"""Scores of a generated sentence against a reference: smoothed BLEU-4 and ROUGE-L, both 0 to 100."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

_TOKEN = re.compile(r"\w+|[^\w\s]")
_MAX_ORDER = 4


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
