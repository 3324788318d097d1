"""What a user asks of `sprig export`: a recipe, where the bundle goes, what it is made from, how small it has to be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

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
class Example:
    """A function without its documentation, and the sentence that describes it."""

    language: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """One bundle to make.

    Attributes:
        recipe: what is taken out, and in how many bits the rest is written.
        output: the folder of the bundle.
        calibration: a corpus of the language, or a folder of code: what the model has to know. Its tokens are counted,
            its functions show which parts matter, and its held-out ones are the examples where none are given. Needed
            where the recipe takes anything out.
        examples: documented functions to validate and evaluate on; where neither these nor a calibration are given, the
            standard library of the running Python.
        resume: go on with what an export of the same recipe left behind when it was interrupted.
        target: how small or fast the bundle has to be, where no recipe says what is taken out.
        analysis: a report.json of `sprig analyze`, whose proposal is tried as well, without a recipe.
    """

    recipe: Recipe
    output: Path
    calibration: Path | None = None
    examples: tuple[Example, ...] | None = None
    resume: bool = False
    target: Target = Target()
    analysis: Path | None = None
