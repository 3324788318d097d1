"""Sprig's own trimmer: attention, and what it cannot know of: whether a word is new, and how far on it stands.

A word that stands there already is the cheapest to leave out, and what a function is for is mostly said early. So what
attention a token gets in the language is multiplied with a share that falls with every earlier occurrence, and with one
that falls along the function. The class of its statement does not count: a table by class was no better when both were
tried, and needs a syntax tree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sprig_server.trim.importance import Weights
from sprig_server.trim.leancode import drop_lowest
from sprig_server.trim.tokens import Indices, Tokens

ATTENTION = 0.5
"""The power of attention: how much it counts beside the rest."""
REPETITION = 2.0
"""The n-th occurrence of a token has 1 / n to this power."""
FADING = 2.0
"""The last token of a function has e to the power of minus this."""


def novelty_table(token_means: Weights) -> Weights:
    """What a token's first occurrence weighs at a function's beginning, float64 [vocabulary].

    Args:
        token_means: of `Importance.token_means`; a token that was never seen weighs as much as one that was seen on
            the average.
    """
    seen = token_means > 0
    mean = float(token_means[seen].mean()) if seen.any() else 1.0
    weights: Weights = np.where(seen, token_means, mean) ** ATTENTION
    return weights


def trim_novel(tokens: Tokens, count: int, table: Weights) -> Indices:
    """What stays of a function.

    Args:
        tokens: the function.
        count: how many tokens stay, at most all.
        table: of `novelty_table`.
    """
    return keep_novel(tokens.ids, count, table)


def keep_novel(ids: NDArray[np.int64], count: int, table: Weights) -> Indices:
    """The places of the `count` of n tokens, given as ids int64 [n], that stay."""
    n = len(ids)
    faded = np.exp(-FADING / max(1, n) * np.arange(n))
    return drop_lowest(table[ids] * faded / (1.0 + occurrences(ids)) ** REPETITION, count)


def occurrences(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each of n tokens stood there before, int64 [n]."""
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    firsts = np.flatnonzero(np.diff(ordered, prepend=-1))
    lengths = np.diff(firsts, append=len(ids))
    found = np.empty_like(ids)
    found[order] = np.arange(len(ids)) - np.repeat(firsts, lengths)
    return found
