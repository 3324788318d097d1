"""How important a token is where it stands: the attention it got in statements of that class, as a table.

LeanCode (paper b): the mean attention of a sub-token over its occurrences in statements of one class of a training
corpus. The table is made offline and only looked up here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sprig_server.code.statements import CLASSES

Weights = NDArray[np.float64]
_LEAST = 5  # occurrences: of fewer a mean says little
UNSEEN = 1.0
"""The weight that LeanCode gives to what it never saw: attention is below, so that such tokens stay longest."""


@dataclass(frozen=True, slots=True)
class Importance:
    """Attention by class of statement and token, in a corpus.

    `keys` are class x vocabulary + token, rising, int64 [entries]; of each `means` and `variances` float32 and `counts`
    int64 say what attention it got, how much that varied and how often it stood there.
    """

    vocabulary: int
    keys: NDArray[np.int64]
    means: NDArray[np.float32]
    variances: NDArray[np.float32]
    counts: NDArray[np.int64]

    def faithful(self) -> Weights:
        """The table as LeanCode reads it, float64 [classes, vocabulary]: what is missing, or 0, weighs 1."""
        table = np.full(len(CLASSES) * self.vocabulary, UNSEEN)
        table[self.keys] = np.where(self.means == 0.0, UNSEEN, self.means)
        return table.reshape(len(CLASSES), self.vocabulary)

    def backed_off(self) -> Weights:
        """The table with estimates for what was seen fewer than five times, float64 [classes, vocabulary].

        Such a pair takes the token's mean over all classes, a token that is as rare the mean of its class, and a class
        that was never seen keeps its tokens.
        """
        sums, counts = (np.zeros((len(CLASSES), self.vocabulary)) for _ in range(2))
        sums.flat[self.keys], counts.flat[self.keys] = self.means.astype(np.float64) * self.counts, self.counts
        by_class = _mean(sums.sum(axis=1), counts.sum(axis=1), np.full(len(CLASSES), UNSEEN), 1)
        of_class = np.broadcast_to(by_class[:, None], sums.shape)
        by_token = np.where(counts.sum(axis=0) >= _LEAST, _mean(sums.sum(axis=0), counts.sum(axis=0), 0.0, 1), np.nan)
        rare = np.where(np.isnan(by_token), of_class, by_token)
        return _mean(sums, counts, rare, _LEAST)

    def token_means(self) -> Weights:
        """The mean attention of each token over all classes, float64 [vocabulary]; 0 where it was never seen."""
        tokens = self.keys % self.vocabulary
        weighted = np.bincount(tokens, self.means.astype(np.float64) * self.counts, self.vocabulary)
        return weighted / np.maximum(np.bincount(tokens, self.counts, self.vocabulary), 1)

    def class_means(self) -> Weights:
        """The mean attention of each class over all its tokens, float64 [classes]; NaN where there were none."""
        classes = self.keys // self.vocabulary
        weighted = np.bincount(classes, self.means.astype(np.float64) * self.counts, len(CLASSES))
        counts = np.bincount(classes, self.counts, len(CLASSES))
        return np.where(counts > 0, weighted / np.maximum(counts, 1), np.nan)


def _mean(sums: Weights, counts: Weights, otherwise: Weights | float, least: int) -> Weights:
    return np.where(counts >= least, sums / np.maximum(counts, 1), otherwise)
