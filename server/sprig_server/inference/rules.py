"""Applying a model's settings about the tokens it may write, as transformers does. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sprig_server.bundle.manifest import Rules


def penalize(logits: NDArray[np.float32], contexts: Sequence[Sequence[int]], rules: Rules) -> NDArray[np.float32]:
    """The logits, float32 [k, v], of k hypotheses with the repetition penalty applied.

    The context of a hypothesis is all tokens that it has read and written. `rules.repetition` makes these less likely,
    or more likely if it is below 1.
    """
    if rules.repetition == 1:
        return logits
    penalized = logits.copy()
    for row, context in enumerate(contexts):
        tokens = np.unique(np.array(context, dtype=np.int64))
        found = penalized[row, tokens]
        penalized[row, tokens] = np.where(found < 0, found * rules.repetition, found / rules.repetition)
    return penalized


def forbidden(context: Sequence[int], written: int, rules: Rules) -> list[int]:
    """The tokens that may not come next. The last `written` tokens of the context are the summary so far."""
    tokens = list(rules.never)
    if written == (rules.first is not None):
        tokens += rules.never_first
    for *before, last in rules.never_runs:
        if len(before) < len(context) and list(context[len(context) - len(before) :]) == before:
            tokens.append(last)
    return tokens


def forced(written: int, longest: int, rules: Rules) -> int | None:
    """The token that must come next after `written` tokens, of at most `longest`; None if the model may choose."""
    if written == 0 and rules.first is not None:
        return rules.first
    return rules.last if written == longest - 1 else None
