"""Baselines for every method: cutting off the end, and random removal."""

from __future__ import annotations

import numpy as np

from sprig_server.trim.tokens import Indices, Tokens


def trim_tail(tokens: Tokens, count: int) -> Indices:
    """The first `count` tokens."""
    return np.arange(min(count, len(tokens)), dtype=np.int64)


def trim_random(tokens: Tokens, count: int, seed: int = 0) -> Indices:
    """`count` random tokens, the same ones for the same text."""
    generator = np.random.default_rng([seed, *tokens.ids.tolist()])
    return np.sort(generator.permutation(len(tokens))[:count])
