"""The training loop of the summary base. The same code runs on a CPU and on a GPU, and resumes exactly."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import BartForConditionalGeneration

from sprig_export.train.checkpoint import State, fingerprint, read_state, save_state, write_model
from sprig_export.train.data import Examples, plan_batches, read_examples
from sprig_export.train.recipe import Recipe, Stage, read_recipe
from sprig_export.train.tokenizer import PAD_ID
from sprig_server.errors import InvalidInput

_LOG = logging.getLogger(__name__)
_LOG_STEPS = 20
_IGNORED = -100


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids int64 [n, source tokens] with their mask, and labels [n, target tokens], -100 for none."""

    sources: Tensor
    mask: Tensor
    labels: Tensor


def train(recipe: Path, data: Path, output: Path, stop_after: int | None = None) -> None:
    """Train a summary base, or continue where an interrupted run stopped.

    Args:
        recipe: the recipe's TOML file.
        data: the folder that `data.prepare` wrote.
        output: a folder for the run: `state.pt`, `log.jsonl`, and `model`, the best by validation so far.
        stop_after: stop, resumable, once so many steps are done.

    Raises:
        InvalidInput: recipe or data cannot be read, or the state in `output` belongs to another recipe.
    """
    run = _Run(read_recipe(recipe), data, output)
    run.resume()
    run.finish(stop_after)


def learning_rate(recipe: Recipe, step: int) -> float:
    """The decoder's learning rate at a step, counted from 0: warm-up, then straight lines between stages."""
    stage, position = _stage(recipe, step)
    rates = [s.learning_rate for s in recipe.stages] + [0.0]
    following = rates[recipe.stages.index(stage) + 1]
    rate = stage.learning_rate + (following - stage.learning_rate) * position / stage.steps
    return rate * min(1.0, (step + 1) / max(1, recipe.warm_up_steps))


