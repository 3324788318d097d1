"""LeanCode (paper b): the tokens go that got least attention in statements of their class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sprig_server.trim.importance import Weights
from sprig_server.trim.tokens import Indices, Tokens


def trim_lean(tokens: Tokens, count: int, table: Weights) -> Indices:
    """What stays of a function.

    Args:
        tokens: the function.
        count: how many tokens stay, at most all.
        table: float64 [classes, vocabulary], of `Importance`.
    """
    return drop_lowest(table[tokens.classes, tokens.ids], count)


def drop_lowest(weights: NDArray[np.float64], count: int) -> Indices:
    """The places of the `count` tokens that stay: those of least weight go, of equal ones the earlier first.

    All tokens cost the same, so that LeanCode's knapsack comes down to this.

    Args:
        weights: float64 [n].
        count: how many stay, at most n.
    """
    order = np.argsort(weights, kind="stable")
    return np.sort(order[len(order) - count :])
