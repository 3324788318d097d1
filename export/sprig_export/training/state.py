"""The state of a training run on disk, from which it resumes exactly."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sprig_server.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the next step depends on. The position in the data follows from `step` and the seed."""

    step: int
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    random: Tensor
    best: float
    recipe: str


def save_state(path: Path, state: State) -> None:
    """Write a state. If the process is killed meanwhile, the previous state stays."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as stream:  # given a path, PyTorch does not say that the disk is full
        torch.save({name: getattr(state, name) for name in State.__slots__}, stream)
    temporary.replace(path)


def read_state(path: Path) -> State | None:
    """The last saved state; None if there is none.

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
