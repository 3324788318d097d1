"""What an export may leave out of a model: layers, units and output dimensions, as far as an analysis can tell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sprig_export.analysis.clustering import average_linkage, correlation_distances
from sprig_export.analysis.probe import Features
from sprig_export.analysis.selection import LayerScore, Score, select_layer
from sprig_server.errors import InvalidInput

DISTANCE = 0.3
"""Where trees are cut: neurons of one cluster have |r| of 0.7 or more, on average (the default of the paper)."""
DELTAS = (0.01, 0.02, 0.03)
"""The shares of the accuracy that layer selection may lose."""
_VARIANCE = 0.95


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """How many transformer layers a probe needs to lose at most the share `delta` of its accuracy (on the development
    split), and its score with them. None is needed where the embedding layer is enough."""

    delta: float
    layers: int
    score: Score


@dataclass(frozen=True, slots=True)
class LayerRedundancy:
    """The share of a layer's neurons, and of the units of its feed-forward network, that are in a cluster with another
    one and would be dropped, 0 to 1; layer 0 is the embedding layer, which has no such units."""

    layer: int
    neurons: float
    units: float | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an export may leave out of a model, as far as the analysis can tell.

    These are proposals from what a linear probe for word classes needs. What an export loses by following them has to
    be measured with search or summaries.

    Attributes:
        of_layers: transformer layers of the model.
        layers: how many of them to keep, by how much accuracy may be lost.
        redundancy: what correlates in each layer.
        distance: two neurons are in a cluster if 1 - |r| is at most this on average.
        output_dimensions: one dimension of each cluster of the pooled output, by number, ascending.
        of_dimensions: how many the output has.
        principal_dimensions: directions that hold 95 % of the variance of the pooled output.
    """

    of_layers: int
    layers: tuple[LayerChoice, ...]
    redundancy: tuple[LayerRedundancy, ...]
    distance: float
    output_dimensions: tuple[int, ...]
    of_dimensions: int
    principal_dimensions: int


def propose(scores: Sequence[LayerScore], states: Features, units: Sequence[Features], pooled: Features) -> Proposal:
    """The proposal that follows from an analysis.

    Args:
        scores: of every layer, the embedding layer first.
        states: hidden states of words, float32 [words, layers + 1, width].
        units: of each layer's feed-forward network, float32 [sub-tokens, units].
        pooled: the mean output for each function, float32 [functions, width].
    """
    chosen = {delta: select_layer(scores, delta) for delta in DELTAS}
    kept = _keep(pooled)
    return Proposal(
        of_layers=len(units),
        layers=tuple(LayerChoice(delta, score.layer, score.up_to) for delta, score in chosen.items()),
        redundancy=tuple(
            LayerRedundancy(layer, _redundant(states[:, layer]), _redundant(units[layer - 1]) if layer else None)
            for layer in range(len(units) + 1)
        ),
        distance=DISTANCE,
        output_dimensions=tuple(kept),
        of_dimensions=pooled.shape[1],
        principal_dimensions=principal_dimensions(pooled, _VARIANCE),
    )


def principal_dimensions(rows: Features, variance: float) -> int:
    """How many principal directions hold a share of the variance of rows, float32 [n, dimensions]."""
    values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False).astype(np.float64) ** 2
    return int(np.searchsorted(np.cumsum(values), variance * values.sum())) + 1


def read_proposal(path: Path) -> Proposal:
    """The proposal in a `report.json`.

    Raises:
        InvalidInput: the file cannot be read, or is no such report.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["proposal"]
        return Proposal(
            found["of_layers"],
            tuple(LayerChoice(one["delta"], one["layers"], Score(**one["score"])) for one in found["layers"]),
            tuple(LayerRedundancy(**one) for one in found["redundancy"]),
            found["distance"],
            tuple(found["output_dimensions"]),
            found["of_dimensions"],
            found["principal_dimensions"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f'"{path}" is not a report of `sprig analyze` ({error!r})') from None


def _keep(columns: Features) -> list[int]:
    kept: list[int] = average_linkage(correlation_distances(columns)).keep_first(DISTANCE).tolist()
    return kept


def _redundant(columns: Features) -> float:
    return 1 - len(_keep(columns)) / int(columns.shape[1])
