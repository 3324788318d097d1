"""A pruned model learns from the one it was cut from: a short distillation on the language's own text.

Search: vectors are to point where the unpruned model's point, and to rank what it saw lately as its do (a queue as in
SEED, Fang et al. 2021: many more neighbours than a batch holds); the states that they are pooled of are to point where
its do. Summaries: the decoder is to expect the tokens that the unpruned one does. Targets need no labels, so that any
code will do. The second half is learnt with weights and activations rounded as the bundle will round them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from sprig_export.config.recipe import Precision
from sprig_export.models.projection import projection_of
from sprig_export.training.batches import Batch
from sprig_export.training.encoding import pool
from sprig_export.training.fake_quantization import rounded_activations, rounded_parameters, used_parameters
from sprig_export.training.loop import Pace, TrainingRun, autocast
from sprig_export.trimming.student import Trimming, choose_ratio, read_trimmed
from sprig_server.types import Vectors

_TEMPERATURE = 0.05  # of the similarities that are to be ranked alike
_WARM_UP = 20  # steps
_SEEN = 4096  # vectors of earlier batches that those of a batch are ranked against
_ROUNDED = 0.5  # the share of the steps from which weights and activations are rounded
_SAME = 0.999  # the cosine from which two vectors are of the same text


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a recovery is: `steps` batches, at a learning rate that rises to `rate` and falls to zero; for which
    bits of matrix products; and whether the look-ups of tokens learn too."""

    steps: int
    rate: float
    seed: int = 0
    linear_dtype: Precision = "float32"
    train_embeddings: bool = True


def recover(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    batches: Sequence[Batch],
    schedule: Schedule,
    state: Path,
    pooling: str = "mean",
    stop_after: int | None = None,
    trimming: Trimming | None = None,
) -> None:
    """Distil a model into a smaller one, in place.

    Args:
        student: the pruned model.
        teacher: the model that it was cut from, of the same vocabulary.
        batches: batches of the language's text; what is left of them after `steps` is not used, too few are gone over
            again.
        schedule: how long and how fast.
        state: a folder of checkpoints: an interrupted recovery goes on from there.
        pooling: how the vectors of an encoder are made, as its bundle says it.
        stop_after: stop, resumable, once so many steps are done; None to go on to the end.
        trimming: lets the student read half of the functions trimmed; None for whole ones.

    Raises:
        InvalidInput: `state` holds something else.
    """
    _Recovery(student, teacher.eval(), batches, schedule, state, pooling, trimming).finish(stop_after)
    student.eval()


class _Pupil(nn.Module):
    """The student, and the vectors that its teacher gave lately, float32 [seen, d], at first zero: both are in a run's
    state, so that it resumes exactly."""

    seen: Tensor

    def __init__(self, student: PreTrainedModel, poolings: int) -> None:
        super().__init__()
        own = projection_of(student)
        self.student, dimensions = student, student.config.hidden_size if own is None else own.out_features
        self.register_buffer("seen", torch.zeros(_SEEN, dimensions * poolings))

    def note(self, vectors: Tensor) -> None:
        """Let vectors [n, d] take the place of the oldest."""
        self.seen = torch.cat([vectors, self.seen])[:_SEEN]


@dataclass(frozen=True, slots=True)
class _Lesson:
    """A batch, and the share of its tokens that the student does without."""

    batch: Batch
    ratio: float


