"""What to export and how, as one frozen value: the pipeline reads nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sprig_export.toml import fill, read_toml
from sprig_server.types import Task

Precision = Literal["int8", "int4"]

BLOCK = 128
"""Of 4-bit weights: how many share one factor, along the input of a product or the row of a table."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The plan of an export.

    `model` is a folder or a hub id. `min_cosine` bounds how far int8 vectors may turn from those of PyTorch (the mean
    over a sample); `min_agreement` is the least share of positions at which the int8 decoder, fed the same prefix,
    picks the token that PyTorch picks. `vocabulary` is how many entries the language keeps (0: all); which they are
    follows from the corpus that the export is given. `products` and `tables` are the bits of matrix products and of
    look-ups. No run of `no_repeat` tokens may stand twice in a summary. `sample` functions are measured, drawn with
    `seed`.
    """

    task: Task
    model: str
    language: str
    opset: int = 18
    vocabulary: int = 0
    products: Precision = "int8"
    tables: Precision = "int8"
    summary_tokens: int = 256
    max_new_tokens: int = 40
    beams: int = 4
    no_repeat: int = 3
    min_cosine: float = 0.99
    min_agreement: float = 0.95
    sample: int = 400
    seed: int = 0

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the bundle serves: one for JavaScript serves TypeScript too."""
        return (self.language, "typescript") if self.language == "javascript" else (self.language,)

    @property
    def quantization(self) -> Literal["int8-dynamic", "int8-dynamic, int4 tables", "int4 weights"]:
        """What the manifest says of the bits."""
        if self.products == "int4":
            return "int4 weights"
        return "int8-dynamic, int4 tables" if self.tables == "int4" else "int8-dynamic"


def read_recipe(path: Path) -> Recipe:
    """The recipe of an export in a TOML file.

    Raises:
        InvalidInput: it cannot be read, or a key is unknown, missing or of the wrong type.
    """
    return fill(Recipe, read_toml(path), path, "the recipe")
