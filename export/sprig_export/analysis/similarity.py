"""The similarity of layers (centred kernel alignment) and of neurons (correlation clustering)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sprig_export.analysis.probe import Features

_BATCHES = 5
_MOST_ROWS = 1000  # of a batch


def layer_similarity(states: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """The linear CKA of every two layers, with the unbiased estimate of HSIC, summed over five random batches before
    normalisation.

    Args:
        states: float32 [n, layers, width], n at least 4.

    Returns:
        float64 [layers, layers], symmetric, 1 on the diagonal; about 0 for layers with nothing in common.
    """
    rows = min(_MOST_ROWS, len(states))
    draw = np.random.default_rng(seed)
    layers = states.shape[1]
    sums = np.zeros((layers, layers))
    for _ in range(_BATCHES):
        batch = states[draw.choice(len(states), rows, replace=False)].astype(np.float64)
        grams = [_gram(batch[:, layer]) for layer in range(layers)]
        for one in range(layers):
            for other in range(one + 1):
                sums[one, other] += _hsic(grams[one], grams[other])
    sums = np.tril(sums) + np.tril(sums, -1).T
    own = np.sqrt(np.diag(sums))
    similarity: NDArray[np.float64] = sums / np.outer(own, own)
    return similarity


def _gram(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    gram = rows @ rows.T
    np.fill_diagonal(gram, 0)
    return gram


def _hsic(k: NDArray[np.float64], m: NDArray[np.float64]) -> float:
    """The unbiased estimate (Song et al. 2012) for Gram matrices with an empty diagonal."""
    n = len(k)
    columns_k, columns_m = k.sum(axis=0), m.sum(axis=0)
    trace, sums = float((k * m).sum()), float(columns_k.sum()) * float(columns_m.sum())
    mixed = float(columns_k @ columns_m)
    return (trace + sums / ((n - 1) * (n - 2)) - 2 * mixed / (n - 2)) / (n * (n - 3))


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """An average-linkage tree over n items: for each merge, one member of each of the two joined groups, int64 [n - 1,
    2], and the distance, float32 [n - 1].
    """

    pairs: NDArray[np.int64]
    heights: NDArray[np.float32]

    def keep_first(self, distance: float) -> NDArray[np.int64]:
        """One item of each cluster if the tree is cut at a distance: int64, ascending.

        It is the one with the lowest number, so of redundant neurons the one in the lowest layer, which even the
        smallest network has. (The paper draws one at random, so its figures vary with the draw.)
        """
        parent = np.arange(len(self.pairs) + 1)

        def root(item: int) -> int:
            while parent[item] != item:
                parent[item] = parent[parent[item]]
                item = int(parent[item])
            return item

        for one, other in self.pairs[self.heights <= distance].tolist():
            low, high = sorted((root(one), root(other)))
            parent[high] = low
        return np.flatnonzero(parent == np.arange(len(parent)))


def correlation_distances(features: Features) -> Features:
    """1 - |Pearson correlation| of every two columns: float32 [columns, columns], 0 on the diagonal.

    A constant column correlates with nothing.
    """
    centred = features - features.mean(axis=0)
    norms = np.sqrt(np.square(centred).sum(axis=0))
    centred /= np.where(norms > 0, norms, 1)
    distances: Features = 1 - np.abs(centred.T @ centred)
    np.fill_diagonal(distances, 0)
    return np.clip(distances, 0, 1)


def average_linkage(distances: Features) -> Tree:
    """The tree of average linkage, found along chains of nearest neighbours in O(n^2) (Murtagh 1983).

    Args:
        distances: float32 [n, n], symmetric; overwritten.
    """
    count = len(distances)
    np.fill_diagonal(distances, np.inf)
    sizes = np.ones(count, dtype=np.float32)
    left = np.ones(count, dtype=bool)
    pairs: list[tuple[int, int]] = []
    heights: list[np.float32] = []
    chain: list[int] = []
    while len(pairs) < count - 1:
        if not chain:
            chain.append(int(np.argmax(left)))
        last = chain[-1]
        nearest = int(np.argmin(distances[last]))
        if len(chain) > 1 and distances[last, chain[-2]] <= distances[last, nearest]:
            nearest = chain[-2]  # a tie must not extend the chain, or it would never end
        if len(chain) < 2 or nearest != chain[-2]:
            chain.append(nearest)
            continue
        del chain[-2:]
        pairs.append((last, nearest))
        heights.append(distances[last, nearest])
        mean = (sizes[last] * distances[last] + sizes[nearest] * distances[nearest]) / (sizes[last] + sizes[nearest])
        mean[[last, nearest]] = np.inf
        distances[last], distances[:, last] = mean, mean
        distances[nearest], distances[:, nearest] = np.inf, np.inf
        sizes[last] += sizes[nearest]
        left[nearest] = False
    return Tree(np.array(pairs, dtype=np.int64).reshape(-1, 2), np.array(heights, dtype=np.float32))
