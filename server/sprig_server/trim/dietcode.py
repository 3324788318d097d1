"""DietCode: whole statements are removed first, by a knapsack over the attention of their class; then single tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sprig_server.code.statements import CLASSES
from sprig_server.trim.tokens import Indices, Tokens

CLASS_VALUES: dict[str, float] = {
    "method": 4.12e-3, "finally": 3.84e-3, "return": 3.42e-3, "expression": 3.22e-3, "try": 2.96e-3,
    "annotation": 2.86e-3, "function": 2.73e-3, "while": 2.68e-3, "setter": 2.65e-3, "continue": 2.59e-3,
    "getter": 2.55e-3, "switch": 2.55e-3, "if": 2.54e-3, "for": 2.54e-3, "catch": 2.51e-3, "break": 2.50e-3,
    "variable": 2.42e-3, "logger": 2.42e-3, "throw": 2.41e-3, "synchronized": 2.36e-3, "case": 2.33e-3, "none": 0.1e-3,
}  # fmt: skip
"""CodeBERT's mean attention to Java statements, as published with DietCode."""


def trim_diet(
    tokens: Tokens, count: int, token_means: NDArray[np.float64], values: dict[str, float] = CLASS_VALUES
) -> Indices:
    """The places of the tokens that stay.

    Args:
        tokens: the function.
        count: how many tokens stay, at most all of them.
        token_means: the mean attention of each token over all classes, float64 [vocabulary].
        values: the value of a statement of each class.
    """
    if not len(tokens):
        return np.zeros(0, dtype=np.int64)
    numbers, lengths = np.unique(tokens.statements, return_counts=True)
    firsts = np.searchsorted(tokens.statements, numbers)
    worth = [values[CLASSES[category]] for category in tokens.classes[firsts]]
    # Overfilled on purpose: removing single tokens costs less than leaving out the next statement.
    taken = fill_knapsack(lengths.tolist(), worth, count + int(lengths.max()))
    kept = np.flatnonzero(np.isin(tokens.statements, numbers[taken]))
    excess = len(kept) - count
    if excess > 0:
        order = np.argsort(token_means[tokens.ids[kept]], kind="stable")
        kept = np.sort(kept[order[excess:]])
    return kept


def fill_knapsack(lengths: Sequence[int], values: Sequence[float], capacity: int) -> list[int]:
    """The indices of the items with the greatest total value whose total length is at most `capacity`, ascending."""
    best = np.zeros(capacity + 1)
    taken = np.zeros((len(lengths), capacity + 1), dtype=bool)
    for number, (length, value) in enumerate(zip(lengths, values, strict=True)):
        if length <= capacity:
            filled = best[: capacity + 1 - length] + value
            taken[number, length:] = filled > best[length:]
            best[length:] = np.maximum(best[length:], filled)
    chosen, left = [], capacity
    for number in range(len(lengths) - 1, -1, -1):
        if taken[number, left]:
            chosen.append(number)
            left -= lengths[number]
    return chosen[::-1]
