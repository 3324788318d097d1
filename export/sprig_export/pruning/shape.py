"""The shape of a smaller model, and how a model is cut to it: which parts go is decided by calibration text.

Layers go first, then heads, then units from the first block to the last, each block looked at once those below it are
as they will be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from sprig_export.blocks import Block, read_blocks, read_stacks, set_width
from sprig_export.pruning.scores import score_inputs_by_fluctuation, score_inputs_by_wanda
from sprig_export.pruning.statistics import Feed, Inputs, observe
from sprig_export.pruning.structure import keep_heads, keep_layers, keep_units
from sprig_export.recipe import Which
from sprig_server.errors import InvalidInput

Choice = Literal["fluctuation", "wanda", "magnitude", "random"]

_MULTIPLE = 32  # of units: what the int8 kernels like


@dataclass(frozen=True, slots=True)
class Shape:
    """What stays of a model.

    `encoder_layers` and `decoder_layers` are how many layers stay (None: all), spread evenly or the first ones; `units`
    and `heads` are the shares of feed-forward units and of attention heads that stay in each of them.
    """

    encoder_layers: int | None = None
    decoder_layers: int | None = None
    units: float = 1.0
    heads: float = 1.0
    which_layers: Which = "spread"


def cut(
    model: PreTrainedModel, shape: Shape, feeds: Sequence[Feed], choice: Choice = "fluctuation"
) -> dict[int, list[int]]:
    """Cut a model to a shape, in place; returns the heads that each layer lost (of an encoder, or the one half).

    Args:
        feeds: calibration text, as the model will be served it.
        choice: what is removed: the units and heads of the lowest "fluctuation" (FLAP, their mean left behind where
            the architecture has biases), of the lowest "wanda" or "magnitude" score, or "random" ones.

    Raises:
        InvalidInput: a family that cannot be pruned, or a shape that it cannot have.
    """
    if shape == Shape():
        return {}  # of any family
    for part, layers in read_stacks(model).items():
        kept = shape.encoder_layers if part == "encoder" else shape.decoder_layers
        if kept is not None and kept < len(layers):
            chosen = range(kept) if shape.which_layers == "first" else evenly_spaced(len(layers), kept)
            keep_layers(model, part, chosen)
    _check_halves(model)
    generator = torch.Generator().manual_seed(0)
    if choice in ("magnitude", "random"):
        feeds = ()  # nothing is to be seen
    removed: dict[int, list[int]] = {}
    if shape.heads < 1.0:
        removed = _cut_heads(model, shape.heads, feeds, choice, generator)
    if shape.units < 1.0:
        _cut_units(model, shape.units, feeds, choice, generator)
    return removed


def _check_halves(model: PreTrainedModel) -> None:
    """transformers makes the cache of a T5 decoder as deep as the encoder is."""
    halves = {part: len(layers) for part, layers in read_stacks(model).items()}
    if model.config.model_type == "t5" and halves["encoder"] < halves["decoder"]:
        raise InvalidInput(
            f"a T5 model cannot have {halves['encoder']} encoder and {halves['decoder']} decoder layers: keep at least "
            "as many encoder layers"
        )


def units_of(width: int, share: float) -> int:
    """How many units a share of `width` is: a multiple of 32 where it can be, at least one."""
    if width <= _MULTIPLE:
        return max(1, round(width * share))
    return min(width, max(_MULTIPLE, round(width * share / _MULTIPLE) * _MULTIPLE))


def evenly_spaced(layers: int, kept: int) -> tuple[int, ...]:
    """`kept` of `layers` numbers, first and last among them; of a single one the last, since what reads its output was
    made for that."""
    if kept == 1:
        return (layers - 1,)
    return tuple(round(place * (layers - 1) / max(1, kept - 1)) for place in range(kept))


def _cut_heads(
    model: PreTrainedModel, share: float, feeds: Sequence[Feed], choice: Choice, generator: torch.Generator
) -> dict[int, list[int]]:
    """All blocks are looked at before the first head goes, as FLAP does; T5's layers share a bias for each head and
    could not run while they have different numbers of them. Returns the heads that each layer lost."""
    blocks = read_blocks(model)
    removed: dict[int, list[int]] = {}
    seen = [_inputs_of_outputs(model, block, feeds) for block in blocks]
    for block, inputs in zip(blocks, seen, strict=True):
        for attention in block.attentions:
            count = max(1, round(attention.groups * share))
            own = inputs[id(attention.output)]
            scores = _scores(attention.output.weight, own, choice, generator).reshape(attention.groups, -1)
            kept = _best(scores.mean(dim=1), count).tolist()
            keep_heads(attention, kept, _mean(own, choice))
            removed[block.index] = sorted(set(range(attention.groups)) - set(kept))
    return removed


def _cut_units(
    model: PreTrainedModel, share: float, feeds: Sequence[Feed], choice: Choice, generator: torch.Generator
) -> None:
    for block in read_blocks(model):
        feed_forward = block.feed_forward
        own = _inputs_of_outputs(model, block, feeds)[id(feed_forward.output)]
        scores = _scores(feed_forward.output.weight, own, choice, generator)
        keep_units(feed_forward, _best(scores, units_of(feed_forward.width, share)), _mean(own, choice))
    set_width(model, read_blocks(model)[0].feed_forward.width)


def _inputs_of_outputs(model: PreTrainedModel, block: Block, feeds: Sequence[Feed]) -> dict[int, Inputs]:
    """The statistics of a block's matrices, by the identity of the matrix."""
    inputs = observe(model, block, feeds)
    return {id(linear): inputs[name] for name, linear in block.linears().items()}


def _scores(weight: Tensor, inputs: Inputs, choice: Choice, generator: torch.Generator) -> Tensor:
    if choice == "random":
        return torch.rand(weight.shape[1], generator=generator)
    if choice == "magnitude":
        return weight.detach().float().abs().mean(dim=0)
    if choice == "wanda":
        return score_inputs_by_wanda(weight, inputs.squares)
    return score_inputs_by_fluctuation(weight, inputs.variance)


def _mean(inputs: Inputs, choice: Choice) -> Tensor | None:
    return inputs.mean if choice == "fluctuation" else None


def _best(scores: Tensor, count: int) -> Tensor:
    """The places of the highest scores, ascending, int64 [count]."""
    return scores.sort(descending=True, stable=True).indices[:count].sort().values
