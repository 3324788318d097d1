"""What is asked of a bundle, and whether a plan gives it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sprig_export.config.recipe import Recipe
from sprig_server.errors import InvalidInput

_GRAPHS = 0.98  # of a bundle's size; importances and the model card are the rest


@dataclass(frozen=True, slots=True)
class Target:
    """At most so many megabytes, or at least so many times the speed of the whole model in ONNX Runtime with 32 bits;
    without either, the fastest bundle that loses no more than the gate allows."""

    megabytes: float | None = None
    speed: float | None = None

    def __post_init__(self) -> None:
        for option, value in (("--target-size", self.megabytes), ("--target-speed", self.speed)):
            if value is not None and not value > 0:
                raise InvalidInput(f"{option} {value:g} cannot be reached: give a number above 0")

    @property
    def room(self) -> float:
        """The megabytes that graphs and tokenizer may take: what lies beside them needs a little too."""
        return math.inf if self.megabytes is None else _GRAPHS * self.megabytes

    @property
    def named(self) -> bool:
        """Whether a size or a speed is asked for."""
        return self.megabytes is not None or self.speed is not None

    def __str__(self) -> str:
        if self.megabytes is not None:
            return f"at most {self.megabytes:g} MB"
        return f"at least {self.speed:g} times as fast" if self.speed is not None else "the fastest within the gate"


@dataclass(frozen=True, slots=True)
class Considered:
    """A plan, what it costs, and what it keeps.

    Attributes:
        recipe: the plan.
        name: it in words, as in "3 of 6 layers, 50 % of the units".
        megabytes: the bundle's size.
        speed: how many times as fast as the whole model in ONNX Runtime with 32 bits.
        kept: the share of the trimmed model's score that is left after a short recovery; None where it was not tried.
    """

    recipe: Recipe
    name: str
    megabytes: float
    speed: float
    kept: float | None = None

    def meets(self, target: Target) -> bool:
        """Whether the plan's size and speed are what is asked for."""
        return self.megabytes <= target.room and (target.speed is None or self.speed >= target.speed)
