"""The importance table: how much attention a token gets in statements of each class.

As in LeanCode (paper b), it holds the mean attention of a token over its occurrences in statements of one class of a
training corpus. The table is made offline and only looked up here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sprig_server.code.statements import CLASSES

Weights = NDArray[np.float64]
_LEAST = 5  # occurrences: fewer give an unreliable mean
UNSEEN = 1.0
"""LeanCode's weight for an unseen pair. Attention is always lower, so unseen tokens stay longest."""


@dataclass(frozen=True, slots=True)
class Importance:
    """Attention by statement class and token, in a corpus.

    `keys` are class x vocabulary + token, ascending, int64 [entries]. For each key, `means` and `variances` (float32)
    describe the attention, and `counts` (int64) is the number of occurrences.
    """

    vocabulary: int
    keys: NDArray[np.int64]
    means: NDArray[np.float32]
    variances: NDArray[np.float32]
    counts: NDArray[np.int64]

    def faithful(self) -> Weights:
        """The table as LeanCode reads it, float64 [classes, vocabulary]. Missing and zero entries weigh 1."""
        table = np.full(len(CLASSES) * self.vocabulary, UNSEEN)
        table[self.keys] = np.where(self.means == 0.0, UNSEEN, self.means)
        return table.reshape(len(CLASSES), self.vocabulary)

    def backed_off(self) -> Weights:
        """The table with estimates for pairs that were seen fewer than five times, float64 [classes, vocabulary].

        Such a pair gets the token's mean over all classes. If the token is that rare itself, the pair gets the mean of
        its class. A class that was never seen keeps its tokens.
        """
        sums, counts = (np.zeros((len(CLASSES), self.vocabulary)) for _ in range(2))
        sums.flat[self.keys], counts.flat[self.keys] = self.means.astype(np.float64) * self.counts, self.counts
        by_class = _mean(sums.sum(axis=1), counts.sum(axis=1), np.full(len(CLASSES), UNSEEN), 1)
        of_class = np.broadcast_to(by_class[:, None], sums.shape)
        by_token = np.where(counts.sum(axis=0) >= _LEAST, _mean(sums.sum(axis=0), counts.sum(axis=0), 0.0, 1), np.nan)
        rare = np.where(np.isnan(by_token), of_class, by_token)
        return _mean(sums, counts, rare, _LEAST)

    def token_means(self) -> Weights:
        """The mean attention of each token over all classes, float64 [vocabulary]; 0 for unseen tokens."""
        tokens = self.keys % self.vocabulary
        weighted = np.bincount(tokens, self.means.astype(np.float64) * self.counts, self.vocabulary)
        return weighted / np.maximum(np.bincount(tokens, self.counts, self.vocabulary), 1)

    def class_means(self) -> Weights:
        """The mean attention of each class over all its tokens, float64 [classes]; NaN for unseen classes."""
        classes = self.keys // self.vocabulary
        weighted = np.bincount(classes, self.means.astype(np.float64) * self.counts, len(CLASSES))
        counts = np.bincount(classes, self.counts, len(CLASSES))
        return np.where(counts > 0, weighted / np.maximum(counts, 1), np.nan)


def _mean(sums: Weights, counts: Weights, otherwise: Weights | float, least: int) -> Weights:
    return np.where(counts >= least, sums / np.maximum(counts, 1), otherwise)
