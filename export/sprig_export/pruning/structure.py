"""Structured pruning: removing layers, heads and units from a model in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sprig_export.config.recipe import Which
from sprig_export.models.blocks import Block, read_blocks, read_stacks, set_width
from sprig_export.models.families import Attention, FeedForward, Part
from sprig_export.pruning.scores import score_inputs_by_fluctuation, score_inputs_by_wanda
from sprig_export.pruning.statistics import Inputs, observe
from sprig_export.training.batches import Batch
from sprig_server.errors import InvalidInput

_HEADS = ("num_attention_heads", "num_heads", "n_heads")
_HEAD_WIDTHS = ("all_head_size", "inner_dim", "split_size")
_LAYER_COUNTS: dict[Part, tuple[str, ...]] = {
    "encoder": ("encoder_layers", "num_layers", "num_hidden_layers"),
    "decoder": ("decoder_layers", "num_decoder_layers", "num_hidden_layers", "n_layer"),
}
Choice = Literal["fluctuation", "wanda", "magnitude", "random"]
_MULTIPLE = 32  # of units: int8 kernels are fastest with multiples of it


def keep_units(feed_forward: FeedForward, kept: Tensor, mean: Tensor | None = None) -> None:
    """Keep only some units of a feed-forward part, in place.

    Args:
        kept: their numbers, int64, ascending, at least one.
        mean: the mean value of each unit, [units]. The means of removed units are added to the output's bias, if the
            architecture has one.
    """
    _compensate(feed_forward.output, kept, mean)
    for linear in feed_forward.inputs:
        _slice_rows(linear, kept)
    _slice_columns(feed_forward.output, kept)


def keep_heads(attention: Attention, kept: Sequence[int], mean: Tensor | None = None) -> None:
    """Keep only some heads of an attention, in place; whole groups if heads share keys and values.

    Args:
        kept: numbers of groups (of heads, if each has its own keys and values), ascending, at least one.
        mean: the mean input of the attention's output matrix, [heads * head_dim], used as in `keep_units`.
    """
    per_group, width = attention.heads // attention.groups, attention.head_dim
    heads = [group * per_group + place for group in kept for place in range(per_group)]
    of_heads, of_groups = _columns(heads, width), _columns(kept, width)
    _compensate(attention.output, of_heads, mean)
    if len(attention.inputs) == 1:  # queries, keys and values are stacked in one matrix
        whole = attention.heads * width
        _slice_rows(attention.inputs[0], torch.cat([of_heads + part * whole for part in range(3)]))
    else:
        for linear, rows in zip(attention.inputs, (of_heads, of_groups, of_groups), strict=True):
            _slice_rows(linear, rows)
    _slice_columns(attention.output, of_heads)
    _recount(attention, heads)


def keep_layers(model: PreTrainedModel, part: Part, kept: Sequence[int]) -> None:
    """Keep only some layers of a model's encoder or decoder, in place.

    Args:
        kept: their numbers, ascending. Without layers, an encoder returns its embeddings.

    Raises:
        InvalidInput: the model does not have such a layer.
    """
    layers = read_stacks(model)[part]
    if kept and max(kept) >= len(layers):
        raise InvalidInput(f"of {len(layers)} layers, {list(kept)} cannot be kept: name layers below the count")
    chosen: list[Any] = [layers[index] for index in kept]
    if chosen:
        _move_position_bias(layers[0], chosen[0])
    del layers[:]
    layers.extend(chosen)
    for index, layer in enumerate(layers):
        numbered: list[Any] = [module for module in layer.modules() if getattr(module, "layer_idx", None) is not None]
        for module in numbered:
            module.layer_idx = index  # caches are addressed by this number
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = [model.config.layer_types[index] for index in kept]
    if getattr(model.config, "pruned_heads", None):
        gone = model.config.pruned_heads
        model.config.pruned_heads = {new: gone[old] for new, old in enumerate(kept) if old in gone}
    for name in _LAYER_COUNTS[part]:
        if hasattr(model.config, name):
            setattr(model.config, name, len(kept))
            break


def _recount(attention: Attention, heads: Sequence[int]) -> None:
    """Update the module's number of heads, which families keep under different names."""
    module: Any = attention.module
    removed = set(range(attention.heads)) - set(heads)
    for name in _HEADS:
        if hasattr(module, name):
            setattr(module, name, len(heads))
    for name in _HEAD_WIDTHS:
        if hasattr(module, name):
            setattr(module, name, len(heads) * attention.head_dim)
    if hasattr(module, "key_value_proj_dim") and not attention.crossing:
        module.pruned_heads = removed  # T5 adds a bias of relative positions, computed for all heads of the first layer


def _move_position_bias(old: Any, new: Any) -> None:
    """Move T5's relative positions into the layer that is now the first."""
    if new is old or not hasattr(old, "layer") or not isinstance(old.layer, nn.ModuleList):
        return
    source: Any = old.layer[0].SelfAttention
    target: Any = new.layer[0].SelfAttention
    target.relative_attention_bias = source.relative_attention_bias
    target.has_relative_attention_bias = True


