"""Training for 4-bit weights: the forward pass sees the weights rounded as the exporter will round them.

Gradients pass the rounding unchanged (straight-through; Bengio et al. 2013), so the weights settle where rounding
does little harm.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sprig_export.recipe import BLOCK

_HIGHEST = 7  # symmetric: -8 goes unused but for the one number that sets the factor


def rounded_parameters(model: nn.Module) -> dict[str, Tensor]:
    """The matrices of `model` by name as 4-bit weights see them, each connected to its parameter for gradients.

    Embeddings of positions stay as they are; so does what is no matrix, or whose rows are no multiple of the block.
    """
    found: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and parameter.shape[1] % BLOCK == 0 and "position" not in name:
            found[name] = parameter + (round_weights(parameter.detach()) - parameter.detach())
    return found


def round_weights(weights: Tensor) -> Tensor:
    """Weights [rows, columns] rounded to 16 levels, one factor for each block of a row."""
    blocks = weights.reshape(len(weights), -1, BLOCK)  # [rows, blocks, BLOCK]
    largest = blocks.gather(2, blocks.abs().argmax(dim=2, keepdim=True))
    factors = largest / -8  # the number of the largest magnitude becomes -8, so that all 16 levels are used
    safe = torch.where(factors == 0, torch.ones_like(factors), factors)
    return (torch.clamp(torch.round(blocks / safe), -8, _HIGHEST) * factors).reshape(weights.shape)
