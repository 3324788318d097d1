"""Unstructured pruning: masks of the weights that stay."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from sprig_export.models.blocks import Block, read_blocks
from sprig_export.pruning.scores import (
    prune_by_sparsegpt,
    score_by_magnitude,
    score_by_wanda,
    share_of_outliers,
    spread_sparsity,
)
from sprig_export.pruning.statistics import Inputs, observe
from sprig_export.training.batches import Batch
from sprig_server.errors import InvalidInput

Masks = Mapping[str, Tensor]
"""Masks by the names of their matrices, as in "encoder.3/attention.self.query"."""
Method = Literal["wanda", "magnitude", "sparsegpt"]
_PATTERN = re.compile(r"(\d+):(\d+)")


def keep_best(scores: Tensor, sparsity: float) -> Tensor:
    """A mask that prunes, in every row, the int(inputs * sparsity) weights with the lowest scores. Of equal scores, the
    first column is pruned first.

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
        InvalidInput: the number of inputs is not a multiple of `of`.
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
    """The Jaccard distance of the weights that two masks of a model prune: 0 if they are the same, 2/3 for independent
    halves, 1 if they have nothing in common.

    Raises:
        InvalidInput: the masks are not of the same matrices.
    """
    if {name: mask.shape for name, mask in first.items()} != {name: mask.shape for name, mask in second.items()}:
        raise InvalidInput("masks can only be compared when they are of the same matrices of one model")
    both = sum(int((~first[name] & ~second[name]).sum()) for name in first)
    either = sum(int((~first[name] | ~second[name]).sum()) for name in first)
    return 1.0 - both / either if either else 0.0


def write_masks(masks: Masks, path: Path) -> None:
    """Write masks as an .npz of packed bits, replacing an existing file."""
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


@dataclass(frozen=True, slots=True)
class Sparsity:
    """How many weights are pruned: a share of every output row, or a `pattern` of neighbouring inputs, as in "2:4".

    With `by_layer`, the share differs between layers (OWL), and `share` is their mean.
    """

    share: float
    pattern: str = ""
    by_layer: bool = False

    def __post_init__(self) -> None:
        """Raises InvalidInput for an impossible share or pattern."""
        if not 0.0 <= self.share < 1.0:
            raise InvalidInput(f"the sparsity {self.share} is not possible: give a share from 0 to below 1, as in 0.5")
        if self.pattern and self.by_layer:
            raise InvalidInput("a pattern takes as much of every layer: give a share for layers that differ")
        if self.pattern and self.groups is None:
            raise InvalidInput(
                f'the pattern "{self.pattern}" is not possible: give how many of how many weights to prune, as in "2:4"'
            )

    def __str__(self) -> str:
        pattern = f", {self.pattern}" if self.pattern else ""
        return f"{self.share:.0%}{pattern}{', by layer' if self.by_layer else ''}"

    @classmethod
    def of_pattern(cls, pattern: str, by_layer: bool = False) -> Sparsity:
        """The sparsity of a pattern.

        Raises:
            InvalidInput: it is not a pattern, or layers should differ.
        """
        pruned, of = cls(0.0, pattern, by_layer).groups or (0, 1)
        return cls(pruned / of, pattern, by_layer)

    @property
    def slug(self) -> str:
        """The sparsity as a part of a file name."""
        pattern = f"-{self.pattern.replace(':', '-of-')}" if self.pattern else ""
        return f"{round(100 * self.share)}{pattern}{'-by-layer' if self.by_layer else ''}"

    @property
    def groups(self) -> tuple[int, int] | None:
        """The pattern as two numbers."""
        found = _PATTERN.fullmatch(self.pattern)
        if found is None or not 0 < int(found[1]) < int(found[2]):
            return None
        return int(found[1]), int(found[2])


def check_method(method: Method, sparsity: Sparsity) -> None:
    """Refuse what a method cannot do.

    Raises:
        InvalidInput: SparseGPT with a pattern.
    """
    if method == "sparsegpt" and sparsity.pattern:
        raise InvalidInput("SparseGPT prunes a share of the weights here, not a pattern: use wanda for patterns")


def prune_weights(
    model: PreTrainedModel,
    batches: Sequence[Batch],
    method: Method,
    sparsity: Sparsity,
) -> dict[str, Tensor]:
    """Zero weights in every block of a model, in place, and return the masks of the weights that stay.

    The statistics of a block are collected after the blocks below it were pruned. Embeddings, norms and output layers
    do not change.

    Args:
        batches: calibration text; magnitude pruning ignores it.

    Raises:
        InvalidInput: the family cannot be pruned, the method has no patterns, or a width does not fit the pattern.
    """
    check_method(method, sparsity)
    blocks = read_blocks(model)
    shares = _shares(model, blocks, batches, sparsity)
    masks: dict[str, Tensor] = {}
    for block, share in zip(blocks, shares, strict=True):
        inputs = observe(model, block, batches, second_moments=method == "sparsegpt")
        for name, linear in block.linears().items():
            masks[f"{block.name}/{name}"] = _prune(linear, inputs[name], method, share, sparsity.groups)
    return masks


def apply_masks(model: PreTrainedModel, masks: dict[str, Tensor]) -> None:
    """Zero the pruned weights, in place."""
    with torch.no_grad():
        for block in read_blocks(model):
            for name, linear in block.linears().items():
                linear.weight.mul_(masks[f"{block.name}/{name}"])


def _shares(model: PreTrainedModel, blocks: list[Block], batches: Sequence[Batch], sparsity: Sparsity) -> list[float]:
    if not sparsity.by_layer:
        return [sparsity.share] * len(blocks)
    outliers = []
    for block in blocks:
        inputs = observe(model, block, batches)
        scores = {name: score_by_wanda(m.weight, inputs[name].squares) for name, m in block.linears().items()}
        outliers.append(share_of_outliers(scores))
    return spread_sparsity(outliers, sparsity.share)


def _prune(linear: nn.Linear, inputs: Inputs, method: Method, share: float, groups: tuple[int, int] | None) -> Tensor:
    if method == "sparsegpt":
        if inputs.outer_products is None:
            raise ValueError("SparseGPT needs second moments of the inputs")
        changed, mask = prune_by_sparsegpt(linear.weight, inputs.outer_products, inputs.tokens, share)
        linear.weight = nn.Parameter(changed)
        return mask
    weight = linear.weight
    scores = score_by_magnitude(weight) if method == "magnitude" else score_by_wanda(weight, inputs.squares)
    mask = keep_best(scores, share) if groups is None else keep_best_of(scores, *groups)
    with torch.no_grad():
        linear.weight.mul_(mask)
    return mask
