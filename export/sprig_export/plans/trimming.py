"""How much of a function a bundle leaves out: measured with the bundle itself, on functions it was not made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sprig_export.evaluate.export_quality import score_bundle
from sprig_export.recipe import Recipe
from sprig_export.samples import Example
from sprig_server.bundle.manifest import Manifest, Trim
from sprig_server.bundle.store import Bundle

_RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5)
_LOSS = 0.01
"""The share of the score that trimming may cost."""


def choose_trim(
    recipe: Recipe, folder: Path, manifest: Manifest, sample: Sequence[Example]
) -> tuple[Trim, dict[float, float]]:
    """The recipe's trimmer with the recipe's share, or with the largest up to which nearly nothing is lost.

    Args:
        folder: the bundle's files, its importances among them.
        manifest: of these files.
        sample: functions to measure on; not looked at where the recipe gives the share.

    Returns:
        The choice, and the score at each share that was measured.
    """
    if recipe.trim_ratio >= 0:
        return Trim(recipe.trim, recipe.trim_ratio) if recipe.trim_ratio else Trim(), {}
    scores = {0.0: score_bundle(Bundle(folder, manifest), recipe, sample)}
    best = Trim()
    for ratio in _RATIOS:
        trim = Trim(recipe.trim, ratio)
        scores[ratio] = score_bundle(Bundle(folder, replace(manifest, trim=trim)), recipe, sample)
        if scores[ratio] < (1 - _LOSS) * scores[0.0]:
            break
        best = trim
    return best, scores
