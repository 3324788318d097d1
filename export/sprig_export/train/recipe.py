"""The recipe of a summary base model: everything that shapes its weights, frozen, read from TOML."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from sprig_export.train.toml import read_toml
from sprig_server.errors import InvalidInput

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of the training, with its own share of data and its own frozen parts."""

    name: str
    steps: int
    learning_rate: float
    """At the beginning of the stage, for the decoder; it falls linearly to the next stage's, or to zero."""
    target_share: float = 0.0
    """The share of batches from the target files (the style to reach) instead of the mined pairs."""
    dropout: float = 0.0
    batch_tokens: int = 2048
    """Source tokens of one batch, padding included."""
    train_encoder: bool = True


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a summary base model is made."""

    name: str
    start: str
    """A BERT encoder to start from: a hub id or a folder."""
    stages: tuple[Stage, ...]
    targets: tuple[str, ...] = ()
    """Names of the evaluation project's training files (.jsonl.gz) that show the style to reach."""
    target_validation: str = ""
    vocabulary_size: int = 8192
    encoder_layers: int = 6
    decoder_layers: int = 2
    positions: int = 256
    """The most source tokens the model can ever read; longer functions are cut."""
    source_tokens: int = 160
    """The most source tokens in training, the closing one included."""
    target_tokens: int = 40
    long_tokens: int = 96
    """Sources from this length on are rarer in training than in the corpus, since they cost so much more."""
    long_share: float = 0.4
    warm_up_steps: int = 100
    encoder_rate: float = 0.3
    """Learning rate of the encoder and the embeddings, as a share of the decoder's."""
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    clip_norm: float = 1.0
    validation_steps: int = 500
    validation_pairs: int = 400
    checkpoint_steps: int = 500
    seed: int = 1

    @property
    def steps(self) -> int:
        """Optimizer steps of all stages together."""
        return sum(stage.steps for stage in self.stages)


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file.

    Raises:
        InvalidInput: it cannot be read, or a key is unknown, missing or of the wrong type.
    """
    content = read_toml(path)
    stages = content.pop("stages", None)
    if not isinstance(stages, list) or not stages or not all(isinstance(stage, dict) for stage in stages):
        raise InvalidInput(f"{path}: a recipe needs at least one [[stages]] table.")
    content["stages"] = tuple(_fill(Stage, stage, path, "a stage") for stage in stages)
    return _fill(Recipe, content, path, "the recipe")


def _fill(kind: type[_T], content: dict[str, Any], path: Path, what: str) -> _T:
    known = {field.name: str(field.type) for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(content.keys() - known.keys())
    if unknown:
        raise InvalidInput(f"{path}: {what} does not know {', '.join(unknown)}; known are {', '.join(known)}.")
    values: dict[str, Any] = {}
    for key, value in content.items():
        values[key] = _checked(value, known[key], f"{path}: {key} of {what}")
    try:
        return kind(**values)
    except TypeError as error:
        raise InvalidInput(f"{path}: {what} lacks a key ({error}).") from error


def _checked(value: object, kind: str, where: str) -> object:
    if kind == "tuple[str, ...]" and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if kind == "float" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind == type(value).__name__ or kind == "tuple[Stage, ...]":
        return value
    raise InvalidInput(f"{where} must be of type {kind}, not {value!r}.")