class _Run:
    """One training run: model, optimizer, data and the folder it writes to."""

    def __init__(self, recipe: Recipe, data: Path, output: Path) -> None:
        output.mkdir(parents=True, exist_ok=True)
        self.recipe, self.output = recipe, output
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self.tokenizer = Tokenizer.from_file(str(data / "tokenizer.json"))
            model = BartForConditionalGeneration.from_pretrained(data / "start")
        except Exception as error:  # tokenizers raises nothing narrower
            raise InvalidInput(f"{data} is not a folder that the recipe's data was prepared in: {error}") from error
        self.model = model.float().to(self.device)
        self.mined = read_examples(data / "mined.train.npz")
        self.target = read_examples(data / "target.train.npz")
        self.valid = {
            name: examples for name in ("mined", "target") if len(examples := read_examples(data / f"{name}.valid.npz"))
        }
        self.optimizer = self._optimizer()
        self.step, self.best_loss = 0, float("inf")

    def resume(self) -> None:
        """Take up the saved state, if there is one."""
        torch.manual_seed(self.recipe.seed)
        state = read_state(self.output / "state.pt")
        if state is None:
            return
        if state.recipe != fingerprint(self.recipe):
            raise InvalidInput(f"{self.output} holds a run of another recipe; name another folder or delete it.")
        self.model.load_state_dict(state.model)
        self.optimizer.load_state_dict(state.optimizer)
        torch.set_rng_state(state.random)
        self.step, self.best_loss = state.step, state.best_loss

    def finish(self, stop_after: int | None) -> None:
        """All remaining steps, or those up to `stop_after`."""
        recipe, last = self.recipe, min(self.recipe.steps, stop_after or self.recipe.steps)
        batches = self._batches()
        started, losses, tokens, first = time.monotonic(), [], 0, self.step
        for _ in range(self.step):
            next(batches)  # the plan is cheap; only what it yields is tokenized data
        while self.step < last:
            examples, rows = next(batches)
            loss, count = self._advance(make_batch(examples, rows, self.device))
            losses.append(loss)
            tokens += count
            self.step += 1
            ended = self.step == recipe.steps
            if self.step % _LOG_STEPS == 0 or ended:
                seconds = time.monotonic() - started
                pace = seconds / (self.step - first)
                self._log(
                    loss=sum(losses) / len(losses),
                    rate=learning_rate(recipe, self.step - 1),
                    tokens_per_second=tokens / seconds,
                    minutes_left=(recipe.steps - self.step) * pace / 60,
                )
                losses = []
            if self.step % recipe.validation_steps == 0 or ended:
                self._validate()
            if self.step % recipe.checkpoint_steps == 0 or self.step == last:
                self._save()

    def _advance(self, batch: Batch) -> tuple[float, int]:
        recipe = self.recipe
        stage, _ = _stage(recipe, self.step)
        self._enter(stage)
        rate = learning_rate(recipe, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        with self._autocast():
            logits = self._logits(batch, stage.train_encoder)
            loss = _loss(logits, batch, recipe.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach()), int(batch.mask.sum())

    def _logits(self, batch: Batch, train_encoder: bool = True) -> Tensor:
        """Logits [labelled tokens, vocabulary]: half of the targets is padding, and the vocabulary is wide.

        No gradients for an encoder that does not learn.
        """
        with torch.set_grad_enabled(train_encoder and torch.is_grad_enabled()):
            states = self.model.model.encoder(input_ids=batch.sources, attention_mask=batch.mask)[0]
        inputs = functional.pad(batch.labels, (1, -1), value=self.model.config.decoder_start_token_id)
        output = self.model.model.decoder(
            input_ids=inputs.masked_fill(inputs == _IGNORED, PAD_ID),
            encoder_hidden_states=states,
            encoder_attention_mask=batch.mask,
            use_cache=False,
        )
        logits: Tensor = self.model.lm_head(output[0][batch.labels != _IGNORED]) + self.model.final_logits_bias
        return logits

    def _enter(self, stage: Stage) -> None:
        self.model.train()
        for module in self.model.modules():
            if isinstance(getattr(module, "dropout", None), float):
                module.dropout = stage.dropout

    @torch.no_grad()
    def _validate(self) -> None:
        """Log the loss per target token of each validation set; keep the best weights by the last set."""
        self.model.eval()
        measured: dict[str, float] = {}
        for name, examples in self.valid.items():
            rows = np.arange(min(len(examples), self.recipe.validation_pairs))
            total, count = 0.0, 0
            by_length = rows[np.argsort(examples.source_lengths[rows], kind="stable")]
            for part in np.array_split(by_length, max(1, len(rows) // 32)):
                batch = make_batch(examples, part, self.device)
                with self._autocast():
                    labelled = int((batch.labels != _IGNORED).sum())
                    total += float(_loss(self._logits(batch), batch, 0.0)) * labelled
                count += labelled
            measured[name] = total / count
        self._log(**{f"valid_{name}": loss for name, loss in measured.items()})
        if measured and (loss := list(measured.values())[-1]) < self.best_loss:
            self.best_loss = loss
            write_model(self.model, self.tokenizer, self.recipe.positions, self.output / "model")

    def _batches(self) -> Iterator[tuple[Examples, NDArray[np.int64]]]:
        recipe = self.recipe
        choice = np.random.default_rng(recipe.seed)
        for index, stage in enumerate(recipe.stages):
            seed = recipe.seed + 1000 * (index + 1)
            mined = plan_batches(self.mined.source_lengths, recipe, stage.batch_tokens, seed)
            target = plan_batches(self.target.source_lengths, recipe, stage.batch_tokens, seed + 1)
            for _ in range(stage.steps):
                wanted = choice.random() < stage.target_share and len(self.target) > 0
                yield (self.target, next(target)) if wanted else (self.mined, next(mined))

    def _optimizer(self) -> torch.optim.AdamW:
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            inherited = ".encoder." in name or name == "model.shared.weight"
            key = (
                self.recipe.encoder_rate if inherited else 1.0,
                self.recipe.weight_decay if parameter.ndim > 1 else 0.0,
            )
            groups.setdefault(key, []).append(parameter)
        settings = [{"params": p, "share": share, "weight_decay": decay} for (share, decay), p in groups.items()]
        return torch.optim.AdamW(settings, lr=0.0, betas=(0.9, 0.98), fused=True)

    def _autocast(self) -> torch.autocast:
        """bfloat16 where the hardware computes in it; emulated, it is four times slower than float32."""
        able = self.device.type == "cuda" or _has_bf16()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=able)

    def _save(self) -> None:
        random = torch.get_rng_state()
        state = State(
            self.step,
            self.model.state_dict(),
            self.optimizer.state_dict(),
            random,
            self.best_loss,
            fingerprint(self.recipe),
        )
        save_state(self.output / "state.pt", state)

    def _log(self, **values: float) -> None:
        line = {"step": self.step, "stage": _stage(self.recipe, self.step - 1)[0].name}
        line |= {name: float(f"{value:.4g}") for name, value in values.items()}
        with (self.output / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        _LOG.info("%s", line)


def make_batch(examples: Examples, rows: NDArray[np.int64], device: torch.device) -> Batch:
    """The examples of `rows`, padded to the longest of them."""
    sources = _pad([examples.source(int(row)) for row in rows], PAD_ID)
    labels = _pad([examples.target(int(row)) for row in rows], _IGNORED)
    return Batch(sources.to(device), (sources != PAD_ID).long().to(device), labels.to(device))


def _has_bf16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _pad(rows: list[NDArray[np.uint16]], value: int) -> Tensor:
    padded = np.full((len(rows), max(len(row) for row in rows)), value, dtype=np.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return torch.from_numpy(padded)


def _loss(logits: Tensor, batch: Batch, smoothing: float) -> Tensor:
    labels = batch.labels[batch.labels != _IGNORED]
    return functional.cross_entropy(logits.float(), labels, label_smoothing=smoothing)


def _stage(recipe: Recipe, step: int) -> tuple[Stage, int]:
    """The stage of a step, and the step's place in it."""
    for stage in recipe.stages:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    return recipe.stages[-1], recipe.stages[-1].steps
