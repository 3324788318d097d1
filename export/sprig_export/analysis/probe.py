"""The linear probe: predicting a word's class from activations, with an elastic net on the weights.

Softmax cross-entropy, Adam at 1e-3 in batches of 128, and in the loss lambda1 * sum |W| +
lambda2 * sqrt(sum W^2) (the norm itself, not its square), at most 100 epochs with patience 2 on a development split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Features = NDArray[np.float32]
"""Standardised activations, float32 [n, features]."""
Labels = NDArray[np.int64]
"""The class of each row, int64 [n], 0 to classes - 1."""

_RATE = 1e-3
_BATCH = 128
_MOST_EPOCHS = 100
_PATIENCE = 2  # epochs
_LEAST_STEPS = 200  # steps before patience counts: in the first steps of Adam, all weights grow alike


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

    def accuracy(self, features: Features, labels: Labels) -> float:
        """The share of rows whose class is predicted correctly, 0 to 1."""
        return float(np.mean(self.predict(features) == labels))


def train_probe(
    features: Features,
    labels: Labels,
    classes: int,
    penalty: Penalty,
    seed: int,
    until: tuple[Features, Labels] | int,
) -> Probe:
    """Train a probe from zero weights. The same arguments give the same probe.

    Args:
        until: a development split, or a number of epochs. With a split, training stops when two epochs in a row do not
            improve the accuracy on it, but not in the first 200 steps, and the best weights are kept.
    """
    with torch.no_grad():  # explicit gradients of the linear model are twice as fast as autograd
        x, y = torch.from_numpy(np.ascontiguousarray(features)), functional.one_hot(torch.from_numpy(labels), classes)
        draw = torch.Generator().manual_seed(seed)
        weights, bias = torch.zeros(classes, x.shape[1]), torch.zeros(classes)
        optimizer = torch.optim.Adam([weights, bias], lr=_RATE)
        best, best_score, waited = _snapshot(weights, bias, 0), -1.0, 0
        for epoch in range(1, (until if isinstance(until, int) else _MOST_EPOCHS) + 1):
            order = torch.randperm(len(x), generator=draw)
            for start in range(0, len(x), _BATCH):
                rows = order[start : start + _BATCH]
                _set_gradients(weights, bias, x[rows], y[rows], penalty)
                optimizer.step()
            probe = _snapshot(weights, bias, epoch)
            score = float(epoch) if isinstance(until, int) else probe.accuracy(*until)
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