class _Recovery(TrainingRun[_Lesson]):
    def __init__(
        self,
        student: PreTrainedModel,
        teacher: PreTrainedModel,
        batches: Sequence[Batch],
        schedule: Schedule,
        state: Path,
        pooling: str,
        trimming: Trimming | None,
    ) -> None:
        self.pooling, self.trimming = pooling, trimming
        self.student, self.teacher, self.texts, self.schedule = student, teacher, batches, schedule
        student.get_input_embeddings().requires_grad_(schedule.train_embeddings)
        learning = [parameter for parameter in student.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(learning, lr=0.0, weight_decay=0.0, betas=(0.9, 0.98), fused=True)
        pace = Pace(schedule.steps, schedule.steps + 1, max(1, schedule.steps // 4), 1.0, schedule.seed)
        self.pupil = _Pupil(student, len(pooling.split("+")))
        made_by = f"{schedule} {student.config.to_json_string()}{' trimmed' if trimming is not None else ''}"
        super().__init__(self.pupil, optimizer, pace, state, made_by)

    def rate(self, step: int) -> float:
        falling = (self.schedule.steps - step) / max(1, self.schedule.steps - _WARM_UP)
        return self.schedule.rate * min(1.0, (step + 1) / _WARM_UP, falling)

    def batches(self) -> Iterator[_Lesson]:
        generator = np.random.default_rng(self.schedule.seed)
        while True:
            order: NDArray[np.int64] = generator.permutation(len(self.texts))
            for index in order:
                batch = self.texts[index]
                trimmed = self.trimming is not None and batch.trimmable
                yield _Lesson(batch, choose_ratio(generator) if trimmed else 0.0)

    def loss(self, batch: _Lesson) -> Tensor:
        whole = batch.batch
        with torch.no_grad():
            wanted = whole.run(self.teacher)
        read = read_trimmed(whole, self.trimming, batch.ratio) if self.trimming is not None and batch.ratio else None
        given = self._answer(whole if read is None else read.batch)
        if not hasattr(given, "logits"):
            own, others = given.last_hidden_state, wanted.last_hidden_state  # type: ignore[attr-defined]
            vectors = pool(others, whole.mask, self.pooling).float()
            mask, there = (whole.mask, others) if read is None else (read.batch.mask, read.states_of(others))
            loss = vector_loss(pool(own, mask, self.pooling).float(), vectors, self.pupil.seen)
            self.pupil.note(vectors)
            return loss + state_loss(own, there, mask)
        own = whole.mask if whole.targets is None else whole.target_mask
        kept = (torch.ones_like(given.logits[..., 0]) if own is None else own).bool()
        return token_loss(given.logits[kept], wanted.logits[kept])  # type: ignore[attr-defined]

    def _answer(self, batch: Batch) -> object:
        dtype = self.schedule.linear_dtype
        if dtype == "float32" or self.step < self.schedule.steps * _ROUNDED:
            return batch.run(self.student)
        weights = rounded_parameters(self.student, dtype)
        # 4-bit products round activations too, but finely: a factor for each block.
        rounding = rounded_activations(self.student) if dtype == "int8" else nullcontext()
        with rounding, used_parameters(self.student, weights):
            return batch.run(self.student)

    def validate(self) -> tuple[Mapping[str, float], float]:
        return {}, 0.0

    def keep(self) -> None:
        """The model itself is what is kept; the caller holds it."""


@torch.no_grad()
def vectors_of(model: PreTrainedModel, batches: Sequence[Batch], pooling: str) -> Vectors:
    """The unit vectors that an encoder gives for batches of text, float32 [n, d]."""
    with autocast(model):
        found = [pool(batch.run(model).last_hidden_state, batch.mask, pooling).float() for batch in batches]  # type: ignore[attr-defined]
    return torch.cat(found).numpy()


def vector_loss(given: Tensor, wanted: Tensor, seen: Tensor) -> Tensor:
    """How far unit vectors [n, d] are from those they should be, and how differently they rank these and others that
    were seen before, [seen, d]: a scalar. Zero rows stand for nothing, and nothing is ranked against itself."""
    apart = 1.0 - (given * wanted).sum(dim=-1).mean()
    known = torch.cat([wanted, seen])
    scores = [vectors @ known.T / _TEMPERATURE for vectors in (given, wanted)]  # [n, n + seen]
    left_out = (scores[1] * _TEMPERATURE > _SAME) | (known == 0).all(dim=-1)
    ranked = [score.masked_fill(left_out, -1e4) for score in scores]
    return apart + token_loss(ranked[0], ranked[1])


def state_loss(given: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """How far the states of tokens [n, tokens, d] point from where they should, where the mask is 1: a scalar.

    Every token is a lesson of its own, while the vectors that are pooled of them are few.
    """
    return 1.0 - functional.cosine_similarity(given.float(), wanted.float(), dim=-1)[mask.bool()].mean()


def token_loss(given: Tensor, wanted: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of what is expected, logits [n, choices], from what should be: a scalar."""
    return functional.kl_div(
        functional.log_softmax(given.float(), dim=-1),
        functional.log_softmax(wanted.float(), dim=-1),
        reduction="batchmean",
        log_target=True,
    )
