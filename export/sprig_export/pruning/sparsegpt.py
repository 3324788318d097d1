"""SparseGPT: pruning with the remaining weights changed so that they make up for the pruned ones.

Frantar and Alistarh, "SparseGPT: Massive Language Models Can Be Accurately Pruned in One-Shot".
"""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 128  # columns whose mask is chosen at once
_DAMPING = 0.01  # of the mean diagonal, so that the Hessian can be inverted


def prune_by_sparsegpt(weight: Tensor, products: Tensor, tokens: int, sparsity: float) -> tuple[Tensor, Tensor]:
    """The changed weights and the mask of what stays, both [outputs, inputs].

    Within a block of 128 columns the smallest w² / u_jj² of all rows go, u being the upper Cholesky factor of the
    inverse Hessian; what they did is passed on to the columns to their right. An input that never is anything but zero
    is pruned in every row.

    Args:
        weight: [outputs, inputs].
        products: the sum of x xᵀ over the calibration tokens, [inputs, inputs].
        tokens: how many they were.
        sparsity: from 0 to below 1, of each block.
    """
    changed = weight.detach().double().clone()
    hessian = products.double() * (2.0 / max(1, tokens))
    dead = hessian.diagonal() == 0
    hessian[dead, dead] = 1.0
    changed[:, dead] = 0.0
    hessian += torch.eye(len(hessian), dtype=torch.float64) * _DAMPING * hessian.diagonal().mean()
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
    upper = torch.linalg.cholesky(inverse, upper=True)  # [inputs, inputs]
    mask = torch.ones_like(changed, dtype=torch.bool)
    for start in range(0, changed.shape[1], _BLOCK):
        end = min(start + _BLOCK, changed.shape[1])
        part, own = changed[:, start:end].clone(), upper[start:end, start:end]
        stays = _choose(part.square() / own.diagonal().square(), sparsity)
        errors = torch.zeros_like(part)
        for column in range(end - start):
            kept = part[:, column] * stays[:, column]
            errors[:, column] = (part[:, column] - kept) / own[column, column]
            part[:, column:] -= errors[:, column, None] * own[column, column:]
            part[:, column] = kept
        changed[:, start:end], mask[:, start:end] = part, stays
        changed[:, end:] -= errors @ upper[start:end, end:]
    mask[:, dead] = False
    return changed.to(weight.dtype) * mask, mask


def _choose(scores: Tensor, sparsity: float) -> Tensor:
    """True for all but the int(weights * sparsity) smallest scores of a block."""
    pruned = int(scores.numel() * sparsity)
    stays = torch.ones(scores.numel(), dtype=torch.bool)
    stays[scores.flatten().sort(stable=True).indices[:pruned]] = False
    return stays.reshape(scores.shape)
