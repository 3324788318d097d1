"""The training loop. It logs, validates, estimates the remaining time, and resumes exactly."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import pickle
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from sprig_export.training.curves import write_plot
from sprig_server.errors import InvalidInput

_LOG = logging.getLogger(__name__)
_LOG_STEPS = 20
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_Batch = TypeVar("_Batch")


@dataclass(frozen=True, slots=True)
class Pace:
    """The length of a run, and how often it logs, validates and saves."""

    steps: int
    validation_steps: int
    checkpoint_steps: int
    clip_norm: float
    seed: int


class TrainingRun(ABC, Generic[_Batch]):
    """A training run: a model, its optimizer, and the folder that it writes to.

    The folder contains `state.pt` (from which a later call continues), `log.jsonl` (one JSON object a line), `log.svg`
    (its curves), and what `keep` writes for the best validation so far.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, pace: Pace, output: Path, recipe: str
    ) -> None:
        output.mkdir(parents=True, exist_ok=True)
        self.model, self.optimizer, self.pace, self.output, self.recipe_text = model, optimizer, pace, output, recipe
        self.step, self.best = 0, float("inf")

    @abstractmethod
    def batches(self) -> Iterator[_Batch]:
        """Endless batches from the beginning of the run, the same for the same seed."""

    @abstractmethod
    def loss(self, batch: _Batch) -> Tensor:
        """The loss, a scalar. Called under autocast."""

    @abstractmethod
    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0. A parameter group may have a `share` of it."""

    @abstractmethod
    def validate(self) -> tuple[Mapping[str, float], float]:
        """Figures for the log, and the figure to minimize. Called without gradients."""

    @abstractmethod
    def keep(self) -> None:
        """Write the model, whose validation is the best so far."""

    def finish(self, stop_after: int | None = None) -> None:
        """Run all remaining steps, or those up to `stop_after`.

        Raises:
            InvalidInput: the folder holds a run of another recipe, or its state is damaged.
        """
        _keep_memory()
        self._resume()
        pace, last, batches = self.pace, min(self.pace.steps, stop_after or self.pace.steps), self.batches()
        for _ in range(self.step):
            next(batches)  # the data is tokenized already, so making a batch is cheap
        started, first, losses = time.monotonic(), self.step, list[float]()
        with _progress() as progress:
            task = progress.add_task("training", total=pace.steps, completed=self.step, loss="")
            while self.step < last:
                losses.append(self._advance(next(batches)))
                self.step += 1
                ended = self.step == pace.steps
                if self.step % _LOG_STEPS == 0 or ended:
                    per_step = (time.monotonic() - started) / (self.step - first)
                    loss = sum(losses) / len(losses)
                    left = (pace.steps - self.step) * per_step / 60
                    self._log(loss=loss, rate=self.rate(self.step - 1), seconds_per_step=per_step, minutes_left=left)
                    progress.update(task, completed=self.step, loss=f"loss {loss:.3f}")
                    losses = []
                if self.step % pace.validation_steps == 0 or ended:
                    self._validate()
                if self.step % pace.checkpoint_steps == 0 or self.step == last:
                    self._save()

    def _advance(self, batch: _Batch) -> float:
        self.model.train()
        rate = self.rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("share", 1.0)
        with autocast(self.model):
            loss = self.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.pace.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    @torch.no_grad()
    def _validate(self) -> None:
        self.model.eval()
        figures, judged = self.validate()
        self._log(**{f"valid_{name}": value for name, value in figures.items()})
        if judged < self.best:
            self.best = judged
            self.keep()

    def _resume(self) -> None:
        torch.manual_seed(self.pace.seed)
        state = read_state(self.output / "state.pt")
        if state is None:
            return
        if state.recipe != self.recipe_text:
            raise InvalidInput(f"{self.output} holds a run of another recipe; name another folder or delete it.")
        self.model.load_state_dict(state.model, strict=not self._frozen())
        self.optimizer.load_state_dict(state.optimizer)
        torch.set_rng_state(state.random)
        self.step, self.best = state.step, state.best

    def _frozen(self) -> set[str]:
        """The frozen weights. They are in the model that the run began with, so they are not saved."""
        return {
            name
            for name, parameter in self.model.named_parameters(remove_duplicate=False)
            if not parameter.requires_grad
        }

    def _save(self) -> None:
        frozen, moments = self._frozen(), self.optimizer.state_dict()
        weights = {name: value for name, value in self.model.state_dict().items() if name not in frozen}
        state = State(self.step, weights, moments, torch.get_rng_state(), self.best, self.recipe_text)
        save_state(self.output / "state.pt", state)

    def _log(self, **values: float) -> None:
        line = {"step": self.step, **{name: float(f"{value:.4g}") for name, value in values.items()}}
        with (self.output / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        write_plot(self.output / "log.jsonl", self.output / "log.svg")
        _LOG.info("%s", line)


def autocast(model: nn.Module) -> torch.autocast:
    """bfloat16 if the hardware supports it. Emulated, it is four times slower than float32."""
    kind = next(model.parameters()).device.type
    return torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda" or has_bf16())


def _progress() -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("steps"), TextColumn("{task.fields[loss]}"))
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)


def _keep_memory() -> None:
    """Make glibc keep freed memory. Returning it after every tensor costs up to half of a step in page faults."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another C library
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, -1)


def has_bf16() -> bool:
    """Whether this machine's CPU multiplies bfloat16 matrices in hardware."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


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
