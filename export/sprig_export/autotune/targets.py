"""A plan that is looked at: what it costs, what it keeps, and whether it is what was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from sprig_export.config.recipe import Recipe
from sprig_export.config.request import Target


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan, what it costs, and what it keeps.

    Attributes:
        recipe: the plan.
        name: it in words, as in "3 of 6 layers, 50 % of the units".
        megabytes: the bundle's size.
        speed: how many times as fast as the whole model in ONNX Runtime with 32 bits.
        kept: the share of the pruned model's score that is left after a short recovery; None where it was not tried.
    """

    recipe: Recipe
    name: str
    megabytes: float
    speed: float
    kept: float | None = None

    def meets(self, target: Target) -> bool:
        """Whether the plan's size and speed are what is asked for."""
        return self.megabytes <= target.room and (target.speed is None or self.speed >= target.speed)
