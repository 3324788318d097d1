"""The neurons that a probe reads a class of words from, and the words that activate them most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sprig_export.analysis.control import Typed
from sprig_export.analysis.probe import Features

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
        probeless: `ranking.probeless_scores`, float64 [classes, neurons].
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
