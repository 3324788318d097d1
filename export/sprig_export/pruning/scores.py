"""How much each weight, unit or head matters: pure functions of weights and of what their inputs were like.

Wanda: Sun et al., "A Simple and Effective Pruning Approach for Large Language Models". Fluctuation: An et al., "FLAP".
"""

from __future__ import annotations

from torch import Tensor


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
    """The mean Wanda score of each input column, float32 [inputs] (Wanda-sp): what removing the input would cost."""
    return score_by_wanda(weight, squares).mean(dim=0)


def score_inputs_by_fluctuation(weight: Tensor, variance: Tensor) -> Tensor:
    """Var(x_j) * sum_i W_ij², float32 [inputs] (FLAP): what removing an input costs whose mean a bias takes over.

    Args:
        weight: [outputs, inputs].
        variance: of x_j over the calibration tokens, [inputs].
    """
    return variance.float() * weight.detach().float().square().sum(dim=0)
