"""Pruning a checkpoint on disk. The result is a model folder again, so every later stage reads the same kind of
folder.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sprig_export.config.recipe import Recipe
from sprig_export.data.calibration import Calibration
from sprig_export.models.blocks import note_removed_heads
from sprig_export.models.checkpoints import Checkpoint
from sprig_export.models.generation import read_generation
from sprig_export.models.head import head_of, may_project, vector_width
from sprig_export.models.loading import load_model, load_tokenizer, reopen_checkpoint, write_checkpoint, write_tokenizer
from sprig_export.models.projection import (
    attach_projection,
    make_projection,
    principal_directions,
    projection_of,
)
from sprig_export.pruning.recover import Lessons, Schedule, recover, vectors_of
from sprig_export.pruning.structure import Choice, Shape, cut
from sprig_export.pruning.vocabulary import count_tokens, prune_tokenizer, slice_vocabulary
from sprig_export.training.batches import Batch, make_batches
from sprig_export.training.loop import autocast
from sprig_export.trimming.student import Trimming
from sprig_server.errors import InvalidInput

_OBSERVED = 24  # batches that decide what is removed: about 100,000 tokens
_TRAINED = "eager"  # on CPUs, fused attention is slower in the backward pass
_PAIRS_A_BATCH = 32  # no batch contains more functions, so more pairs would not be read


def prune_vocabulary(
    checkpoint: Checkpoint, recipe: Recipe, calibration: Calibration, output: Path, facts: dict[str, Any]
) -> Checkpoint:
    """The checkpoint with the vocabulary of the language alone, as a model folder at `output`.

    Adds to `facts` the number of entries before and after, and the share of the text's tokens that are kept. A result
    of an interrupted export at `output` is reused.
    """
    if output.is_dir():
        facts["taken_over"] = True
        return reopen_checkpoint(output, checkpoint)
    tokenizer: Tokenizer = load_tokenizer(checkpoint).backend_tokenizer
    counts = count_calibration(tokenizer.to_str(), calibration)
    needed = read_generation(checkpoint.folder).needed if recipe.task == "summarize" else ()
    pruned = prune_tokenizer(tokenizer, counts, recipe.vocabulary, needed)
    facts["entries_before"], facts["entries"] = tokenizer.get_vocab_size(), len(pruned.kept)
    facts["tokens_kept"] = round(sum(counts[int(index)] for index in pruned.kept) / max(1, counts.total()), 5)
    model = load_model(checkpoint, recipe.task)
    slice_vocabulary(model, pruned.kept)
    return write_checkpoint(model, checkpoint, output, lambda path: pruned.tokenizer.save(str(path), pretty=False))


@lru_cache(maxsize=2)
def count_calibration(tokenizer: str, calibration: Calibration) -> Counter[int]:
    """How often each token occurs in a calibration. The result is cached, because several steps of an export need it.

    Args:
        tokenizer: the text of its tokenizer.json.
    """
    return count_tokens(Tokenizer.from_str(tokenizer), calibration.texts())


@dataclass(frozen=True, slots=True)
class CutRequest:
    """What to remove from a model, and how it recovers.

    Attributes:
        recipe: the shape, and how long and how fast it recovers.
        calibration: decides what is removed, and is the training data of the recovery.
        folder: the model is written to `cut`, the state of the recovery to `state`.
        choice: how units and heads are chosen, if not as the recipe says.
        start: a smaller model with the same vocabulary that is cut and recovers, instead of the model itself.
        trimming: if given, the student reads half of the functions trimmed.
    """

    recipe: Recipe
    calibration: Calibration
    folder: Path
    choice: Choice | None = None
    start: Checkpoint | None = None
    trimming: Trimming | None = None


def cut_checkpoint(checkpoint: Checkpoint, request: CutRequest, facts: dict[str, Any]) -> Checkpoint:
    """The checkpoint without the parts that the recipe removes, after its recovery, as a model folder.

    Args:
        checkpoint: the model with its vocabulary already pruned.
        facts: the numbers of parameters before and after are added to it.

    Raises:
        InvalidInput: the family cannot be pruned, or the start does not fit the model.
    """
    recipe, start, output = request.recipe, request.start, request.folder / "cut"
    if output.is_dir():
        facts["taken_over"] = True
        return reopen_checkpoint(output, checkpoint)
    teacher = load_model(checkpoint, recipe.task, _TRAINED)
    tokenizer = load_tokenizer(checkpoint)
    student = copy.deepcopy(teacher) if start is None else load_model(start, recipe.task, _TRAINED)
    if start is not None:
        _check_alike(start, student, teacher, tokenizer, checkpoint.pooling)
    batches = make_batches(recipe.task, student, tokenizer, request.calibration.pairs[: pairs_for(recipe)], recipe.seed)
    layers = _or_none(recipe.layers), _or_none(recipe.decoder_layers)
    shape = Shape(*layers, recipe.units, recipe.heads, recipe.which_layers)
    with autocast(student):
        removed = cut(student, shape, batches[:_OBSERVED], request.choice or recipe.scores)
    if removed:
        note_removed_heads(student, removed)
    if recipe.dimensions:
        _reduce_dimensions(student, teacher, batches[:_OBSERVED], recipe.dimensions, checkpoint.pooling)
    facts["parameters_before"], facts["parameters"] = _parameters(teacher), _parameters(student)
    if recipe.recovery_steps:
        lasting = recipe.recovery_steps, recipe.recovery_rate
        schedule = Schedule(*lasting, recipe.seed, recipe.rounding, recipe.train_embeddings)
        lessons = Lessons(batches, checkpoint.pooling, request.trimming)
        recover(student, teacher, lessons, schedule, request.folder / "state")
    return write_checkpoint(student, checkpoint, output, lambda path: write_tokenizer(checkpoint, path))


def _check_alike(
    start: Checkpoint,
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pooling: str,
) -> None:
    """Refuse a teacher whose inputs or outputs are not comparable with the student's.

    Raises:
        InvalidInput: the vocabularies differ, or the lengths of the vectors.
    """
    if load_tokenizer(start).get_vocab() != tokenizer.get_vocab():
        raise InvalidInput(
            f'the smaller model "{start.name}" has another vocabulary than the model: distil it from that'
        )
    widths = vector_width(student, pooling), vector_width(teacher, pooling)
    if widths[0] != widths[1]:
        raise InvalidInput(
            f'the smaller model "{start.name}" has states of {widths[0]} numbers, the model of {widths[1]}: distil it '
            "from that model, and without dimensions"
        )


def pairs_for(recipe: Recipe) -> int:
    """The number of pairs that a cut and its recovery can read."""
    return _PAIRS_A_BATCH * (_OBSERVED + recipe.recovery_steps)


def _reduce_dimensions(
    student: PreTrainedModel, teacher: PreTrainedModel, batches: Sequence[Batch], kept: int, pooling: str
) -> None:
    """Project student and teacher onto the principal directions of the teacher's vectors. The student's map is trained.

    Raises:
        InvalidInput: a map of the states would not have the same effect on the vectors.
    """
    if not may_project(pooling) or head_of(teacher) is not None:
        raise InvalidInput(
            f"dimensions = {kept}: a model with layers behind its pooling, or with the pooling {pooling}, keeps all of "
            "its dimensions: take the setting out"
        )
    directions = principal_directions(vectors_of(teacher, batches, pooling), kept)
    for model in (teacher, student):
        own = projection_of(model)  # if the model had a map already, the two are merged
        weight = directions if own is None else directions @ own.weight.detach()
        bias = None if own is None or own.bias is None else directions @ own.bias.detach()
        attach_projection(model, make_projection(weight, bias))


def _parameters(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _or_none(count: int) -> int | None:
    return None if count < 0 else count
