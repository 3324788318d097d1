"""The state of a training on disk, from which it goes on exactly."""

from __future__ import annotations

import os
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import BartForConditionalGeneration, PreTrainedTokenizerFast

from sprig_export.bases.recipe import AdapterRecipe, SearchRecipe, SummaryRecipe
from sprig_export.models.folder import replace_folder
from sprig_export.training.tokenizer import END, PAD, UNKNOWN
from sprig_server.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the next step depends on; the data position follows from `step` and the seed."""

    step: int
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    random: Tensor
    best: float
    recipe: str


def save_state(path: Path, state: State) -> None:
    """Write a state; a kill while writing leaves the former one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as stream:  # given a path, PyTorch does not say that the disk is full
        torch.save({name: getattr(state, name) for name in State.__slots__}, stream)
    temporary.replace(path)


def read_state(path: Path) -> State | None:
    """The state that was saved last, or None where there is none.

    Raises:
        InvalidInput: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        return State(**torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise InvalidInput(
            f"{path} is not a training state that can be continued; delete it to start again."
        ) from error


def write_model(model: BartForConditionalGeneration, tokenizer: Tokenizer, tokens: int, folder: Path) -> None:
    """Write a model in half precision with its tokenizer, as a folder that transformers loads by itself.

    Args:
        model: any precision; it is left as it is.
        tokenizer: the model's.
        tokens: the most source tokens it reads.
        folder: replaced as a whole.
    """
    half = BartForConditionalGeneration(model.config)
    half.load_state_dict(model.state_dict())
    half.generation_config = model.generation_config
    with replace_folder(folder) as temporary:
        half.half().save_pretrained(temporary)
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, unk_token=UNKNOWN, model_max_length=tokens
        ).save_pretrained(temporary)


def fingerprint(recipe: SearchRecipe | SummaryRecipe | AdapterRecipe) -> str:
    """The recipe as text, to tell whether a state was made by it."""
    return repr(asdict(recipe))
