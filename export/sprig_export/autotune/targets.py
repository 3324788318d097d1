"""A candidate plan: its cost, its score, and whether it meets the target."""

from __future__ import annotations

from dataclasses import dataclass

from sprig_export.config.recipe import Recipe
from sprig_export.config.request import Target


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan with its cost and its score.

    Attributes:
        recipe: the plan.
        name: the plan in words, as in "3 of 6 layers, 50 % of the units".
        megabytes: the size of the bundle.
        speed: how many times as fast as the whole model in ONNX Runtime with 32 bits.
        kept: the share of the whole model's score after a short recovery; None if the plan was not tried.
    """

    recipe: Recipe
    name: str
    megabytes: float
    speed: float
    kept: float | None = None

    def meets(self, target: Target) -> bool:
        """Whether the plan's size and speed meet the target."""
        return self.megabytes <= target.room and (target.speed is None or self.speed >= target.speed)
