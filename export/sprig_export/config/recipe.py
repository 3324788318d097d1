"""The recipe of an export: one frozen value that says what to export and how."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from sprig_export.config.toml import fill, read_toml
from sprig_server.types import Task, TrimMethod

Precision = Literal["float32", "int8", "int4"]
Linear = Literal["float32", "int8", "int4", "mixed"]
Rounding = Literal["", "float32", "int8", "int4"]
Which = Literal["spread", "first"]
Scores = Literal["fluctuation", "wanda"]

BLOCK = 128
"""The number of 4-bit weights that share one factor, along the input of a matrix or the row of an embedding."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The recipe of an export."""

    task: Task
    model: str
    """A folder or a hub id."""
    language: str
    """The programming language; several, separated by commas, for a bundle that serves all of them."""
    opset: int = 18
    vocabulary: int = 0
    """The number of vocabulary entries to keep (0: all). The calibration decides which."""
    start: str = ""
    """A folder with a smaller model that was distilled from `model` (`sprig train distill`). The recovery begins with
    it.
    """
    layers: int = -1
    """The number of encoder layers to keep (-1: all)."""
    decoder_layers: int = -1
    """The number of layers to keep of the decoder, or of a decoder-only model (-1: all)."""
    which_layers: Which = "spread"
    """Whether the kept layers are evenly spread or the first ones."""
    units: float = 1.0
    """The share of feed-forward units to keep in each layer."""
    heads: float = 1.0
    """The share of attention heads to keep in each layer."""
    scores: Scores = "fluctuation"
    """How units and heads are chosen: by how much their output varies (FLAP), or by how large it is (Wanda)."""
    dimensions: int = 0
    """The number of dimensions of a search vector (0: all)."""
    recovery_steps: int = 0
    """The number of batches in the recovery, in which the pruned model learns from the whole model."""
    recovery_rate: float = 3e-4
    train_embeddings: bool = True
    """Whether embeddings are trained in the recovery, with the output projection if they share weights. A short
    recovery sees most of their rows too rarely.
    """
    recovery_linear_dtype: Rounding = ""
    """The precision that the second half of the recovery simulates ("": that of the bundle)."""
    linear_dtype: Linear = "int8"
    """The precision of matrix products. "mixed" is 4 bits in small blocks, fitted by GPTQ, and 8 bits for the sensitive
    ones; an embedding that is the output layer too is stored as that."""
    sensitive: tuple[str, ...] = ("lm_head",)
    """Parts of the names of matrices that have 8 bits in mixed precision."""
    embedding_dtype: Precision = "int8"
    """The precision of embeddings."""
    trim: TrimMethod = "novelty"
    """The trimming method ("none": the model reads everything). Decoder-only models read everything."""
    trim_ratio: float = -1.0
    """The share of a function's tokens to leave out (-1: as much as costs nearly nothing)."""
    trim_least: int = 32
    """The number of tokens of a function that stay at least. Short functions have little to spare."""
    trim_whole: bool = False
    """Whether tokens are selected from the whole function, as in the paper, instead of from what fits into the
    window.
    """
    summary_tokens: int = 256
    adapter: str = ""
    """The folder of an adapter that is merged into a decoder-only model first ("": none)."""
    prompt: str = ""
    """What a decoder-only model continues. `{code}` is replaced by the function, `{language}` by the name of its
    language ("": see `models/prompts.py`).
    """
    max_new_tokens: int = 40
    beams: int = 4
    no_repeat: int = 3
    """The length of token sequences that may not occur twice in a summary."""
    max_loss: float = 5.0
    """The per cent of the base's MRR or BLEU-4 that a bundle may lose."""
    min_cosine: float = 0.99
    """The least mean cosine, over the sample, of quantized vectors with those of the pruned model in PyTorch."""
    min_agreement: float = 0.95
    """The least share of positions at which the quantized decoder chooses the same token as PyTorch."""
    sample: int = 400
    """The number of functions to measure quality on, drawn with `seed`."""
    speed_sample: int = 0
    """The number of functions to measure speed on, beside the whole model (0: speed is not measured)."""
    seed: int = 0

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the bundle serves."""
        return served_languages(self.language)

    @property
    def cuts(self) -> bool:
        """Whether more than vocabulary is removed, here or in `start`, or there is a recovery."""
        layers = self.layers < 0 and self.decoder_layers < 0
        whole = layers and self.units == 1.0 and self.heads == 1.0 and self.dimensions == 0
        return not whole or self.recovery_steps > 0 or self.start != ""

    @property
    def rounding(self) -> Precision:
        """What the second half of the recovery rounds matrix products to."""
        if self.recovery_linear_dtype != "":
            return self.recovery_linear_dtype
        return "int4" if self.linear_dtype == "mixed" else self.linear_dtype

    @property
    def quantization(self) -> str:
        """The precision as the manifest names it."""
        if self.linear_dtype == "mixed":
            return "int4 and int8 weights"
        named = {("float32", "float32"): "none", ("int4", "int4"): "int4 weights", ("int8", "int8"): "int8-dynamic"}
        products = "int8-dynamic" if self.linear_dtype == "int8" else f"{self.linear_dtype} products"
        return named.get((self.linear_dtype, self.embedding_dtype), f"{products}, {self.embedding_dtype} tables")


def served_languages(language: str) -> tuple[str, ...]:
    """The languages that a bundle for these languages serves: one for JavaScript serves TypeScript too."""
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
