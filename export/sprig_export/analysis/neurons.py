"""The neurons that a class of words is read from: ranked by the weights of a probe and without a probe, with the words
that activate them most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sprig_export.analysis.probe import Features, Labels, Typed

_STEPS = 1000  # in which the mass of top sets grows
_NEURONS, _WORDS = 5, 5


@dataclass(frozen=True, slots=True)
class ConceptNeuron:
    """A neuron that a class is read from: its position, its weight in the class's probe and its share of all weights of
    that class, its rank without a probe (from 0), and the words that activate it most.
    """

    layer: int
    unit: int
    weight: float
    share: float
    probeless_rank: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Concept:
    """A class of words and the neurons that it is read from, largest weight first."""

    label: str
    neurons: tuple[ConceptNeuron, ...]


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


def top_words(activations: Features, types: Sequence[str], count: int) -> tuple[str, ...]:
    """The word types that activate a neuron most, by the mean of |z| over their occurrences (NeuroX).

    Args:
        activations: standardised, float32 [words].
        types: the word type of each word.
    """
    names, inverse = np.unique(np.array(types), return_inverse=True)
    means = np.bincount(inverse, np.abs(activations)) / np.bincount(inverse)
    return tuple(names[np.argsort(-means, kind="stable")[:count]].tolist())


def map_concepts(
    weights: Features, classes: Sequence[str], words: Typed, probeless: NDArray[np.float64], width: int
) -> tuple[Concept, ...]:
    """For each class, the five neurons with the largest weights, and the five words that activate each of them most.

    Args:
        weights: of a probe that reads all neurons, float32 [classes, neurons].
        words: the words to choose from.
        probeless: `probeless_scores`, float64 [classes, neurons].
        width: neurons of a layer.
    """

    def describe(neuron: int, own: NDArray[np.float32], rank: int) -> ConceptNeuron:
        share = float(np.abs(own[neuron]) / np.abs(own).sum())
        moving = top_words(words.features[:, neuron], words.types, _WORDS)
        return ConceptNeuron(neuron // width, neuron % width, float(own[neuron]), share, rank, moving)

    found = []
    for label, own, scores in zip(classes, weights, probeless, strict=True):
        ranks = np.argsort(np.argsort(-scores, kind="stable"))
        heaviest = np.argsort(-np.abs(own), kind="stable")[:_NEURONS].tolist()
        found.append(Concept(label, tuple(describe(neuron, own, int(ranks[neuron])) for neuron in heaviest)))
    return tuple(found)


def _by_size(weights: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Neurons by |weight|, the total weight before each of them, and the total weight."""
    order = np.argsort(-np.abs(weights), kind="stable")
    sums = np.cumsum(np.abs(weights[order]), dtype=np.float64)
    return order, np.concatenate([[0.0], sums[:-1]]), float(sums[-1])
