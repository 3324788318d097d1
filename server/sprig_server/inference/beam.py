"""Beam search over any next-token function. It is pure, so it can be tested without a model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sprig_server.bundle.manifest import Rules
from sprig_server.errors import Cancelled
from sprig_server.inference.rules import forbidden, forced, penalize

Step = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]
"""(tokens [k], parents [k]) -> logits [k, v]: the next step of k hypotheses. Each continues the row of the last step
that `parents` names.
"""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Tokens without start and end token, and the mean and the lowest log-probability of them and the end token."""

    tokens: tuple[int, ...]
    score: float
    lowest: float


@dataclass(frozen=True, slots=True)
class BeamSettings:
    """What a search looks for.

    Attributes:
        ends: tokens that end a sequence.
        max_new_tokens: the length at which a sequence is finished in any case.
        beams: the number of hypotheses; 1 is greedy decoding.
        no_repeat: if above 0, no sequence of this many tokens occurs twice.
        rules: which tokens may be written. A forced token has probability 1.
    """

    ends: Collection[int]
    max_new_tokens: int
    beams: int = 1
    no_repeat: int = 0
    rules: Rules = field(default_factory=Rules)


def beam_search(
    step: Step, read: Sequence[int], settings: BeamSettings, stop: Callable[[], bool] = lambda: False
) -> Hypothesis:
    """The best sequence by mean log-probability; see `beam_candidates`."""
    return beam_candidates(step, read, settings, stop)[0]


def beam_candidates(
    step: Step, read: Sequence[int], settings: BeamSettings, stop: Callable[[], bool] = lambda: False
) -> list[Hypothesis]:
    """The finished sequences, by their mean log-probability: at least one, at most as many as there are beams.

    The search ends when a finished hypothesis has a better mean than every open one.

    Args:
        read: the tokens before the generated ones; the first step takes the last of them.

    Raises:
        Cancelled: `stop` returned True between two steps.
    """
    ends, beams, rules = settings.ends, settings.beams, settings.rules
    tokens = np.array(read[-1:], dtype=np.int64)
    parents = np.array([0], dtype=np.int64)
    prefixes: list[tuple[int, ...]] = [()]
    totals = np.zeros(1, dtype=np.float64)
    lowest = np.zeros(1, dtype=np.float64)
    finished: list[Hypothesis] = []
    for length in range(1, settings.max_new_tokens + 1):
        if stop():
            raise Cancelled
        contexts = [(*read, *prefix) for prefix in prefixes]
        scores = log_softmax(penalize(step(tokens, parents), contexts, rules))  # [k, v]
        for row, prefix in enumerate(prefixes):
            scores[row, repeating_tokens(prefix, settings.no_repeat)] = -np.inf
            scores[row, forbidden(contexts[row], len(prefix), rules)] = -np.inf
        if (only := forced(length - 1, settings.max_new_tokens, rules)) is not None:
            scores[:], scores[:, only] = -np.inf, 0.0
        candidates = totals[:, None] + scores
        k, v = candidates.shape
        # More candidates than beams, because every candidate with an end token finishes its row.
        order = _largest(candidates.ravel(), min(beams + k * len(ends), k * v))
        for flat in order[:beams]:
            row, token = divmod(int(flat), v)
            if token in ends:
                mean, least = float(candidates[row, token] / length), float(min(lowest[row], scores[row, token]))
                finished.append(Hypothesis(prefixes[row], mean, least))
        still_open = order[~np.isin(order % v, list(ends))][:beams]
        parents, tokens = still_open // v, still_open % v
        totals = candidates.ravel()[still_open]
        lowest = np.minimum(lowest[parents], scores.ravel()[still_open])
        prefixes = [(*prefixes[p], int(t)) for p, t in zip(parents, tokens, strict=True)]
        open_mean = float(totals[0] / length)
        if finished and (beams == 1 or max(one.score for one in finished) >= open_mean):
            break
    else:
        finished.append(Hypothesis(prefixes[0], open_mean, float(lowest[0])))
    return sorted(finished, key=lambda one: -one.score)[:beams]


def repeating_tokens(prefix: tuple[int, ...], length: int) -> list[int]:
    """The tokens that would complete a sequence of `length` tokens that `prefix` already contains; none if `length` is
    0.
    """
    if length < 1 or len(prefix) < length:
        return []
    tail = prefix[len(prefix) - length + 1 :]
    starts = range(len(prefix) - length + 1)
    return [prefix[i + length - 1] for i in starts if prefix[i : i + length - 1] == tail]


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The log-probabilities over the last axis, float64 of the same shape."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def _largest(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The indices of the `count` largest values, best first. Of equal values, the earlier index comes first."""
    top = np.argpartition(-values, count - 1)[:count]
    return top[np.lexsort((top, -values[top]))]
