"""Sprig's own trimmer: attention, and what it cannot know of: whether a word is new, and how far on it stands.

A table by statement class and token is blind for repetitions, though a word that stands there already is the cheapest
to leave out; and what a function is for is mostly said early. So attention is multiplied with a share that falls with
every earlier occurrence of the token, and with one that falls along the function; symbols count for less than words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sprig_server.trim.importance import Weights
from sprig_server.trim.leancode import drop_lowest
from sprig_server.trim.tokens import Indices, Tokens

ATTENTION = 0.5
"""The power of attention: how much it counts beside the rest."""
REPETITION = 1.0
"""The n-th occurrence of a token has 1 / n to this power."""
FADING = 256.0
"""Tokens over which the share of a place falls to 1 / e."""
SYMBOL = 0.3
"""The share of what holds no letter and no digit."""

_WORD = re.compile(r"\w")


def novelty_table(attention: Weights, vocabulary: Sequence[str]) -> Weights:
    """What a token's first occurrence weighs at a function's beginning, float64 [classes, vocabulary].

    Args:
        attention: of `Importance.backed_off`.
        vocabulary: the text of each token.
    """
    words = np.array([_WORD.search(text) is not None for text in vocabulary])
    weights: Weights = attention**ATTENTION * np.where(words, 1.0, SYMBOL)
    return weights


def trim_novel(tokens: Tokens, count: int, table: Weights) -> Indices:
    """What stays of a function.

    Args:
        tokens: the function.
        count: how many tokens stay, at most all.
        table: of `novelty_table`.
    """
    faded = np.exp(-np.arange(len(tokens)) / FADING)
    seen = occurrences(tokens.ids).astype(np.float64)
    return drop_lowest(table[tokens.classes, tokens.ids] * faded / (1.0 + seen) ** REPETITION, count)


def occurrences(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each of n tokens stood there before, int64 [n]."""
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    firsts = np.flatnonzero(np.diff(ordered, prepend=-1))
    lengths = np.diff(firsts, append=len(ids))
    found = np.empty_like(ids)
    found[order] = np.arange(len(ids)) - np.repeat(firsts, lengths)
    return found