def _compensate(output: nn.Linear, kept: Tensor, mean: Tensor | None) -> None:
    if mean is None or output.bias is None:
        return
    gone = torch.ones(output.in_features, dtype=torch.bool)
    gone[kept] = False
    with torch.no_grad():
        output.bias.add_((output.weight[:, gone].double() @ mean[gone].double()).to(output.bias.dtype))


def _columns(units: Sequence[int], width: int) -> Tensor:
    """The columns of whole heads, int64 [units * width]."""
    return (torch.tensor(list(units))[:, None] * width + torch.arange(width)).flatten()


def _slice_rows(linear: nn.Linear, rows: Tensor) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[rows].contiguous())
    if linear.bias is not None:
        linear.bias = nn.Parameter(linear.bias.detach()[rows].contiguous())
    linear.out_features = len(rows)


def _slice_columns(linear: nn.Linear, columns: Tensor) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[:, columns].contiguous())
    linear.in_features = len(columns)


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape that a model is cut to.

    `encoder_layers` and `decoder_layers` are the numbers of layers that stay (None: all), evenly spread or the first
    ones. `units` and `heads` are the shares of feed-forward units and attention heads that stay in each layer.
    """

    encoder_layers: int | None = None
    decoder_layers: int | None = None
    units: float = 1.0
    heads: float = 1.0
    which_layers: Which = "spread"


def cut(
    model: PreTrainedModel, shape: Shape, batches: Sequence[Batch], choice: Choice = "fluctuation"
) -> dict[int, list[int]]:
    """Cut a model to a shape, in place. Returns the heads that each layer lost (of an encoder, or of a decoder-only
    model).

    Args:
        batches: calibration text, as the model will read it.
        choice: the units and heads to remove: those with the lowest "fluctuation" (FLAP; their mean is added to the
            bias if the architecture has one), the lowest "wanda" or "magnitude" score, or "random" ones.

    Raises:
        InvalidInput: the family cannot be pruned, or cannot have this shape.
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
        batches = ()  # no statistics are needed
    removed: dict[int, list[int]] = {}
    if shape.heads < 1.0:
        removed = _cut_heads(model, shape.heads, batches, choice, generator)
    if shape.units < 1.0:
        _cut_units(model, shape.units, batches, choice, generator)
    return removed


def _check_halves(model: PreTrainedModel) -> None:
    """Check that a T5 decoder is not deeper than its encoder: transformers makes its cache as deep as the encoder."""
    halves = {part: len(layers) for part, layers in read_stacks(model).items()}
    if model.config.model_type == "t5" and halves["encoder"] < halves["decoder"]:
        raise InvalidInput(
            f"a T5 model cannot have {halves['encoder']} encoder and {halves['decoder']} decoder layers: keep at least "
            "as many encoder layers"
        )


def units_of(width: int, share: float) -> int:
    """The number of units in a share of `width`: a multiple of 32 if possible, at least one."""
    if width <= _MULTIPLE:
        return max(1, round(width * share))
    return min(width, max(_MULTIPLE, round(width * share / _MULTIPLE) * _MULTIPLE))


def evenly_spaced(layers: int, kept: int) -> tuple[int, ...]:
    """`kept` of `layers` numbers, evenly spaced, including the first and the last. A single one is the last, because
    the parts behind it were trained on its output.
    """
    if kept == 1:
        return (layers - 1,)
    return tuple(round(place * (layers - 1) / max(1, kept - 1)) for place in range(kept))


def _cut_heads(
    model: PreTrainedModel, share: float, batches: Sequence[Batch], choice: Choice, generator: torch.Generator
) -> dict[int, list[int]]:
    """Remove heads, and return those that each layer lost. As in FLAP, all blocks are observed before the first head is
    removed: T5's layers share a bias for each head and cannot run with different numbers of heads.
    """
    blocks = read_blocks(model)
    removed: dict[int, list[int]] = {}
    seen = [_inputs_of_outputs(model, block, batches) for block in blocks]
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
    model: PreTrainedModel, share: float, batches: Sequence[Batch], choice: Choice, generator: torch.Generator
) -> None:
    for block in read_blocks(model):
        feed_forward = block.feed_forward
        own = _inputs_of_outputs(model, block, batches)[id(feed_forward.output)]
        scores = _scores(feed_forward.output.weight, own, choice, generator)
        keep_units(feed_forward, _best(scores, units_of(feed_forward.width, share)), _mean(own, choice))
    set_width(model, read_blocks(model)[0].feed_forward.width)


def _inputs_of_outputs(model: PreTrainedModel, block: Block, batches: Sequence[Batch]) -> dict[int, Inputs]:
    """The statistics of a block's matrices, by the identity of the matrix."""
    inputs = observe(model, block, batches)
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
