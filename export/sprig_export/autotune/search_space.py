"""The search space: the considered plans, with layers, heads and units, output dimensions, vocabulary entries."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from sprig_export.config.proposal import Proposal
from sprig_export.config.recipe import Recipe
from sprig_export.config.request import Example
from sprig_export.data.calibration import Calibration
from sprig_export.evaluate.export_quality import questions_of, vectors_of_texts
from sprig_export.evaluate.search import reciprocal_ranks
from sprig_export.models.blocks import can_lose_heads, is_known, read_stacks
from sprig_export.models.checkpoints import Checkpoint
from sprig_export.models.families import Part
from sprig_export.models.head import may_project, read_head
from sprig_export.models.loading import load_tokenizer
from sprig_export.models.projection import principal_directions
from sprig_export.pruning.cut import count_calibration
from sprig_export.pruning.vocabulary import PRUNABLE, prune_tokenizer
from sprig_server.errors import InvalidInput
from sprig_server.types import Vectors

_DEPTHS = (1.0, 2 / 3, 1 / 2, 1 / 3, 1 / 6, 0.0)
_WIDTHS = ((1.0, 1.0), (0.5, 1.0), (0.5, 0.5))
"""The shares of units and of heads that plans keep."""
_NARROWED = 0.5
"""Models with a smaller share of the layers keep all units and heads: too little would be left otherwise."""
_DIMENSIONS = (1 / 3, 1 / 2, 2 / 3)
_DIMENSION_STEP = 32
_DIMENSION_LOSS = 0.002
"""The share of the MRR that fewer dimensions may cost."""
_COVERED_TOKENS = 0.98
"""The share of the calibration's tokens that keep an entry of their own. The others are spelled with smaller ones."""
_ENTRY_STEP = 512


def list_plans(recipe: Recipe, model: PreTrainedModel) -> list[Recipe]:
    """The recipe with every considered shape, the whole model first.

    A search model may lose all layers, which leaves a table of vectors. For a family whose parts are not known, only
    the whole model is considered.
    """
    return list(_shapes(recipe, model)) if is_known(model) else [recipe]


def follow_proposal(recipe: Recipe, proposal: Proposal, model: PreTrainedModel) -> Recipe:
    """The plan that an analysis of the encoder proposes: without the layers above those that a probe needs, and without
    the mean share of redundant units.

    Raises:
        InvalidInput: the analysis is of a model with a different number of layers.
    """
    layers = len(read_stacks(model).get("encoder", ()))
    if proposal.of_layers != layers:
        raise InvalidInput(
            f"the analysis is of a model whose encoder has {proposal.of_layers} layers, this one has {layers}: give "
            "the report of this model"
        )
    redundant = [layer.units for layer in proposal.redundancy if layer.units is not None]
    units = 1 - sum(redundant) / len(redundant) if redundant else 1.0
    first = max(1, proposal.layers[0].layers)
    return replace(recipe, layers=first, which_layers="first", units=round(units, 3))


def describe_plan(recipe: Recipe, model: PreTrainedModel) -> str:
    """A plan in words."""
    if not is_known(model):
        return "the whole model"
    counts = {part: len(layers) for part, layers in read_stacks(model).items()}
    halves = [
        f"{'the first ' if recipe.which_layers == 'first' and 0 <= kept < counts[part] else ''}"
        f"{counts[part] if kept < 0 else kept} of {counts[part]} {f'{part} ' if len(counts) > 1 else ''}layers"
        for part, kept in kept_layers(recipe.layers, recipe.decoder_layers)
        if part in counts
    ]
    widths = [f"{share:.0%} of the {what}" for what, share in (("units", recipe.units), ("heads", recipe.heads))]
    return ", ".join([*halves, *(width for width in widths if not width.startswith("100"))])


def _shapes(recipe: Recipe, model: PreTrainedModel) -> Iterator[Recipe]:
    counts = {part: len(layers) for part, layers in read_stacks(model).items()}
    least = 0 if recipe.task == "search" else 1
    decoders = _depths(counts.get("decoder", 0), 1) if "decoder" in counts else [-1]
    encoders = _depths(counts.get("encoder", 0), least) if "encoder" in counts else [-1]
    for decoder in decoders:
        for encoder in encoders:
            if model.config.model_type == "t5" and encoder < decoder:
                continue  # transformers cannot run such a model with a cache
            deep = all(
                _NARROWED * counts[part] <= kept for part, kept in kept_layers(encoder, decoder) if part in counts
            )
            for units, heads in _WIDTHS if deep else _WIDTHS[:1]:
                if heads == 1.0 or can_lose_heads(model):
                    yield replace(recipe, layers=encoder, decoder_layers=decoder, units=units, heads=heads)


def kept_layers(encoder: int, decoder: int) -> tuple[tuple[Part, int], ...]:
    """The layers that a plan keeps in each half."""
    return ("encoder", encoder), ("decoder", decoder)


def _depths(layers: int, least: int) -> list[int]:
    return sorted({max(least, round(layers * share)) for share in _DEPTHS}, reverse=True)


def choose_dimensions(base: Checkpoint, texts: Sequence[str], sample: Sequence[Example]) -> int:
    """The fewest dimensions that lose at most a fifth of a per cent of the base's MRR on a sample; 0 for all of them.

    Args:
        texts: code and prose for finding the directions, without the sample.
    """
    if not may_project(base.pooling) or read_head(base.sentences)[1] is not None:
        return 0  # a map of states would not have the same effect on vectors
    known, code = vectors_of_texts(base, texts), vectors_of_texts(base, [example.code for example in sample])
    asked = [vectors_of_texts(base, queries, asked=True) for queries in questions_of(sample).values()]
    width, own = int(code.shape[1]), range(len(sample))
    whole = np.mean([reciprocal_ranks(queries, code, own) for queries in asked])
    for share in _DIMENSIONS:
        kept = round(width * share / _DIMENSION_STEP) * _DIMENSION_STEP
        if not 0 < kept < width:
            continue
        turn = principal_directions(known, kept).numpy().T
        turned = _unit(code @ turn)
        if (
            np.mean([reciprocal_ranks(_unit(queries @ turn), turned, own) for queries in asked])
            >= (1 - _DIMENSION_LOSS) * whole
        ):
            return kept
    return 0


def _unit(rows: Vectors) -> Vectors:
    scaled: Vectors = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return scaled


def choose_vocabulary(base: Checkpoint, calibration: Calibration) -> int:
    """The number of entries, in steps of 512, that the calibration's text needs; 0 to keep the whole vocabulary."""
    tokenizer = load_tokenizer(base).backend_tokenizer
    if json.loads(tokenizer.to_str())["model"]["type"] not in PRUNABLE:
        return 0
    counts = count_calibration(tokenizer.to_str(), calibration)
    sizes = range(_ENTRY_STEP, tokenizer.get_vocab_size(), _ENTRY_STEP)
    covering = bisect_left(sizes, _COVERED_TOKENS, key=lambda size: _covered(tokenizer, counts, size))
    return sizes[covering] if covering < len(sizes) else 0


def _covered(tokenizer: Tokenizer, counts: Counter[int], size: int) -> float:
    """The share of the counted tokens that keep their entry in a vocabulary of this size."""
    kept = prune_tokenizer(tokenizer, counts, size).kept
    return sum(counts[int(index)] for index in kept) / max(1, counts.total())
