"""Recovery: a pruned model learns from the unpruned one in a short distillation on the language's text.

Search: the student's vectors learn to point where the teacher's point, and to rank recent vectors in the same order (a
queue as in SEED, Fang et al. 2021, which has many more neighbours than a batch). The states of its tokens learn to
point where the teacher's do. Summaries: the decoder learns to expect the same tokens as the teacher. No labels are
needed, so any code can be used. In the second half, weights and activations are rounded as in the bundle.
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

_TEMPERATURE = 0.05  # temperature of the similarities in the ranking loss
_WARM_UP = 20  # steps
_SEEN = 4096  # vectors of earlier batches in the queue
_ROUNDED = 0.5  # the share of the steps after which weights and activations are rounded
_SAME = 0.999  # two vectors with a higher cosine are of the same text


@dataclass(frozen=True, slots=True)
class Schedule:
    """The schedule of a recovery: `steps` batches with a learning rate that rises to `rate` and falls to zero, the
    simulated precision of matrix products, and whether embeddings are trained.
    """

    steps: int
    rate: float
    seed: int = 0
    linear_dtype: Precision = "float32"
    train_embeddings: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """What a student learns from.

    Attributes:
        batches: batches of the language's text. Extra ones are not used; too few are repeated.
        pooling: the pooling of an encoder, as in its bundle.
        trimming: if given, the student reads half of the functions trimmed.
    """

    batches: Sequence[Batch]
    pooling: str = "mean"
    trimming: Trimming | None = None


def recover(
    student: PreTrainedModel, teacher: PreTrainedModel, lessons: Lessons, schedule: Schedule, state: Path
) -> None:
    """Distil a model into a smaller one, in place.

    Args:
        student: the pruned model.
        teacher: the unpruned model, with the same vocabulary.
        schedule: how long and how fast.
        state: a folder for checkpoints, from which an interrupted recovery continues.

    Raises:
        InvalidInput: `state` belongs to something else.
    """
    Recovery(student, teacher, lessons, schedule, state).finish()
    student.eval()


class _Pupil(nn.Module):
    """The student and the queue of the teacher's recent vectors, float32 [seen, d], initially zero. Both are saved in
    the state of a run, so that it resumes exactly.
    """

    seen: Tensor

    def __init__(self, student: PreTrainedModel, poolings: int) -> None:
        super().__init__()
        own = projection_of(student)
        self.student, dimensions = student, student.config.hidden_size if own is None else own.out_features
        self.register_buffer("seen", torch.zeros(_SEEN, dimensions * poolings))

    def note(self, vectors: Tensor) -> None:
        """Put vectors [n, d] into the queue in place of the oldest."""
        self.seen = torch.cat([vectors, self.seen])[:_SEEN]


@dataclass(frozen=True, slots=True)
class _Lesson:
    """A batch, and the share of its tokens that the student does not read."""

    batch: Batch
    ratio: float


class Recovery(TrainingRun[_Lesson]):
    """A recovery that may be interrupted; `recover` says what it is given."""

    def __init__(
        self, student: PreTrainedModel, teacher: PreTrainedModel, lessons: Lessons, schedule: Schedule, state: Path
    ) -> None:
        self.student, self.teacher, self.schedule = student, teacher.eval(), schedule
        self.texts, self.pooling, self.trimming = lessons.batches, lessons.pooling, lessons.trimming
        student.get_input_embeddings().requires_grad_(schedule.train_embeddings)
        learning = [parameter for parameter in student.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(learning, lr=0.0, weight_decay=0.0, betas=(0.9, 0.98), fused=True)
        pace = Pace(schedule.steps, schedule.steps + 1, max(1, schedule.steps // 4), 1.0, schedule.seed)
        self.pupil = _Pupil(student, len(lessons.pooling.split("+")))
        made_by = f"{schedule} {student.config.to_json_string()}{' trimmed' if lessons.trimming is not None else ''}"
        super().__init__(self.pupil, optimizer, pace, state, made_by)

    def rate(self, step: int) -> float:
        """Rising for a few steps, then falling to zero."""
        falling = (self.schedule.steps - step) / max(1, self.schedule.steps - _WARM_UP)
        return self.schedule.rate * min(1.0, (step + 1) / _WARM_UP, falling)

    def batches(self) -> Iterator[_Lesson]:
        """All texts in a new order each time, some of them to be read trimmed."""
        generator = np.random.default_rng(self.schedule.seed)
        while True:
            order: NDArray[np.int64] = generator.permutation(len(self.texts))
            for index in order:
                batch = self.texts[index]
                trimmed = self.trimming is not None and batch.trimmable
                yield _Lesson(batch, choose_ratio(generator) if trimmed else 0.0)

    def loss(self, batch: _Lesson) -> Tensor:
        """How far the student's answer is from the teacher's."""
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
        # 4-bit products round activations too, but finely, with a factor for each block.
        rounding = rounded_activations(self.student) if dtype == "int8" else nullcontext()
        with rounding, used_parameters(self.student, weights):
            return batch.run(self.student)

    def validate(self) -> tuple[Mapping[str, float], float]:
        """Nothing: what a recovery is worth is measured behind it."""
        return {}, 0.0

    def keep(self) -> None:
        """Nothing to write: the caller has the model."""


@torch.no_grad()
def vectors_of(model: PreTrainedModel, batches: Sequence[Batch], pooling: str) -> Vectors:
    """The unit vectors of an encoder for batches of text, float32 [n, d]."""
    with autocast(model):
        found = [pool(batch.run(model).last_hidden_state, batch.mask, pooling).float() for batch in batches]  # type: ignore[attr-defined]
    return torch.cat(found).numpy()


def vector_loss(given: Tensor, wanted: Tensor, seen: Tensor) -> Tensor:
    """The loss of unit vectors [n, d]: their distance from the teacher's, and the difference in ranking these and the
    queue, [seen, d]. A scalar. Zero rows of the queue are unused, and no vector is ranked against itself.
    """
    apart = 1.0 - (given * wanted).sum(dim=-1).mean()
    known = torch.cat([wanted, seen])
    scores = [vectors @ known.T / _TEMPERATURE for vectors in (given, wanted)]  # [n, n + seen]
    left_out = (scores[1] * _TEMPERATURE > _SAME) | (known == 0).all(dim=-1)
    ranked = [score.masked_fill(left_out, -1e4) for score in scores]
    return apart + token_loss(ranked[0], ranked[1])


def state_loss(given: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """The loss of token states [n, tokens, d], where the mask is 1: how far they point from the teacher's. A scalar.

    It gives one training signal for each token, while there are only few pooled vectors.
    """
    return 1.0 - functional.cosine_similarity(given.float(), wanted.float(), dim=-1)[mask.bool()].mean()


def token_loss(given: Tensor, wanted: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of the student's logits [n, choices] from the teacher's. A scalar."""
    return functional.kl_div(
        functional.log_softmax(given.float(), dim=-1),
        functional.log_softmax(wanted.float(), dim=-1),
        reduction="batchmean",
        log_target=True,
    )
