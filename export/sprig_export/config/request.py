"""A request to `sprig export`: the recipe, the output folder, the calibration, and the target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from sprig_export.config.recipe import Recipe
from sprig_server.errors import InvalidInput

_GRAPHS = 0.98  # of a bundle's size; the importance table and the model card take the rest


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a search for a plan: at most this many megabytes, or at least this many times the speed of the
    whole model in ONNX Runtime with 32 bits. With neither, the fastest bundle that passes the gate.
    """

    megabytes: float | None = None
    speed: float | None = None

    def __post_init__(self) -> None:
        for option, value in (("--target-size", self.megabytes), ("--target-speed", self.speed)):
            if value is not None and not value > 0:
                raise InvalidInput(f"{option} {value:g} cannot be reached: give a number above 0")

    @property
    def room(self) -> float:
        """The megabytes that graphs and tokenizer may take. The other files need a little room too."""
        return math.inf if self.megabytes is None else _GRAPHS * self.megabytes

    @property
    def named(self) -> bool:
        """Whether there is a target for size or speed."""
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
        recipe: what is removed, and in which precision the rest is stored.
        output: the folder of the bundle.
        calibration: a corpus of the language, or a folder of code. Its tokens are counted, its functions show which
            parts of the model matter, and its held-out functions are the examples if none are given. Needed if the
            recipe removes anything.
        examples: documented functions to validate and evaluate on. Without these and without a calibration, the
            standard library of the running Python is used.
        resume: continue an interrupted export of the same recipe.
        target: how small or fast the bundle must be, if no recipe says what to remove.
        analysis: a report.json of `sprig analyze`. Without a recipe, its proposal is tried as well.
    """

    recipe: Recipe
    output: Path
    calibration: Path | None = None
    examples: tuple[Example, ...] | None = None
    resume: bool = False
    target: Target = Target()
    analysis: Path | None = None
