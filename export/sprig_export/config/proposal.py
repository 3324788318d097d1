"""The proposal of an analysis: what to remove. `sprig analyze` writes it, `sprig export --analysis` reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sprig_server.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Score:
    """The accuracy of a probe, 0 to 1, on the two splits that it was not trained on."""

    dev: float
    test: float


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """The number of transformer layers with which a probe loses at most the share `delta` of its accuracy (on the
    development split), and its score with them. It is 0 if the embedding layer is enough.
    """

    delta: float
    layers: int
    score: Score


@dataclass(frozen=True, slots=True)
class LayerRedundancy:
    """The share of a layer's neurons, and of its feed-forward units, that are redundant because they are in a cluster
    with another one, 0 to 1. Layer 0 is the embedding layer, which has no such units.
    """

    layer: int
    neurons: float
    units: float | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an export may remove from a model, according to an analysis.

    The proposals come from what a linear probe for word classes needs. What an export loses by following them must be
    measured with search or summaries.

    Attributes:
        of_layers: the number of the model's transformer layers.
        layers: how many of them to keep, for each share of accuracy that may be lost.
        redundancy: what is redundant in each layer.
        distance: two neurons are in one cluster if 1 - |r| is at most this on average.
        output_dimensions: one dimension of each cluster of the pooled output, as numbers, ascending.
        of_dimensions: the number of output dimensions.
        principal_dimensions: the number of directions that contain 95 % of the variance of the pooled output.
    """

    of_layers: int
    layers: tuple[LayerChoice, ...]
    redundancy: tuple[LayerRedundancy, ...]
    distance: float
    output_dimensions: tuple[int, ...]
    of_dimensions: int
    principal_dimensions: int


def read_proposal(path: Path) -> Proposal:
    """The proposal in a `report.json`.

    Raises:
        InvalidInput: the file cannot be read, or is not such a report.
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
