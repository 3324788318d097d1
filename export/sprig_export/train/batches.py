"""Batches of texts of similar lengths, so that little of them is padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def fill_batches(ordered: NDArray[np.int64], lengths: NDArray[np.int64], tokens: int) -> Iterator[NDArray[np.int64]]:
    """Runs of text numbers, sorted by length, that fill `tokens` once they are padded.

    Args:
        ordered: numbers of texts, shortest first, int64 [n].
        lengths: of all texts, int64.
        tokens: the most that a batch may have; a longer text is a batch of its own.
    """
    start = 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or (end + 1 - start) * lengths[ordered[end]] > tokens:
            yield ordered[start:end]
            start = end
