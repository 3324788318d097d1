"""Training the summary base. The same code runs on a CPU and on a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import BartForConditionalGeneration

from sprig_export.bases.recipe import Stage, SummaryRecipe, fingerprint
from sprig_export.bases.start import PAD_ID, write_model
from sprig_export.bases.summary_data import Examples, plan_batches, read_examples
from sprig_export.training.fake_quantization import rounded_parameters, used_parameters
from sprig_export.training.loop import Pace, TrainingRun, autocast
from sprig_server.errors import InvalidInput

_IGNORED = -100


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids int64 [n, source tokens] with their mask, and labels [n, target tokens], -100 for none."""

    sources: Tensor
    mask: Tensor
    labels: Tensor


def train_summary(recipe: SummaryRecipe, data: Path, output: Path, stop_after: int | None = None) -> None:
    """Train a summary base, or continue where an interrupted run stopped.

    Args:
        recipe: what to train.
        data: the folder that `summary_data.prepare` wrote.
        output: a folder for the run. Its `model` is the best by validation so far.
        stop_after: stop after this many steps, resumable.

    Raises:
        InvalidInput: the data cannot be read, or the state in `output` belongs to another recipe.
    """
    _SummaryRun(recipe, data, output).finish(stop_after)


def learning_rate(recipe: SummaryRecipe, step: int) -> float:
    """The decoder's learning rate at a step, counted from 0: warm-up, then linear between stages."""
    stage, position = _stage(recipe, step)
    rates = [s.learning_rate for s in recipe.stages] + [0.0]
    following = rates[recipe.stages.index(stage) + 1]
    rate = stage.learning_rate + (following - stage.learning_rate) * position / stage.steps
    return rate * min(1.0, (step + 1) / max(1, recipe.warm_up_steps))


class _Forward(nn.Module):
    """The forward pass as a module, so that it can run with other weights than its own."""

    def __init__(self, bart: BartForConditionalGeneration) -> None:
        super().__init__()
        self.bart = bart

    def forward(self, batch: Batch, train_encoder: bool) -> Tensor:
        """Logits [labelled tokens, vocabulary], without padding: half of the targets are padding, and the vocabulary is
        large.

        A frozen encoder gets no gradients.
        """
        with torch.set_grad_enabled(train_encoder and torch.is_grad_enabled()):
            states = self.bart.model.encoder(input_ids=batch.sources, attention_mask=batch.mask)[0]
        inputs = functional.pad(batch.labels, (1, -1), value=self.bart.config.decoder_start_token_id)
        output = self.bart.model.decoder(
            input_ids=inputs.masked_fill(inputs == _IGNORED, PAD_ID),
            encoder_hidden_states=states,
            encoder_attention_mask=batch.mask,
            use_cache=False,
        )
        logits: Tensor = self.bart.lm_head(output[0][batch.labels != _IGNORED]) + self.bart.final_logits_bias
        return logits


