"""Choosing how much of a function a bundle leaves out, by measuring the bundle on functions it was not made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sprig_export.config.recipe import Recipe
from sprig_export.config.request import Example
from sprig_export.evaluate.export_quality import score_bundle
from sprig_export.trimming.measure import RATIOS
from sprig_server.bundle.manifest import Manifest, Trim
from sprig_server.bundle.store import Bundle
from sprig_server.errors import InvalidInput
from sprig_server.types import Task

SCORED_TRIMMED = {"search": 1000, "summarize": 300}
"""The number of functions that a share is scored on. With 200, chance is larger than the cost of trimming."""
_LOSS: dict[Task, float] = {"search": 0.005, "summarize": 0.01}
"""The share of the score that trimming may cost. Scores of summaries are less precise."""


def choose_trim(
    recipe: Recipe, folder: Path, manifest: Manifest, sample: Sequence[Example]
) -> tuple[Trim, dict[float, float]]:
    """The recipe's trimming method with the recipe's share, or with the largest share that costs nearly nothing.

    Args:
        folder: the bundle's files, including its importance table.
        manifest: the manifest of these files.
        sample: functions to measure on; not used if the recipe gives the share.

    Returns:
        The choice, and the score at each measured share.
    """

    def trim(ratio: float) -> Trim:
        return Trim(recipe.trim, ratio, recipe.trim_least, recipe.trim_whole) if ratio else Trim()

    if recipe.trim_ratio >= 0:
        return trim(recipe.trim_ratio), {}
    trims = {ratio: trim(ratio) for ratio in (0.0, *RATIOS)}
    scores = {
        ratio: score_bundle(Bundle(folder, replace(manifest, trim=trim)), recipe, sample)
        for ratio, trim in trims.items()
    }
    curve = falling(list(scores.values()))
    good = [ratio for ratio, score in zip(trims, curve, strict=True) if score >= (1 - _LOSS[recipe.task]) * curve[0]]
    return trims[max(good)], scores


def check_trim(recipe: Recipe) -> None:
    """Refuse an impossible share early, before anything is made.

    Raises:
        InvalidInput: the recipe's share is not a share, or no token would stay.
    """
    if recipe.trim_ratio != -1 and not 0 <= recipe.trim_ratio < 1:  # this form also refuses NaN
        raise InvalidInput(
            f"trim_ratio = {recipe.trim_ratio:g} is not a share of tokens: give at least 0 and less than 1, or -1 for "
            "as much as costs nearly nothing"
        )
    if recipe.trim_least < 1:
        raise InvalidInput(f"trim_least = {recipe.trim_least}: one token has to stay at least")


def falling(scores: Sequence[float]) -> list[float]:
    """The nearest non-increasing numbers (isotonic regression). Leaving out more is never better; where it seems so,
    that is chance.
    """
    blocks: list[list[float]] = []  # groups of scores that are replaced by their mean
    for score in scores:
        blocks.append([score])
        while len(blocks) > 1 and np.mean(blocks[-2]) < np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    return [float(np.mean(block)) for block in blocks for _ in block]
