"""Scores of the weights and inputs of a matrix, and the distribution of sparsity over layers. Pure functions of
tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

_BLOCK = 128  # columns whose mask is chosen together
_DAMPING = 0.01  # of the mean diagonal, so that the Hessian can be inverted
_OUTLIER = 5.0  # times the mean score
_SPREAD = 0.08


def score_by_wanda(weight: Tensor, squares: Tensor) -> Tensor:
    """|W_ij| * ||x_j||, float32 [outputs, inputs].

    Args:
        weight: [outputs, inputs].
        squares: the sum (or any constant times it) of x_j² over the calibration tokens, [inputs].
    """
    return weight.detach().float().abs() * squares.float().sqrt()


def score_by_magnitude(weight: Tensor) -> Tensor:
    """|W_ij|, float32 [outputs, inputs]."""
    return weight.detach().float().abs()


def score_inputs_by_wanda(weight: Tensor, squares: Tensor) -> Tensor:
    """The mean Wanda score of each input column, float32 [inputs] (Wanda-sp): the cost of removing the input."""
    return score_by_wanda(weight, squares).mean(dim=0)


def score_inputs_by_fluctuation(weight: Tensor, variance: Tensor) -> Tensor:
    """Var(x_j) * sum_i W_ij², float32 [inputs] (FLAP): the cost of removing an input whose mean is added to the bias.

    Args:
        weight: [outputs, inputs].
        variance: of x_j over the calibration tokens, [inputs].
    """
    return variance.float() * weight.detach().float().square().sum(dim=0)


def prune_by_sparsegpt(weight: Tensor, products: Tensor, tokens: int, sparsity: float) -> tuple[Tensor, Tensor]:
    """The changed weights and the mask of what stays, both [outputs, inputs].

    Within a block of 128 columns, the weights with the smallest w² / u_jj² over all rows are pruned, where u is the
    upper Cholesky factor of the inverse Hessian. The columns to their right compensate. An input that is always zero is
    pruned in every row.

    Args:
        weight: [outputs, inputs].
        products: the sum of x xᵀ over the calibration tokens, [inputs, inputs].
        tokens: the number of calibration tokens.
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
    """True for all except the int(weights * sparsity) smallest scores of a block."""
    pruned = int(scores.numel() * sparsity)
    stays = torch.ones(scores.numel(), dtype=torch.bool)
    stays[scores.flatten().sort(stable=True).indices[:pruned]] = False
    return stays.reshape(scores.shape)


def share_of_outliers(scores: Mapping[str, Tensor]) -> float:
    """The share of a layer's scores, over all of its matrices, beyond five times the mean."""
    total = sum(score.numel() for score in scores.values())
    mean = sum(float(score.double().sum()) for score in scores.values()) / total
    return sum(int((score > _OUTLIER * mean).sum()) for score in scores.values()) / total


def spread_sparsity(outliers: Sequence[float], sparsity: float) -> list[float]:
    """The sparsity of each layer: `sparsity` on average, within .16 of each other, lower for layers with more outliers.

    Args:
        outliers: the share of outliers of each layer.
        sparsity: the mean, 0 to 1. Near 0 and 1 the layers differ less, so that none goes beyond.
    """
    lowest, highest = min(outliers), max(outliers)
    if highest == lowest:
        return [sparsity] * len(outliers)
    above = [(share - lowest) / (highest - lowest) for share in outliers]  # 0 to 1
    centre = sum(above) / len(above)
    spread = min(2 * _SPREAD, sparsity / (1 - centre), (1 - sparsity) / centre)
    return [sparsity - spread * (share - centre) for share in above]
