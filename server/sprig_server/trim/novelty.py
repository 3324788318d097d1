"""Sprig's own trimming method: attention, repetition and position.

A repeated token can be left out at little cost, and the purpose of a function usually shows early. So the mean
attention of a token in the language is multiplied by a factor that falls with every earlier occurrence, and by one that
falls along the function. The class of the statement is not used: a table by class scored no better in a trial, and
needs a syntax tree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sprig_server.trim.importance import Weights
from sprig_server.trim.leancode import drop_lowest
from sprig_server.trim.tokens import Indices, Tokens

ATTENTION = 0.5
"""The exponent of attention: how much it counts beside the other factors."""
REPETITION = 2.0
"""The n-th occurrence of a token is multiplied by 1 / n to this power."""
FADING = 2.0
"""The last token of a function is multiplied by e to the power of minus this."""


def novelty_table(token_means: Weights) -> Weights:
    """The weight of a token's first occurrence at the beginning of a function, float64 [vocabulary].

    Args:
        token_means: from `Importance.token_means`. An unseen token gets the mean weight of the seen ones.
    """
    seen = token_means > 0
    mean = float(token_means[seen].mean()) if seen.any() else 1.0
    weights: Weights = np.where(seen, token_means, mean) ** ATTENTION
    return weights


def trim_novel(tokens: Tokens, count: int, table: Weights) -> Indices:
    """The places of the tokens that stay.

    Args:
        tokens: the function.
        count: how many tokens stay, at most all of them.
        table: from `novelty_table`.
    """
    return keep_novel(tokens.ids, count, table)


def keep_novel(ids: NDArray[np.int64], count: int, table: Weights) -> Indices:
    """The places of the `count` tokens that stay, of n tokens with the ids int64 [n]."""
    n = len(ids)
    faded = np.exp(-FADING / max(1, n) * np.arange(n))
    return drop_lowest(table[ids] * faded / (1.0 + occurrences(ids)) ** REPETITION, count)


def occurrences(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each of n tokens occurred before, int64 [n]."""
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    firsts = np.flatnonzero(np.diff(ordered, prepend=-1))
    lengths = np.diff(firsts, append=len(ids))
    found = np.empty_like(ids)
    found[order] = np.arange(len(ids)) - np.repeat(firsts, lengths)
    return found
