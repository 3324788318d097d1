"""The similarity of layers: linear centred kernel alignment with the unbiased estimate of HSIC."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BATCHES = 5
_MOST_ROWS = 1000  # of a batch


def layer_similarity(states: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """The CKA of every two layers, summed over five random batches before normalisation.

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
