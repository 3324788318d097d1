"""Groups of pairs with similar queries, which are hard negatives for each other in one batch.

Random negatives differ in their topic alone. A search must decide between functions about the same topic. A balanced
tree over the queries' vectors finds such groups without comparing all pairs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sprig_server.types import Vectors

_BANDS = 8  # by length of the code, so that a batch has little padding


def group_pairs(
    vectors: Vectors, languages: NDArray[np.int8], lengths: NDArray[np.int64], size: int, seed: int
) -> NDArray[np.int64]:
    """The group number of each pair, int64 [n]. A group has one language and similar code lengths.

    Args:
        vectors: unit vectors of the queries, float32 [n, width].
        languages: a number for each pair's language, int8 [n].
        lengths: tokens of each pair's code, int64 [n].
        size: pairs of a group; the last group of a language and length has the rest.
        seed: for the directions of the tree's cuts.
    """
    generator = np.random.default_rng(seed)
    groups, count = np.zeros(len(vectors), dtype=np.int64), 0
    for language in np.unique(languages):
        own = np.flatnonzero(languages == language)
        for band in np.array_split(own[np.argsort(lengths[own], kind="stable")], _BANDS):
            for rows in _halve(band, vectors, size, generator):
                groups[rows] = count
                count += 1
    return groups


def _halve(
    rows: NDArray[np.int64], vectors: Vectors, size: int, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """The leaves of a tree. Each cut is perpendicular to the line between two random rows."""
    if len(rows) <= size:
        return [rows] if len(rows) else []
    first, second = generator.choice(rows, 2, replace=False)
    order = rows[np.argsort(vectors[rows] @ (vectors[second] - vectors[first]), kind="stable")]
    half = size * max(1, round(len(rows) / (2 * size)))
    return [*_halve(order[:half], vectors, size, generator), *_halve(order[half:], vectors, size, generator)]
