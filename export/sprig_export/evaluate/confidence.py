"""Whether a summary's confidence tells good ones from bad ones: what a threshold would show, and what it would hide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GOOD_ROUGE_L = 30.0
"""A summary with at least this ROUGE-L (0 to 100) counts as good."""


@dataclass(frozen=True, slots=True)
class Point:
    """What a threshold does: how many summaries it shows and hides, and the share of good ones among each.

    A share is None where there is nothing it could be a share of; `ratio`, of the good among the shown to the good
    among the hidden, is None where it is not defined.
    """

    threshold: float
    shown: int
    hidden: int
    good_shown: float | None
    good_hidden: float | None
    ratio: float | None


def at_threshold(confidences: Sequence[float], rouge_l: Sequence[float], threshold: float) -> Point:
    """What showing only summaries of at least this confidence (a mean log-probability) does."""
    good = np.asarray(rouge_l) >= GOOD_ROUGE_L
    shown = np.asarray(confidences) >= threshold
    good_shown, good_hidden = _share(good[shown]), _share(good[~shown])
    ratio = good_shown / good_hidden if good_shown is not None and good_hidden else None
    return Point(threshold, int(shown.sum()), int((~shown).sum()), good_shown, good_hidden, ratio)


def curve(confidences: Sequence[float], rouge_l: Sequence[float]) -> tuple[Point, ...]:
    """The points at the deciles of the confidences, from showing all to showing about a tenth."""
    deciles = np.quantile(confidences, np.arange(10) / 10, method="higher")
    return tuple(at_threshold(confidences, rouge_l, float(threshold)) for threshold in np.unique(deciles))


def threshold_for(points: Sequence[Point], ratio: float) -> float | None:
    """The smallest threshold of a curve at which the shown are good at least `ratio` times as often as the hidden."""
    return next(
        (
            point.threshold
            for point in points
            if point.good_shown and point.good_hidden is not None and point.good_shown >= ratio * point.good_hidden
        ),
        None,
    )


def _share(values: NDArray[np.bool_]) -> float | None:
    return float(values.mean()) if len(values) else None
