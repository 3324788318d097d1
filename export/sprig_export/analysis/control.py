"""The control task: the accuracy of the same probe on random labels (Hewitt and Liang 2019)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sprig_export.analysis.probe import Features, train_probe
from sprig_export.analysis.selection import Trainer


@dataclass(frozen=True, slots=True, eq=False)
class Typed:
    """Words: standardised activations, float32 [n, features], and the word type of each."""

    features: Features
    types: Sequence[str]


def random_labels(types: Iterable[str], classes: int, seed: int) -> dict[str, int]:
    """A random class for each word type. All classes are equally likely, as in the task."""
    own = sorted(set(types))
    return dict(zip(own, np.random.default_rng(seed).integers(0, classes, len(own)).tolist(), strict=True))


def run_control(train: Typed, others: Sequence[Typed], classes: int, trainer: Trainer, epochs: int) -> list[float]:
    """The accuracy on `others` of a probe that was trained on random labels of word types.

    Args:
        epochs: how long the probe of the task was trained. Early stopping on random labels would stop at a random time.
    """
    known = [*train.types, *(kind for words in others for kind in words.types)]
    drawn = random_labels(known, classes, trainer.seed)

    def labels(words: Typed) -> NDArray[np.int64]:
        return np.array([drawn[kind] for kind in words.types], dtype=np.int64)

    probe = train_probe(train.features, labels(train), classes, trainer.penalty, trainer.seed, epochs)
    return [probe.accuracy(words.features, labels(words)) for words in others]
