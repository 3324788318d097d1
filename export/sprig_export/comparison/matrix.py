"""What a sub-model keeps of each language. Pure functions of per-function scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = Mapping[str, NDArray[np.float64]]
"""A score for each measured function, float64 [n], by the measured language."""

_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Advantage:
    """How much better a sub-model is on its own calibration language than the sub-models of other languages are there:
    a difference of mean scores, with its 95 % bootstrap interval.
    """

    mean: float
    low: float
    high: float

    @property
    def shows(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Kept:
    """The share of the unpruned model's mean score that a sub-model keeps, with its 95 % bootstrap interval."""

    share: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.share:.1%} ({100 * self.low:.1f} to {100 * self.high:.1f})"


def matched_advantage(by_calibration: Mapping[str, Scores], seed: int) -> Advantage:
    """The mean over languages of (matched score - mean of the mismatched scores), functions resampled in pairs.

    Args:
        by_calibration: the scores of the sub-model calibrated on each language, over the same functions. Calibrations
            that are not a measured language (English text) are ignored.
        seed: of the resamples.
    """
    languages = [name for name in by_calibration if name in by_calibration[name]]
    differences = [
        by_calibration[own][own] - np.mean([by_calibration[other][own] for other in languages if other != own], axis=0)
        for own in languages
    ]
    draw = np.random.default_rng(seed)
    means = [
        np.mean([values[draw.integers(0, len(values), len(values))].mean() for values in differences])
        for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(means, (2.5, 97.5))
    return Advantage(float(np.mean([values.mean() for values in differences])), float(low), float(high))


def kept_shares(by_calibration: Mapping[str, Scores], whole: Scores, seed: int) -> dict[str, dict[str, Kept]]:
    """What each sub-model keeps, by calibration and by measured language, functions resampled in pairs.

    If the unpruned model scores 0, everything is kept.

    Args:
        seed: of the resamples.
    """
    return {
        calibration: {name: _kept(values, whole[name], seed) for name, values in scores.items()}
        for calibration, scores in by_calibration.items()
    }


def _kept(values: NDArray[np.float64], whole: NDArray[np.float64], seed: int) -> Kept:
    drawn = np.random.default_rng(seed).integers(0, len(values), (_RESAMPLES, len(values)))
    low, high = np.percentile(_share(values[drawn], whole[drawn]), (2.5, 97.5))
    return Kept(float(_share(values, whole)), float(low), float(high))


def _share(values: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """[..., n] and [..., n] to [...]."""
    before = whole.mean(axis=-1)
    return np.where(before > 0, values.mean(axis=-1) / np.where(before > 0, before, 1.0), 1.0)
