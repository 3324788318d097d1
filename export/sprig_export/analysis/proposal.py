"""What an export may remove from a model, according to an analysis: layers, units and output dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sprig_export.analysis.probe import Features
from sprig_export.analysis.selection import DISTANCE, LayerScore, select_layer
from sprig_export.analysis.similarity import average_linkage, correlation_distances
from sprig_export.config.proposal import LayerChoice, LayerRedundancy, Proposal

DELTAS = (0.01, 0.02, 0.03)
"""The shares of the accuracy that layer selection may lose."""
_VARIANCE = 0.95


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
    """The number of principal directions that contain a share of the variance of rows, float32 [n, dimensions]."""
    values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False).astype(np.float64) ** 2
    return int(np.searchsorted(np.cumsum(values), variance * values.sum())) + 1


def _keep(columns: Features) -> list[int]:
    kept: list[int] = average_linkage(correlation_distances(columns)).keep_first(DISTANCE).tolist()
    return kept


def _redundant(columns: Features) -> float:
    return 1 - len(_keep(columns)) / int(columns.shape[1])
