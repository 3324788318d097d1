"""What every method has to beat: cutting at the end, and removing whatever."""

from __future__ import annotations

import numpy as np

from sprig_server.trim.tokens import Indices, Tokens


def trim_tail(tokens: Tokens, count: int) -> Indices:
    """The first `count` tokens."""
    return np.arange(min(count, len(tokens)), dtype=np.int64)


def trim_random(tokens: Tokens, count: int, seed: int = 0) -> Indices:
    """`count` tokens drawn at random, the same ones for the same text."""
    generator = np.random.default_rng([seed, *tokens.ids.tolist()])
    return np.sort(generator.permutation(len(tokens))[:count])
