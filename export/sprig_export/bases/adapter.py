"""Training an adapter: low-rank factors beside a language model's frozen matrices, with the loss on the sentence
alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from sprig_export.bases.recipe import AdapterRecipe, fingerprint
from sprig_export.bases.summary_data import Examples, read_examples
from sprig_export.models.adapter import WEIGHTS
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_export.models.families import FAMILIES, unsupported
from sprig_export.models.folder import replace_folder
from sprig_export.models.loading import load_model
from sprig_export.training.batches import fill_batches
from sprig_export.training.loop import Pace, TrainingRun, autocast, has_bf16
from sprig_server.errors import InvalidInput

_POOL = 24  # batches that are sorted by length together


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts with their sentences: token ids int64 [b, t], padded at the end, their mask, and the positions, bool [b,
    t], whose next token belongs to the sentence.
    """

    ids: Tensor
    mask: Tensor
    asked: Tensor


def train_adapter(recipe: AdapterRecipe, data: Path, output: Path, stop_after: int | None = None) -> None:
    """Train an adapter, or continue where an interrupted run stopped.

    Args:
        recipe: what to train.
        data: the folder that `adapter_data.prepare` wrote.
        output: a folder for the run; its `adapter` is the one of the last validation.
        stop_after: stop after this many steps, resumable.

    Raises:
        InvalidInput: the data or the model cannot be used, or the state in `output` belongs to another recipe.
    """
    AdapterRun(recipe, data, output).finish(stop_after)


class AdapterRun(TrainingRun[Batch]):
    """A run: the frozen model, in bfloat16 if the hardware supports it, and its adapter in float32."""

    def __init__(self, recipe: AdapterRecipe, data: Path, output: Path) -> None:
        self.recipe = recipe
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.train_set, self.valid_set = read_examples(data / "train.npz"), read_examples(data / "valid.npz")
        if not len(self.train_set):
            raise InvalidInput(f"{data} holds no pair to learn from: prepare it from larger corpora")
        torch.manual_seed(recipe.seed)
        checkpoint = open_checkpoint(recipe.model)
        self.base = checkpoint.name
        model = _attach(checkpoint, recipe).to(self.device)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=0.0, weight_decay=recipe.weight_decay, fused=True)
        pace = Pace(recipe.steps, recipe.validation_steps, recipe.checkpoint_steps, recipe.clip_norm, recipe.seed)
        self.adapted = model
        super().__init__(model, optimizer, pace, output, fingerprint(recipe))

    def rate(self, step: int) -> float:
        """Warm-up, then linear to zero."""
        recipe = self.recipe
        falling = 1 - step / recipe.steps
        return recipe.learning_rate * min(falling, (step + 1) / max(1, recipe.warm_up_steps))

    def batches(self) -> Iterator[Batch]:
        """Endless batches with similar lengths, the same for the same seed."""
        generator = np.random.default_rng(self.recipe.seed)
        lengths = _lengths(self.train_set)
        while True:
            order = generator.permutation(len(lengths))
            pool = max(1, _POOL * self.recipe.batch_tokens // max(1, int(lengths.mean())))
            for start in range(0, len(order), pool):
                part = order[start : start + pool]
                ordered = part[np.argsort(lengths[part], kind="stable")]
                filled = list(fill_batches(ordered, lengths, self.recipe.batch_tokens))
                for index in generator.permutation(len(filled)):
                    yield make_batch(self.train_set, filled[index], self.device)

    def loss(self, batch: Batch) -> Tensor:
        """The mean loss of a sentence's tokens, including the end token."""
        core: Any = self.adapted.get_base_model()
        states = core.model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).last_hidden_state
        # The vocabulary is large, and nine tenths of the positions are code.
        logits = core.lm_head(states[batch.asked])
        following = batch.ids.roll(-1, dims=1)[batch.asked]
        return functional.cross_entropy(logits.float(), following)

    def validate(self) -> tuple[Mapping[str, float], float]:
        """The mean loss of held-out sentences' tokens. The last adapter is always kept, because people choose by
        reading.
        """
        rows = np.arange(min(len(self.valid_set), self.recipe.validation_pairs))
        lengths = _lengths(self.valid_set)
        total, count = 0.0, 0
        for part in fill_batches(rows[np.argsort(lengths[rows], kind="stable")], lengths, self.recipe.batch_tokens):
            batch = make_batch(self.valid_set, part, self.device)
            with autocast(self.model):
                total += float(self.loss(batch)) * int(batch.asked.sum())
            count += int(batch.asked.sum())
        return ({"loss": total / count} if count else {}), -float(self.step)

    def keep(self) -> None:
        """Write the adapter as a folder that `peft` reads, in bfloat16."""
        with replace_folder(self.output / "adapter") as folder:
            self.adapted.peft_config["default"].base_model_name_or_path = self.base  # not its path on this machine
            self.adapted.save_pretrained(str(folder), save_embedding_layers=False)  # otherwise peft asks a hub for them
            (folder / "README.md").unlink(missing_ok=True)  # peft's blank form, with a path of this machine
            weights = load_file(folder / WEIGHTS)
            save_file({name: value.bfloat16() for name, value in weights.items()}, folder / WEIGHTS)


def make_batch(examples: Examples, rows: NDArray[np.int64], device: torch.device) -> Batch:
    """The examples of `rows`, padded to the longest of them."""
    texts = [np.concatenate([examples.source(int(row)), examples.target(int(row))]) for row in rows]
    ids = np.zeros((len(rows), max(map(len, texts))), dtype=np.int64)
    mask, asked = np.zeros_like(ids), np.zeros(ids.shape, dtype=bool)
    for number, (row, text) in enumerate(zip(rows, texts, strict=True)):
        ids[number, : len(text)], mask[number, : len(text)] = text, 1
        asked[number, len(examples.source(int(row))) - 1 : len(text) - 1] = True
    return Batch(*(torch.from_numpy(array).to(device) for array in (ids, mask, asked)))


def _attach(checkpoint: Checkpoint, recipe: AdapterRecipe) -> PeftModel:
    able, family = [name for name, family in FAMILIES.items() if family.adapters], str(checkpoint.config["model_type"])
    if family not in able:
        raise unsupported(family, "taught by an adapter", able)
    base = load_model(checkpoint, "summarize", "sdpa")
    if has_bf16() or torch.cuda.is_available():
        base = base.bfloat16()
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.rank,
        lora_alpha=round(recipe.rank * recipe.scale),
        target_modules=list(recipe.matrices),
        lora_dropout=0.0,
    )
    return get_peft_model(base, config)


def _lengths(examples: Examples) -> NDArray[np.int64]:
    """Tokens of each prompt with its sentence, int64 [n]."""
    return examples.source_lengths + np.diff(examples.target_offsets)
