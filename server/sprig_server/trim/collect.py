"""Building importance tables from attention: sums over all functions that a model reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sprig_server.code.statements import CLASSES
from sprig_server.trim.importance import Importance
from sprig_server.trim.tokens import Tokens


class Collector:
    """Sums of the attention that tokens get, by statement class and token."""

    def __init__(self, vocabulary: int) -> None:
        """Start empty, for a tokenizer with this many entries."""
        self._vocabulary = vocabulary
        self._sums, self._squares = (np.zeros(len(CLASSES) * vocabulary) for _ in range(2))
        self._counts = np.zeros(len(CLASSES) * vocabulary, dtype=np.int64)

    def add(self, tokens: Tokens, attention: NDArray[np.float64]) -> None:
        """Add one function: its tokens and the attention that each of them gets, float64 [n]."""
        keys = tokens.classes * self._vocabulary + tokens.ids
        np.add.at(self._sums, keys, attention)
        np.add.at(self._squares, keys, attention**2)
        np.add.at(self._counts, keys, 1)

    def finish(self) -> Importance:
        """The table of everything added so far."""
        keys = np.flatnonzero(self._counts)
        counts = self._counts[keys]
        means = self._sums[keys] / counts
        variances = np.maximum(self._squares[keys] / counts - means**2, 0.0)
        return Importance(self._vocabulary, keys, means.astype(np.float32), variances.astype(np.float32), counts)


def cls_attention(attention: NDArray[np.float64]) -> NDArray[np.float64]:
    """The attention of a search model's first token: heads [h, t, t] to [t], averaged over heads (LeanCode, search)."""
    received: NDArray[np.float64] = attention.mean(axis=0)[0]
    return received


def mean_attention(attention: NDArray[np.float64]) -> NDArray[np.float64]:
    """The attention of all t tokens of a search model that pools by the mean: heads [h, t, t] to [t], averaged over
    heads and rows, times t.
    """
    received: NDArray[np.float64] = attention.mean(axis=(0, 1)) * attention.shape[-1]
    return received


def cross_attention(attention: NDArray[np.float64]) -> NDArray[np.float64]:
    """The attention of a decoder while it writes: [h, targets, sources] to [sources], averaged over heads, then the
    maximum over targets (LeanCode, summaries).
    """
    received: NDArray[np.float64] = attention.mean(axis=0).max(axis=0)
    return received
