"""The trimming methods behind one interface, by the names that bundles use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from sprig_server.trim.baselines import trim_random, trim_tail
from sprig_server.trim.dietcode import trim_diet
from sprig_server.trim.importance import Importance
from sprig_server.trim.leancode import trim_lean
from sprig_server.trim.novelty import novelty_table, trim_novel
from sprig_server.trim.slimcode import trim_slim
from sprig_server.trim.tokens import Indices, Tokens
from sprig_server.types import TrimMethod

Trimmer = Callable[[Tokens, int], Indices]
"""(function, number of tokens that stay) -> their places."""

WITHOUT_TABLE: tuple[TrimMethod, ...] = ("tail", "random", "slim")
"""The methods that need no importance table."""
WITHOUT_STATEMENTS: tuple[TrimMethod, ...] = ("none", "tail", "random", "novelty")
"""The methods that do not need to know the statement of a token."""


def make_trimmer(method: TrimMethod, importance: Importance | None) -> Trimmer:
    """The trimmer with that name.

    Args:
        importance: the bundle's table; not needed for methods in `WITHOUT_TABLE`.

    Raises:
        ValueError: the method needs a table and there is none.
    """
    if method == "none":
        return lambda tokens, _: np.arange(len(tokens), dtype=np.int64)
    if method == "tail":
        return trim_tail
    if method == "random":
        return trim_random
    if method == "slim":
        return trim_slim
    if importance is None:
        raise ValueError(f"the method {method} needs a table of importance")
    if method == "diet":
        return partial(trim_diet, token_means=importance.token_means())
    if method == "lean":
        return partial(trim_lean, table=importance.faithful())
    return partial(trim_novel, table=novelty_table(importance.token_means()))
