"""Taking parts out of a model for good: feed-forward units, attention heads, layers. What is left is a smaller model.

This is where speed comes from: a matrix of half the width is computed in half the time, one with half of its weights
zeroed in the same time. Removed inputs can leave their mean behind in the bias of the matrix that read them (FLAP).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sprig_export.blocks import Attention, FeedForward, Part, read_stacks
from sprig_server.errors import InvalidInput

_HEADS = ("num_attention_heads", "num_heads", "n_heads")
_HEAD_WIDTHS = ("all_head_size", "inner_dim", "split_size")
_LAYER_COUNTS: dict[Part, tuple[str, ...]] = {
    "encoder": ("encoder_layers", "num_layers", "num_hidden_layers"),
    "decoder": ("decoder_layers", "num_decoder_layers", "num_hidden_layers", "n_layer"),
}


def keep_units(feed_forward: FeedForward, kept: Tensor, mean: Tensor | None = None) -> None:
    """Leave only some units of a feed-forward part, in place.

    Args:
        kept: their numbers, int64, ascending, at least one.
        mean: what each unit's value is on average, [units]: the removed ones leave it in the output's bias, where the
            architecture has one.
    """
    _compensate(feed_forward.output, kept, mean)
    for linear in feed_forward.inputs:
        _slice_rows(linear, kept)
    _slice_columns(feed_forward.output, kept)


def keep_heads(attention: Attention, kept: Sequence[int], mean: Tensor | None = None) -> None:
    """Leave only some heads of an attention, in place; of heads that share keys and values, whole groups.

    Args:
        kept: numbers of groups (of heads, where each has its own keys and values), ascending, at least one.
        mean: the mean input of the attention's output matrix, [heads * head_dim], as `keep_units` takes it.
    """
    per_group, width = attention.heads // attention.groups, attention.head_dim
    heads = [group * per_group + place for group in kept for place in range(per_group)]
    of_heads, of_groups = _columns(heads, width), _columns(kept, width)
    _compensate(attention.output, of_heads, mean)
    if len(attention.inputs) == 1:  # queries, keys and values one below the other in one matrix
        whole = attention.heads * width
        _slice_rows(attention.inputs[0], torch.cat([of_heads + part * whole for part in range(3)]))
    else:
        for linear, rows in zip(attention.inputs, (of_heads, of_groups, of_groups), strict=True):
            _slice_rows(linear, rows)
    _slice_columns(attention.output, of_heads)
    _recount(attention, heads)


def keep_layers(model: PreTrainedModel, part: Part, kept: Sequence[int]) -> None:
    """Leave only some layers of a model's encoder or decoder, in place.

    Args:
        kept: their numbers, ascending; with none, an encoder gives its embeddings.

    Raises:
        InvalidInput: a layer that the model does not have.
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
    """Tell the module how many heads it has: the families count them under different names."""
    module: Any = attention.module
    removed = set(range(attention.heads)) - set(heads)
    for name in _HEADS:
        if hasattr(module, name):
            setattr(module, name, len(heads))
    for name in _HEAD_WIDTHS:
        if hasattr(module, name):
            setattr(module, name, len(heads) * attention.head_dim)
    if hasattr(module, "key_value_proj_dim") and not attention.crossing:
        module.pruned_heads = removed  # T5 adds a bias of relative positions, made for all heads of the first layer


def _move_position_bias(old: Any, new: Any) -> None:
    """T5 holds its relative positions in the first layer, whichever that is."""
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
    """The places of whole heads, int64 [units * width]."""
    return (torch.tensor(list(units))[:, None] * width + torch.arange(width)).flatten()


def _slice_rows(linear: nn.Linear, rows: Tensor) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[rows].contiguous())
    if linear.bias is not None:
        linear.bias = nn.Parameter(linear.bias.detach()[rows].contiguous())
    linear.out_features = len(rows)


def _slice_columns(linear: nn.Linear, columns: Tensor) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[:, columns].contiguous())
    linear.in_features = len(columns)
