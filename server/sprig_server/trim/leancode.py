"""LeanCode (paper b): the tokens that get least attention in statements of their class are removed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sprig_server.trim.importance import Weights
from sprig_server.trim.tokens import Indices, Tokens


def trim_lean(tokens: Tokens, count: int, table: Weights) -> Indices:
    """The places of the tokens that stay.

    Args:
        tokens: the function.
        count: how many tokens stay, at most all of them.
        table: float64 [classes, vocabulary], from `Importance`.
    """
    return drop_lowest(table[tokens.classes, tokens.ids], count)


def drop_lowest(weights: NDArray[np.float64], count: int) -> Indices:
    """The places of the `count` tokens that stay. Tokens with the least weight are removed; of equal ones, the earlier
    first.

    All tokens cost the same, so LeanCode's knapsack is equivalent to this.

    Args:
        weights: float64 [n].
        count: how many stay, at most n.
    """
    order = np.argsort(weights, kind="stable")
    return np.sort(order[len(order) - count :])
