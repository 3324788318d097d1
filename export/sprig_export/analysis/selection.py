"""Selecting the activations that a probe needs: layers, clusters, neurons.

All choices are made on the development split. The test split is scored too, and decides nothing. (The paper's released
code chose the best of 15 probes, and layers, on test data.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sprig_export.analysis.neurons import global_order
from sprig_export.analysis.probe import Columns, Splits, Trainer
from sprig_export.analysis.similarity import Tree, average_linkage, correlation_distances
from sprig_export.config.proposal import Score

_SHARES = (0.001, 0.002, 0.003, 0.004, 0.005, *(n / 100 for n in range(1, 11)), 0.15, 0.25, 0.5)
DISTANCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""The distances at which trees are cut, ascending."""
DISTANCE = 0.3
"""The distance at which the trees of a cascade and a proposal are cut: neurons of a cluster have |r| of 0.7 or more, on
average (the paper's default).
"""


@dataclass(frozen=True, slots=True)
class LayerScore:
    """The score of a layer alone, and together with all layers below it."""

    layer: int
    alone: Score
    up_to: Score


@dataclass(frozen=True, slots=True)
class Point:
    """The score of a probe that reads this many neurons. `distance` is where the tree was cut, for clustering."""

    neurons: int
    score: Score
    distance: float | None = None


@dataclass(frozen=True, slots=True)
class Subset:
    """Neurons that are enough, as numbers, and the score of a probe that reads only them."""

    neurons: tuple[int, ...]
    score: Score


@dataclass(frozen=True, slots=True)
class Cascade:
    """Layer selection, then clustering, then the minimal set: the highest layer kept, the number of neurons after
    clustering, and the neurons that are enough ("CCFS" in the parent paper).
    """

    layer: int
    clustered: int
    subset: Subset


def score_layers(splits: Splits, width: int, trainer: Trainer) -> Iterator[LayerScore]:
    """The score of each layer, from the embedding layer up."""
    for layer in range(splits.train.features.shape[1] // width):
        columns = np.arange(layer * width, (layer + 1) * width)
        alone = trainer.fit(splits.only(columns))[1]
        up_to = trainer.fit(splits.only(np.arange(columns[-1] + 1)))[1] if layer else alone
        yield LayerScore(layer, alone, up_to)


def select_layer(scores: Sequence[LayerScore], delta: float) -> LayerScore:
    """The lowest layer up to which a probe loses at most `delta` of its accuracy.

    Args:
        scores: of every layer, ascending; the last one reads all features.
        delta: the share of the accuracy that may be lost, 0 to 1.
    """
    return next(score for score in scores if score.up_to.dev >= scores[-1].up_to.dev * (1 - delta))


def prefix_sizes(count: int) -> tuple[int, ...]:
    """The numbers of neurons to try, out of `count`, ascending: from a thousandth to half of them."""
    return tuple(dict.fromkeys(max(1, int(share * count + 1e-9)) for share in _SHARES))


def score_prefixes(splits: Splits, order: Columns, sizes: Sequence[int], trainer: Trainer) -> Iterator[Point]:
    """The scores of probes that read only the first neurons of an order, for each size."""
    for size in sizes:
        yield Point(size, trainer.fit(splits.only(order[:size]))[1])


def minimal_set(order: Columns, points: Iterable[Point], enough: float) -> Subset:
    """The first neurons of an order that are enough on the development split.

    Args:
        points: from `score_prefixes`, ascending. If none is enough, the last one is taken.
        enough: the accuracy that is asked for.
    """
    for point in points:
        if point.score.dev >= enough:
            break
    return Subset(tuple(order[: point.neurons].tolist()), point.score)


def cluster(splits: Splits) -> Tree:
    """The tree of the features by their correlation on the training split."""
    return average_linkage(correlation_distances(splits.train.features))


def score_clusters(splits: Splits, tree: Tree, trainer: Trainer) -> Iterator[Point]:
    """The scores of probes that read one neuron of each cluster, for increasing clusters."""
    for distance in DISTANCES:
        kept = tree.keep_first(distance)
        yield Point(len(kept), trainer.fit(splits.only(kept))[1], distance)


def run_cascade(splits: Splits, width: int, layer: int, trainer: Trainer, enough: float) -> Cascade:
    """Keep one neuron of each cluster in the layers up to `layer`, and the fewest of them that are enough.

    Args:
        width: neurons of a layer.
        enough: the required accuracy on the development split.
    """
    below = splits.only(np.arange((layer + 1) * width))
    kept = cluster(below).keep_first(DISTANCE)
    splits = below.only(kept)
    order = global_order(trainer.fit(splits)[0].weights)
    points = score_prefixes(splits, order, (*prefix_sizes(len(kept)), len(kept)), trainer)
    subset = minimal_set(order, points, enough)
    neurons = tuple(kept[list(subset.neurons)].tolist())
    return Cascade(layer, len(kept), Subset(neurons, subset.score))
