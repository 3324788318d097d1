"""Ranking the neurons that a class is read from: by the weights of a probe, and without a probe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sprig_export.analysis.probe import Features, Labels

_STEPS = 1000


def top_set(weights: NDArray[np.float32], mass: float) -> NDArray[np.int64]:
    """The fewest neurons that have a share of a class's weight: int64, largest weight first, never empty.

    Args:
        weights: float32 [neurons].
        mass: the share of sum |weights|, 0 to 1.
    """
    order, before, total = _by_size(weights)
    return order[: max(1, int(np.searchsorted(before, mass * total, side="left")))]


def global_order(weights: NDArray[np.float32]) -> NDArray[np.int64]:
    """All neurons, ordered by the smallest mass at which they are in some class's top set: int64 [neurons].

    The mass grows in a thousand steps. Neurons that enter at the same step are ordered by their largest weight and then
    by their number. Those without any weight come last. So the order is deterministic.

    Args:
        weights: float32 [classes, neurons].
    """
    entry = np.full(weights.shape, _STEPS + 1, dtype=np.int64)
    for number, row in enumerate(weights):
        order, before, total = _by_size(row)
        if total:
            # A neuron enters at the first step whose mass exceeds the sum of all larger weights.
            entry[number, order] = np.minimum(np.floor(before * _STEPS / total) + 1, _STEPS + 1)
            entry[number, order[0]] = 0
    largest = np.abs(weights).max(axis=0)
    return np.lexsort((np.arange(weights.shape[1]), -largest, entry.min(axis=0)))


def probeless_scores(features: Features, labels: Labels, classes: int) -> NDArray[np.float64]:
    """The distance of a class's mean activation from the others': the sum over the others of |difference|.

    The score of a neuron over all classes is half the sum of its column, because each pair is counted twice (Antverg
    and Belinkov 2022).

    Returns:
        float64 [classes, neurons].
    """
    means = np.stack([features[labels == number].mean(axis=0, dtype=np.float64) for number in range(classes)])
    scores: NDArray[np.float64] = np.abs(means[:, None, :] - means[None, :, :]).sum(axis=1)
    return scores


def probeless_order(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """All neurons by their score over all classes, highest first: int64 [neurons]."""
    return np.argsort(-scores.sum(axis=0), kind="stable")


def _by_size(weights: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Neurons by |weight|, the total weight before each of them, and the total weight."""
    order = np.argsort(-np.abs(weights), kind="stable")
    sums = np.cumsum(np.abs(weights[order]), dtype=np.float64)
    return order, np.concatenate([[0.0], sums[:-1]]), float(sums[-1])
