"""Fewer output dimensions: a linear map behind a sentence encoder, in the `2_Dense` folder of sentence-transformers.

The map commutes with pooling, so it is applied to the state of every token. Pooling the mapped states gives the vector
with fewer dimensions, and nothing else needs to know about the map.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from sprig_server.errors import InvalidInput

FOLDER = "2_Dense"
_WEIGHTS = "model.safetensors"
_LINEAR = "torch.nn.modules.linear.Identity"


def make_projection(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A linear map with weights [kept, width] and, if given, a bias [kept]."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    linear.weight = nn.Parameter(weight.detach().float().clone())
    if bias is not None:
        linear.bias = nn.Parameter(bias.detach().float().clone())
    return linear


def attach_projection(model: PreTrainedModel, projection: nn.Linear) -> None:
    """Make an encoder return projected states, in place. The map becomes one of its modules and replaces any earlier
    map.
    """
    if projection_of(model) is None:
        model.register_forward_hook(_project)
    model.projection = projection


def projection_of(model: PreTrainedModel) -> nn.Linear | None:
    """The map that was attached to an encoder."""
    return getattr(model, "projection", None)


def write_projection(model: PreTrainedModel, folder: Path) -> None:
    """Write the map of an encoder, if it has one, into its model folder."""
    projection = projection_of(model)
    if projection is None:
        return
    place = folder / FOLDER
    place.mkdir()
    config = {
        "in_features": projection.in_features,
        "out_features": projection.out_features,
        "bias": projection.bias is not None,
        "activation_function": _LINEAR,
    }
    (place / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tensors = {f"linear.{name}": tensor.detach().contiguous() for name, tensor in projection.named_parameters()}
    save_file(tensors, place / _WEIGHTS)


def principal_directions(vectors: NDArray[np.float32], kept: int) -> Tensor:
    """The principal directions of vectors, float32 [n, width]: orthonormal rows, float32 [kept, width].

    The mean is not subtracted, because that preserves the products of vectors best, and search ranks by these.

    Raises:
        InvalidInput: more directions than the vectors have dimensions.
    """
    width = vectors.shape[1]
    if not 0 < kept <= width:
        raise InvalidInput(f"of {width} output dimensions, {kept} cannot be kept: give 1 to {width}")
    _, directions = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors.astype(np.float64))
    return torch.from_numpy(np.ascontiguousarray(directions[:, ::-1][:, :kept].T).astype(np.float32))


def _project(model: Any, _: object, output: Any) -> Any:
    output.last_hidden_state = model.projection(output.last_hidden_state)
    return output
