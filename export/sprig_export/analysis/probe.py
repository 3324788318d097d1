"""The linear probe: predicting a word's class from activations, with an elastic net on the weights.

Softmax cross-entropy, Adam at 1e-3 in batches of 128, and in the loss lambda1 * sum |W| +
lambda2 * sqrt(sum W^2) (the norm itself, not its square), at most 100 epochs with patience 2 on a development split.
The control task is the accuracy of the same probe on random labels (Hewitt and Liang 2019).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sprig_export.config.proposal import Score

Features = NDArray[np.float32]
"""Standardised activations, float32 [n, features]."""
Labels = NDArray[np.int64]
"""The class of each row, int64 [n], 0 to classes - 1."""
Columns = NDArray[np.int64]
"""Feature numbers: neuron n is unit n % width of layer n // width."""

_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)  # ascending
_RATE = 1e-3
_BATCH = 128
_MOST_EPOCHS = 100
_PATIENCE = 2  # epochs
_LEAST_STEPS = 200  # steps before patience counts: in the first steps of Adam, all weights grow alike


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The words of a split: standardised activations, and classes."""

    features: Features
    labels: Labels


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """The splits: for training probes, for choices, and for reporting only."""

    train: Rows
    dev: Rows
    test: Rows
    classes: int

    def only(self, columns: Columns) -> Splits:
        """The same words with some of their features."""
        train, dev, test = (Rows(rows.features[:, columns], rows.labels) for rows in (self.train, self.dev, self.test))
        return Splits(train, dev, test, self.classes)


@dataclass(frozen=True, slots=True)
class Penalty:
    """The factors of sum |W| and of sqrt(sum W^2) in the loss, both at least 0."""

    lasso: float
    ridge: float


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A trained probe: weights float32 [classes, features], bias float32 [classes], and the number of epochs."""

    weights: Features
    bias: NDArray[np.float32]
    epochs: int

    def predict(self, features: Features) -> Labels:
        """The most likely class of each row, int64 [n]."""
        likeliest: Labels = np.argmax(features @ self.weights.T + self.bias, axis=1).astype(np.int64)
        return likeliest

    def accuracy(self, rows: Rows) -> float:
        """The share of rows whose class is predicted correctly, 0 to 1."""
        return float(np.mean(self.predict(rows.features) == rows.labels))


@dataclass(frozen=True, slots=True)
class Trainer:
    """The settings for training probes, the same for all, so that they can be compared."""

    penalty: Penalty
    seed: int

    def fit(self, splits: Splits) -> tuple[Probe, Score]:
        """A probe that reads all features, and its score."""
        probe = train_probe(splits.train, splits.classes, self, splits.dev)
        return probe, Score(probe.accuracy(splits.dev), probe.accuracy(splits.test))


def choose_trainer(splits: Splits, seed: int) -> Trainer:
    """The largest penalty, the same for both norms, with which a probe of all features does as well as any.

    "As well" means within one standard error of the best on the development split. Of probes that cannot be
    distinguished there, the one with the fewest weights tells most about which neurons matter.
    """
    scores = {value: Trainer(Penalty(value, value), seed).fit(splits)[1].dev for value in _PENALTIES}
    best = max(scores.values())
    error = math.sqrt(best * (1 - best) / len(splits.dev.labels))
    chosen = max(value for value, score in scores.items() if score >= best - error)
    return Trainer(Penalty(chosen, chosen), seed)


def train_probe(rows: Rows, classes: int, trainer: Trainer, until: Rows | int) -> Probe:
    """Train a probe from zero weights. The same arguments give the same probe.

    Args:
        until: a development split, or a number of epochs. With a split, training stops when two epochs in a row do not
            improve the accuracy on it, but not in the first 200 steps, and the best weights are kept.
    """
    with torch.no_grad():  # explicit gradients of the linear model are twice as fast as autograd
        x = torch.from_numpy(np.ascontiguousarray(rows.features))
        y = functional.one_hot(torch.from_numpy(rows.labels), classes)
        draw = torch.Generator().manual_seed(trainer.seed)
        weights, bias = torch.zeros(classes, x.shape[1]), torch.zeros(classes)
        optimizer = torch.optim.Adam([weights, bias], lr=_RATE)
        best, best_score, waited = _snapshot(weights, bias, 0), -1.0, 0
        for epoch in range(1, (until if isinstance(until, int) else _MOST_EPOCHS) + 1):
            order = torch.randperm(len(x), generator=draw)
            for start in range(0, len(x), _BATCH):
                batch = order[start : start + _BATCH]
                _set_gradients(weights, bias, x[batch], y[batch], trainer.penalty)
                optimizer.step()
            probe = _snapshot(weights, bias, epoch)
            score = float(epoch) if isinstance(until, int) else probe.accuracy(until)
            if score > best_score:
                best, best_score, waited = probe, score, 0
            elif (waited := waited + 1) >= _PATIENCE and epoch * len(x) >= _LEAST_STEPS * _BATCH:
                break
    return best


def _set_gradients(weights: Tensor, bias: Tensor, x: Tensor, y: Tensor, penalty: Penalty) -> None:
    error = (torch.softmax(x @ weights.T + bias, dim=1) - y) / len(x)
    norm = weights.norm().clamp_min(1e-12)  # the root has no derivative at zero
    weights.grad = error.T @ x + penalty.lasso * weights.sign() + weights * (penalty.ridge / norm)
    bias.grad = error.sum(dim=0)


def _snapshot(weights: Tensor, bias: Tensor, epochs: int) -> Probe:
    return Probe(weights.numpy().copy(), bias.numpy().copy(), epochs)


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
    """The control task (Hewitt and Liang 2019): the accuracy on `others` of a probe that was trained on random labels
    of word types.

    Args:
        epochs: how long the probe of the task was trained. Early stopping on random labels would stop at a random time.
    """
    known = [*train.types, *(kind for words in others for kind in words.types)]
    drawn = random_labels(known, classes, trainer.seed)

    def labelled(words: Typed) -> Rows:
        return Rows(words.features, np.array([drawn[kind] for kind in words.types], dtype=np.int64))

    probe = train_probe(labelled(train), classes, trainer, epochs)
    return [probe.accuracy(labelled(words)) for words in others]