class _SummaryRun(TrainingRun[Batch]):
    def __init__(self, recipe: SummaryRecipe, data: Path, output: Path) -> None:
        self.recipe = recipe
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self.tokenizer = Tokenizer.from_file(str(data / "tokenizer.json"))
            # On CPUs, in bfloat16, the backward pass of PyTorch's fused attention is two to ten times slower than plain
            # products.
            model = BartForConditionalGeneration.from_pretrained(data / "start", attn_implementation="eager")
        except Exception as error:  # tokenizers raises plain exceptions
            raise InvalidInput(f"{data} is not a folder that the recipe's data was prepared in: {error}") from error
        self.bart = model.float().to(self.device)
        self.forward = _Forward(self.bart)
        self.mined = read_examples(data / "mined.train.npz")
        self.target = read_examples(data / "target.train.npz")
        self.valid = {
            name: examples for name in ("mined", "target") if len(examples := read_examples(data / f"{name}.valid.npz"))
        }
        pace = Pace(recipe.steps, recipe.validation_steps, recipe.checkpoint_steps, recipe.clip_norm, recipe.seed)
        super().__init__(self.bart, self._optimizer(), pace, output, fingerprint(recipe))

    def rate(self, step: int) -> float:
        return learning_rate(self.recipe, step)

    def loss(self, batch: Batch) -> Tensor:
        stage, _ = _stage(self.recipe, self.step)
        for module in self.bart.modules():
            if isinstance(getattr(module, "dropout", None), float):
                module.dropout = stage.dropout
        return _loss(self._logits(batch, stage), batch, self.recipe.label_smoothing)

    def validate(self) -> tuple[Mapping[str, float], float]:
        """The loss per target token of each validation set. Their sum decides which model is best."""
        measured: dict[str, float] = {}
        stage, _ = _stage(self.recipe, self.step - 1)
        for name, examples in self.valid.items():
            rows = np.arange(min(len(examples), self.recipe.validation_pairs))
            total, count = 0.0, 0
            by_length = rows[np.argsort(examples.source_lengths[rows], kind="stable")]
            for part in np.array_split(by_length, max(1, len(rows) // 32)):
                batch = make_batch(examples, part, self.device)
                with autocast(self.bart):
                    labelled = int((batch.labels != _IGNORED).sum())
                    total += float(_loss(self._logits(batch, stage), batch, 0.0)) * labelled
                count += labelled
            measured[name] = total / count
        return measured, sum(measured.values()) if measured else float("inf")

    def keep(self) -> None:
        write_model(self.bart, self.tokenizer, self.recipe.positions, self.output / "model")

    def batches(self) -> Iterator[Batch]:
        recipe = self.recipe
        choice = np.random.default_rng(recipe.seed)
        for index, stage in enumerate(recipe.stages):
            seed = recipe.seed + 1000 * (index + 1)
            mined = plan_batches(self.mined.source_lengths, recipe, stage.batch_tokens, seed)
            target = plan_batches(self.target.source_lengths, recipe, stage.batch_tokens, seed + 1)
            for _ in range(stage.steps):
                wanted = choice.random() < stage.target_share and len(self.target) > 0
                examples, rows = (self.target, next(target)) if wanted else (self.mined, next(mined))
                yield make_batch(examples, rows, self.device)

    def _logits(self, batch: Batch, stage: Stage) -> Tensor:
        if stage.weight_bits == 0:
            logits: Tensor = self.forward(batch, stage.train_encoder)
        else:
            with used_parameters(self.forward, rounded_parameters(self.forward)):
                logits = self.forward(batch, stage.train_encoder)
        return logits

    def _optimizer(self) -> torch.optim.AdamW:
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.bart.named_parameters():
            inherited = ".encoder." in name or name == "model.shared.weight"
            key = (
                self.recipe.encoder_rate if inherited else 1.0,
                self.recipe.weight_decay if parameter.ndim > 1 else 0.0,
            )
            groups.setdefault(key, []).append(parameter)
        settings = [{"params": p, "share": share, "weight_decay": decay} for (share, decay), p in groups.items()]
        return torch.optim.AdamW(settings, lr=0.0, betas=(0.9, 0.98), fused=True)


def make_batch(examples: Examples, rows: NDArray[np.int64], device: torch.device) -> Batch:
    """The examples of `rows`, padded to the longest of them."""
    sources = _pad([examples.source(int(row)) for row in rows], PAD_ID)
    labels = _pad([examples.target(int(row)) for row in rows], _IGNORED)
    return Batch(sources.to(device), (sources != PAD_ID).long().to(device), labels.to(device))


def _pad(rows: list[NDArray[np.uint16]], value: int) -> Tensor:
    padded = np.full((len(rows), max(len(row) for row in rows)), value, dtype=np.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return torch.from_numpy(padded)


def _loss(logits: Tensor, batch: Batch, smoothing: float) -> Tensor:
    labels = batch.labels[batch.labels != _IGNORED]
    return functional.cross_entropy(logits.float(), labels, label_smoothing=smoothing)


def _stage(recipe: SummaryRecipe, step: int) -> tuple[Stage, int]:
    """The stage of a step, and the step's position in it."""
    for stage in recipe.stages:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    return recipe.stages[-1], recipe.stages[-1].steps
