"""What to export and how, as one frozen value: the pipeline reads nothing else."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from sprig_export.config.toml import fill, read_toml
from sprig_server.types import Task, TrimMethod

Precision = Literal["float32", "int8", "int4"]
Rounding = Literal["", "float32", "int8", "int4"]
Which = Literal["spread", "first"]
Scores = Literal["fluctuation", "wanda"]

BLOCK = 128
"""Of 4-bit weights: how many share one factor, along the input of a product or the row of a table."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The plan of an export."""

    task: Task
    model: str
    """A folder or a hub id."""
    language: str
    """What the code is written in; several with commas between for a bundle that serves them all."""
    opset: int = 18
    vocabulary: int = 0
    """Entries that the language keeps (0: all); which they are follows from the code that the export is given."""
    start: str = ""
    """A folder with a smaller model that was distilled from `model` (`sprig train distill`), which the recovery begins
    with."""
    layers: int = -1
    """Layers that stay of the encoder (-1: all)."""
    decoder_layers: int = -1
    """Layers that stay of the decoder, or of a decoder-only model (-1: all)."""
    which_layers: Which = "spread"
    """Whether these are spread evenly or the first ones."""
    units: float = 1.0
    """The share of feed-forward units that stays in each layer."""
    heads: float = 1.0
    """The share of attention heads that stays in each layer."""
    scores: Scores = "fluctuation"
    """By what units and heads are chosen: how much their output varies (FLAP), or how large it is (Wanda)."""
    dimensions: int = 0
    """Output dimensions of a search vector that stay (0: all)."""
    recovery_steps: int = 0
    """Batches of the calibration from which what is left learns to do what the whole model does."""
    recovery_rate: float = 3e-4
    train_embeddings: bool = True
    """Whether the look-ups of tokens learn in the recovery too, with the output projection where that is the same; a
    short one sees most of them too rarely."""
    recovery_linear_dtype: Rounding = ""
    """What the second half of the recovery rounds matrix products to ("": what they are in the bundle)."""
    linear_dtype: Precision = "int8"
    """The bits of matrix products."""
    embedding_dtype: Precision = "int8"
    """The bits of look-ups."""
    trim: TrimMethod = "novelty"
    """What chooses the tokens that the model is not to read ("none": it reads all); decoder-only models read all."""
    trim_ratio: float = -1.0
    """The share of a function's tokens that is left out (-1: as much as costs nearly nothing)."""
    trim_least: int = 32
    """At least so many tokens of a function stay: a short one says nothing twice."""
    trim_whole: bool = False
    """Whether what stays is chosen from all of a function, as in the paper, and not from what fits into the window."""
    summary_tokens: int = 256
    adapter: str = ""
    """The folder of an adapter that is merged into a decoder-only model first ("": none)."""
    prompt: str = ""
    """What a decoder-only model goes on with, the function where `{code}` stands, the name of its language
    where `{language}` does ("": see `prompts.py`)."""
    max_new_tokens: int = 40
    beams: int = 4
    no_repeat: int = 3
    """No run of so many tokens may stand twice in a summary."""
    max_loss: float = 5.0
    """How many per cent of the base's MRR or BLEU-4 a bundle may lose."""
    min_cosine: float = 0.99
    """How far quantization may turn the vectors from those of the pruned model in PyTorch: the mean over the sample."""
    min_agreement: float = 0.95
    """The least share of positions at which the quantized decoder picks the token that PyTorch picks."""
    sample: int = 400
    """Functions to measure on, drawn with `seed`."""
    speed_sample: int = 0
    """Functions to measure the speed on, beside the whole model's (0: the speed is not measured)."""
    seed: int = 0

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the bundle serves."""
        return served_languages(self.language)

    @property
    def cuts(self) -> bool:
        """Whether more than vocabulary is taken out, here or by whoever made `start`, or the model is to recover."""
        layers = self.layers < 0 and self.decoder_layers < 0
        whole = layers and self.units == 1.0 and self.heads == 1.0 and self.dimensions == 0
        return not whole or self.recovery_steps > 0 or self.start != ""

    @property
    def quantization(self) -> str:
        """What the manifest says of the bits."""
        named = {("float32", "float32"): "none", ("int4", "int4"): "int4 weights", ("int8", "int8"): "int8-dynamic"}
        products = "int8-dynamic" if self.linear_dtype == "int8" else f"{self.linear_dtype} products"
        return named.get((self.linear_dtype, self.embedding_dtype), f"{products}, {self.embedding_dtype} tables")


def served_languages(language: str) -> tuple[str, ...]:
    """The languages that a bundle serves that is made for one, or for several with commas between: one for JavaScript
    serves TypeScript too."""
    named = [name.strip() for name in language.split(",")]
    return tuple(served for name in named for served in ((name, "typescript") if name == "javascript" else (name,)))


def whole_recipe(recipe: Recipe) -> Recipe:
    """The recipe of the whole model in 32 bits, to compare with."""
    kept = ("task", "model", "language", "opset", "summary_tokens", "adapter", "prompt")
    named = {name: value for name, value in asdict(recipe).items() if name in kept}
    return Recipe(**named, linear_dtype="float32", embedding_dtype="float32")


def read_recipe(path: Path) -> Recipe:
    """The recipe of an export in a TOML file.

    Raises:
        InvalidInput: it cannot be read, or a key is unknown, missing or of the wrong type.
    """
    return fill(Recipe, read_toml(path), path, "the recipe")


def render_recipe(recipe: Recipe, title: str) -> str:
    """A recipe as the text of a TOML file that `read_recipe` reads, with every value written out."""
    lines = (f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in asdict(recipe).items())
    return "\n".join([f"# {title}", *lines]) + "\n"
