"""Which weights stay: masks per output row, their overlap, and their file.

In a mask, True is a weight that stays, [outputs, inputs]. Masks are stored as packed bits, never pickled.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sprig_server.errors import InvalidInput

Masks = Mapping[str, Tensor]
"""Masks by the name of their matrix, as in "encoder.3/attention.self.query"."""


def keep_best(scores: Tensor, sparsity: float) -> Tensor:
    """A mask that prunes the first int(inputs * sparsity) of every row in ascending order of score (equal scores: the
    first column goes first).

    Args:
        scores: [outputs, inputs].
        sparsity: from 0 to below 1.
    """
    pruned = int(scores.shape[1] * sparsity)
    order = scores.sort(dim=1, stable=True).indices[:, :pruned]
    return torch.ones_like(scores, dtype=torch.bool).scatter_(1, order, False)


def keep_best_of(scores: Tensor, pruned: int, of: int) -> Tensor:
    """A mask that prunes `pruned` of every `of` neighbouring inputs: 2 of 4, or 4 of 8.

    Raises:
        InvalidInput: the inputs are no multiple of `of`.
    """
    outputs, inputs = scores.shape
    if inputs % of:
        raise InvalidInput(f"{pruned}:{of} sparsity needs a multiple of {of} inputs, and a matrix has {inputs}.")
    groups = scores.reshape(outputs * inputs // of, of)
    return keep_best(groups, pruned / of).reshape(outputs, inputs)


def sparsity_of(masks: Masks) -> float:
    """The share of weights that the masks prune."""
    total = sum(mask.numel() for mask in masks.values())
    return 1.0 - sum(int(mask.sum()) for mask in masks.values()) / max(1, total)


def distance(first: Masks, second: Masks) -> float:
    """The Jaccard distance of what two masks of one model prune: 0 the same, 2/3 for independent halves, 1 nothing
    in common.

    Raises:
        InvalidInput: they are not masks of the same matrices.
    """
    if {name: mask.shape for name, mask in first.items()} != {name: mask.shape for name, mask in second.items()}:
        raise InvalidInput("masks can only be compared when they are of the same matrices of one model")
    both = sum(int((~first[name] & ~second[name]).sum()) for name in first)
    either = sum(int((~first[name] | ~second[name]).sum()) for name in first)
    return 1.0 - both / either if either else 0.0


def write_masks(masks: Masks, path: Path) -> None:
    """Store masks as an .npz of packed bits, in place of what is there."""
    arrays: dict[str, NDArray[np.uint8] | NDArray[np.int64]] = {}
    for name, mask in masks.items():
        arrays[name] = np.packbits(mask.numpy())
        arrays[f"{name}:shape"] = np.array(mask.shape, dtype=np.int64)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.npz")
    np.savez(temporary, allow_pickle=False, **arrays)
    temporary.replace(path)


def read_masks(path: Path) -> dict[str, Tensor]:
    """The masks of a file that `write_masks` wrote.

    Raises:
        InvalidInput: it cannot be read as such.
    """
    try:
        with np.load(path) as arrays:
            names = [name for name in arrays.files if not name.endswith(":shape")]
            return {name: _unpack(arrays[name], arrays[f"{name}:shape"]) for name in names}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"{path} does not hold masks: {error}.") from error


def _unpack(bits: NDArray[np.uint8], shape: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(np.unpackbits(bits, count=int(shape.prod())).astype(bool).reshape(shape))
