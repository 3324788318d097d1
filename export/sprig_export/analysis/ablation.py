"""Ablation: what happens to a class of words when the neurons that a probe reads it from are set to zero in the model.

A neuron that a probe uses may be unused by the model (Antverg and Belinkov 2022). So the class must lose more accuracy
than the others, and more than with random neurons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sprig_export.analysis.probe import Features, Labels, Probe


@dataclass(frozen=True, slots=True)
class Ablation:
    """The effect of setting a concept's neurons to zero in the model, on a probe of its last layer.

    `loss` is the accuracy that each class loses (negative if it gains), `random` the mean loss over all draws with as
    many random neurons of the same layers, and `worst` the largest of these for the concept's own class. The concept is
    `confirmed` if its own class loses more than the others on average, and more than `worst`.
    """

    label: str
    neurons: int
    loss: dict[str, float]
    random: dict[str, float]
    worst: float

    @property
    def own(self) -> float:
        """The loss of the concept's own class."""
        return self.loss[self.label]

    @property
    def others(self) -> float:
        """The mean loss of the other classes."""
        return float(np.mean([loss for label, loss in self.loss.items() if label != self.label]))

    @property
    def confirmed(self) -> bool:
        """Whether the model uses these neurons for the concept."""
        return self.own > max(self.others, self.worst)


def choose_functions(functions: NDArray[np.int64], labels: Labels, most: int) -> NDArray[np.int64]:
    """Functions to test on, int64, at most `most`: those with the most words of each class, taking the classes in turn.

    Args:
        functions: the function of each word, int64 [words].
        labels: its class.
    """
    numbers, place = np.unique(functions, return_inverse=True)
    counts = np.zeros((len(numbers), int(labels.max()) + 1), dtype=np.int64)
    np.add.at(counts, (place, labels), 1)
    chosen: dict[int, None] = {}
    for turn in np.argsort(-counts, axis=0, kind="stable"):
        for label, row in enumerate(turn):
            if counts[row, label] and len(chosen) < most:
                chosen.setdefault(int(numbers[row]))
    return np.array(list(chosen), dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Ablatable:
    """Words that a model reads again with some of its neurons at zero.

    Attributes:
        read: returns the standardised last layer of the words with these neurons at zero, float32 [words, width].
        labels: the classes of the words, int64 [words].
        width: neurons of a layer.
    """

    read: Callable[[NDArray[np.int64]], Features]
    labels: Labels
    width: int

    def accuracy(self, probe: Probe, zeroed: NDArray[np.int64]) -> NDArray[np.float64]:
        """A probe's accuracy on the words of each class with these neurons at zero."""
        right = probe.predict(self.read(zeroed)) == self.labels
        return np.array([right[self.labels == number].mean() for number in range(len(probe.weights))])


def ablate(sets: Mapping[str, NDArray[np.int64]], words: Ablatable, probe: Probe, seed: int) -> tuple[Ablation, ...]:
    """Set the neurons of each concept to zero, and as many random ones of the same layers.

    Args:
        sets: the neuron numbers of each class, all of one size, in the order of the probe's classes.
        probe: a probe of the last layer of the unchanged model.
        seed: for the random neurons. There is one draw for each concept; all have the same size and are shared.
    """
    draw, width = np.random.default_rng(seed), words.width
    before = words.accuracy(probe, np.empty(0, dtype=np.int64))
    losses = {label: before - words.accuracy(probe, own) for label, own in sets.items()}
    random = np.array([before - words.accuracy(probe, _elsewhere(own, width, draw)) for own in sets.values()])
    names = list(sets)

    def named(values: NDArray[np.float64]) -> dict[str, float]:
        return dict(zip(names, values.tolist(), strict=True))

    return tuple(
        Ablation(
            label, len(sets[label]), named(loss), named(random.mean(axis=0)), float(random[:, names.index(label)].max())
        )
        for label, loss in losses.items()
    )


def _elsewhere(neurons: NDArray[np.int64], width: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Random other neurons, as many in each layer."""
    found = []
    for layer in np.unique(neurons // width).tolist():
        own = neurons[neurons // width == layer]
        others = np.setdiff1d(np.arange(layer * width, (layer + 1) * width), own)
        found.append(draw.choice(others, len(own), replace=False))
    return np.concatenate(found)
