"""Sub-models by zeroed weights (paper: coding-specific sub-models with Wanda): faithful masks, block after block.

Zeros make nothing faster in ONNX Runtime and no file smaller; these masks are for studying what a language needs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sprig_export.blocks import Block, read_blocks
from sprig_export.pruning.layer_sparsity import share_of_outliers, spread_sparsity
from sprig_export.pruning.masks import keep_best, keep_best_of
from sprig_export.pruning.scores import score_by_magnitude, score_by_wanda
from sprig_export.pruning.sparsegpt import prune_by_sparsegpt
from sprig_export.pruning.statistics import Feed, Inputs, observe
from sprig_server.errors import InvalidInput

Method = Literal["wanda", "magnitude", "sparsegpt"]
_PATTERN = re.compile(r"(\d+):(\d+)")


@dataclass(frozen=True, slots=True)
class Sparsity:
    """How many weights go: a share of every output row, or `pattern`, as in "2:4", of neighbouring inputs.

    With `by_layer`, layers differ (OWL) and the share is their mean.
    """

    share: float
    pattern: str = ""
    by_layer: bool = False

    def __post_init__(self) -> None:
        """Raises InvalidInput for a share or a pattern that cannot be."""
        if not 0.0 <= self.share < 1.0:
            raise InvalidInput(f"a sparsity of {self.share} cannot be: give a share from 0 to below 1, as in 0.5")
        if self.pattern and self.by_layer:
            raise InvalidInput("a pattern takes as much of every layer: give a share for layers that differ")
        if self.pattern and self.groups is None:
            raise InvalidInput(f'the pattern "{self.pattern}" cannot be: give how many of how many go, as in "2:4"')

    def __str__(self) -> str:
        pattern = f", {self.pattern}" if self.pattern else ""
        return f"{self.share:.0%}{pattern}{', by layer' if self.by_layer else ''}"

    @classmethod
    def of_pattern(cls, pattern: str, by_layer: bool = False) -> Sparsity:
        """The sparsity of a pattern, which says what share goes.

        Raises:
            InvalidInput: it is none, or layers are to differ.
        """
        pruned, of = cls(0.0, pattern, by_layer).groups or (0, 1)
        return cls(pruned / of, pattern, by_layer)

    @property
    def slug(self) -> str:
        """It as a part of a file's name."""
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
        InvalidInput: patterns by SparseGPT.
    """
    if method == "sparsegpt" and sparsity.pattern:
        raise InvalidInput("SparseGPT prunes a share of the weights here, not a pattern: use wanda for patterns")


def prune_weights(
    model: PreTrainedModel,
    feeds: Sequence[Feed],
    method: Method,
    sparsity: Sparsity,
) -> dict[str, Tensor]:
    """Zero weights of every block of a model in place, and return the masks of what stays.

    A block's statistics are taken after the blocks below it were pruned. Embeddings, norms and output layers stay as
    they are.

    Args:
        feeds: calibration text, for magnitude too, which does not look at it.

    Raises:
        InvalidInput: a family that cannot be pruned, a method that knows no patterns, or widths that do not fit one.
    """
    check_method(method, sparsity)
    blocks = read_blocks(model)
    shares = _shares(model, blocks, feeds, sparsity)
    masks: dict[str, Tensor] = {}
    for block, share in zip(blocks, shares, strict=True):
        inputs = observe(model, block, feeds, second_moments=method == "sparsegpt")
        for name, linear in block.linears().items():
            masks[f"{block.name}/{name}"] = _prune(linear, inputs[name], method, share, sparsity.groups)
    return masks


def apply_masks(model: PreTrainedModel, masks: dict[str, Tensor]) -> None:
    """Zero what masks prune, in place."""
    with torch.no_grad():
        for block in read_blocks(model):
            for name, linear in block.linears().items():
                linear.weight.mul_(masks[f"{block.name}/{name}"])


def _shares(model: PreTrainedModel, blocks: list[Block], feeds: Sequence[Feed], sparsity: Sparsity) -> list[float]:
    if not sparsity.by_layer:
        return [sparsity.share] * len(blocks)
    outliers = []
    for block in blocks:
        inputs = observe(model, block, feeds)
        scores = {name: score_by_wanda(m.weight, inputs[name].squares) for name, m in block.linears().items()}
        outliers.append(share_of_outliers(scores))
    return spread_sparsity(outliers, sparsity.share)


def _prune(linear: nn.Linear, inputs: Inputs, method: Method, share: float, groups: tuple[int, int] | None) -> Tensor:
    if method == "sparsegpt":
        if inputs.products is None:
            raise ValueError("SparseGPT needs second moments of the inputs")
        changed, mask = prune_by_sparsegpt(linear.weight, inputs.products, inputs.tokens, share)
        linear.weight = nn.Parameter(changed)
        return mask
    weight = linear.weight
    scores = score_by_magnitude(weight) if method == "magnitude" else score_by_wanda(weight, inputs.squares)
    mask = keep_best(scores, share) if groups is None else keep_best_of(scores, *groups)
    with torch.no_grad():
        linear.weight.mul_(mask)
    return mask
