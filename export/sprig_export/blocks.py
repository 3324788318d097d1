"""A transformer as a list of blocks: where its attention heads, feed-forward units and matrices are.

Pruning reads and cuts models through this view alone, so that a family of models is one entry of a table here. Linear
layers are `nn.Linear`, weights [outputs, inputs]; GPT-2's transposed `Conv1D` are replaced when the view is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from sprig_export.checkpoints import unsupported

Part = Literal["encoder", "decoder"]


@dataclass(frozen=True, slots=True)
class Attention:
    """One attention of a block.

    `inputs` are the projections of queries, keys and values, or one that holds all three; `output` reads the heads'
    results side by side, `head_dim` columns for each of `heads` heads. Where several heads share keys and values
    (`groups` of them), a group is the unit that can be removed.
    """

    module: nn.Module
    inputs: tuple[nn.Linear, ...]
    output: nn.Linear
    heads: int
    groups: int
    head_dim: int
    crossing: bool = False
    """Whether its keys and values come from the encoder."""


@dataclass(frozen=True, slots=True)
class FeedForward:
    """The feed-forward part of a block: unit k is row k of every one of `inputs` and column k of `output`."""

    inputs: tuple[nn.Linear, ...]
    output: nn.Linear

    @property
    def width(self) -> int:
        """Units."""
        return self.output.in_features


@dataclass(frozen=True, slots=True)
class Block:
    """One layer of a model."""

    part: Part
    index: int
    module: nn.Module
    attentions: tuple[Attention, ...]
    feed_forward: FeedForward

    @property
    def name(self) -> str:
        """As in "encoder.3"."""
        return f"{self.part}.{self.index}"

    @property
    def reads_source(self) -> frozenset[str]:
        """The matrices whose inputs are the encoder's outputs, not this half's own positions."""
        crossing = {id(linear) for found in self.attentions if found.crossing for linear in found.inputs[1:]}
        return frozenset(name for name, linear in self.linears().items() if id(linear) in crossing)

    def linears(self) -> dict[str, nn.Linear]:
        """Every matrix of the block by its name within it, in the order of computation."""
        return {name: module for name, module in self.module.named_modules() if isinstance(module, nn.Linear)}


@dataclass(frozen=True, slots=True)
class _Family:
    """How a family names its parts: modules of the model, and of a layer."""

    stacks: Callable[[Any], dict[Part, nn.ModuleList]]
    attentions: Callable[[Any], tuple[Attention, ...]]
    feed_forward: Callable[[Any], FeedForward]
    widths: tuple[str, ...]
    """What its configuration calls the number of feed-forward units."""


def is_known(model: PreTrainedModel) -> bool:
    """Whether a model is of a family that can be looked at block by block."""
    return model.config.model_type in _FAMILIES


def read_blocks(model: PreTrainedModel) -> list[Block]:
    """The blocks of a model, those of the encoder first; GPT-2's layers become `nn.Linear`, in place.

    Raises:
        InvalidInput: the model is of no family that can be pruned.
    """
    family = _family(model)
    _replace_conv1d(model)
    return [
        Block(part, index, layer, family.attentions(layer), family.feed_forward(layer))
        for part, layers in family.stacks(model).items()
        for index, layer in enumerate(layers)
    ]


def read_stacks(model: PreTrainedModel) -> dict[Part, nn.ModuleList]:
    """The layers of a model's encoder and decoder, as the model itself holds them.

    Raises:
        InvalidInput: the model is of no family that can be pruned.
    """
    return _family(model).stacks(model)


def set_width(model: PreTrainedModel, units: int) -> None:
    """Note in a model's configuration how many feed-forward units each layer has, so that it can be loaded again."""
    for name in _FAMILIES[model.config.model_type].widths:
        setattr(model.config, name, units)


def _family(model: PreTrainedModel) -> _Family:
    family = _FAMILIES.get(model.config.model_type)
    if family is None:
        raise unsupported(model.config.model_type, "pruned", _FAMILIES)
    return family


def can_lose_heads(model: PreTrainedModel) -> bool:
    """Whether a model with fewer heads in some layers can be saved."""
    return _FAMILIES.get(model.config.model_type) is _BERT


def note_removed_heads(model: PreTrainedModel, removed: dict[int, list[int]]) -> None:
    """Note in a model's configuration which heads each layer lost now, so that it can be loaded again.

    Args:
        removed: by layer, numbers among the heads that it had until now.

    Raises:
        InvalidInput: a family whose configuration has no room for it.
    """
    if not can_lose_heads(model):
        raise unsupported(model.config.model_type, "saved with fewer heads", ("bert", "roberta"))
    gone: dict[int, list[int]] = {layer: list(heads) for layer, heads in (model.config.pruned_heads or {}).items()}
    for layer, heads in removed.items():
        own = gone.get(layer, [])
        left = [head for head in range(model.config.num_attention_heads) if head not in own]
        gone[layer] = sorted([*own, *(left[head] for head in heads)])
    model.config.pruned_heads = gone


def _bert_attentions(layer: Any) -> tuple[Attention, ...]:
    own = layer.attention.self
    inputs = (own.query, own.key, own.value)
    heads = own.num_attention_heads
    return (Attention(own, inputs, layer.attention.output.dense, heads, heads, own.attention_head_size),)


def _bart_attentions(layer: Any) -> tuple[Attention, ...]:
    found = [layer.self_attn, *([layer.encoder_attn] if hasattr(layer, "encoder_attn") else [])]
    return tuple(
        Attention(a, (a.q_proj, a.k_proj, a.v_proj), a.out_proj, a.num_heads, a.num_heads, a.head_dim, index == 1)
        for index, a in enumerate(found)
    )


def _t5_attentions(layer: Any) -> tuple[Attention, ...]:
    found = [
        part.SelfAttention if hasattr(part, "SelfAttention") else part.EncDecAttention for part in layer.layer[:-1]
    ]
    return tuple(
        Attention(a, (a.q, a.k, a.v), a.o, a.n_heads, a.n_heads, a.key_value_proj_dim, index == 1)
        for index, a in enumerate(found)
    )


def _llama_attentions(layer: Any) -> tuple[Attention, ...]:
    own = layer.self_attn
    groups = own.k_proj.out_features // own.head_dim
    heads = own.q_proj.out_features // own.head_dim
    return (Attention(own, (own.q_proj, own.k_proj, own.v_proj), own.o_proj, heads, groups, own.head_dim),)


def _gpt2_attentions(layer: Any) -> tuple[Attention, ...]:
    own = layer.attn
    heads = own.c_proj.in_features // own.head_dim
    return (Attention(own, (own.c_attn,), own.c_proj, heads, heads, own.head_dim),)


def _t5_feed_forward(layer: Any) -> FeedForward:
    dense = layer.layer[-1].DenseReluDense
    return FeedForward((dense.wi_0, dense.wi_1) if hasattr(dense, "wi_0") else (dense.wi,), dense.wo)


_BERT = _Family(
    lambda model: {"encoder": getattr(model, model.base_model_prefix, model).encoder.layer},
    _bert_attentions,
    lambda layer: FeedForward((layer.intermediate.dense,), layer.output.dense),
    ("intermediate_size",),
)
_LLAMA = _Family(
    lambda model: {"decoder": getattr(model, "model", model).layers},
    _llama_attentions,
    lambda layer: FeedForward((layer.mlp.gate_proj, layer.mlp.up_proj), layer.mlp.down_proj),
    ("intermediate_size",),
)
_FAMILIES: dict[str, _Family] = {
    "bert": _BERT,
    "roberta": _BERT,
    "bart": _Family(
        lambda model: {"encoder": model.get_encoder().layers, "decoder": model.get_decoder().layers},
        _bart_attentions,
        lambda layer: FeedForward((layer.fc1,), layer.fc2),
        ("encoder_ffn_dim", "decoder_ffn_dim"),
    ),
    "t5": _Family(
        lambda model: {"encoder": model.encoder.block, "decoder": model.decoder.block},
        _t5_attentions,
        _t5_feed_forward,
        ("d_ff",),
    ),
    "llama": _LLAMA,
    "qwen2": _LLAMA,
    "gemma": _LLAMA,
    "gpt2": _Family(
        lambda model: {"decoder": getattr(model, "transformer", model).h},
        _gpt2_attentions,
        lambda layer: FeedForward((layer.mlp.c_fc,), layer.mlp.c_proj),
        ("n_inner",),
    ),
}


def _replace_conv1d(model: nn.Module) -> None:
    for name, child in list(_conv1d(model)):
        parent = model.get_submodule(name.rpartition(".")[0])
        linear = nn.Linear(*child.weight.shape)
        linear.weight = nn.Parameter(child.weight.detach().T.contiguous())
        linear.bias = nn.Parameter(child.bias.detach())
        setattr(parent, name.rpartition(".")[2], linear)


def restore_conv1d(model: PreTrainedModel) -> None:
    """Give a GPT-2 its own kind of layers back, in place, so that it can be saved and loaded as one."""
    if model.config.model_type != "gpt2":
        return
    for block in read_blocks(model):
        for name, linear in block.linears().items():
            own = Conv1D(linear.out_features, linear.in_features)
            own.weight = nn.Parameter(linear.weight.detach().T.contiguous())
            own.bias = nn.Parameter(linear.bias.detach())
            block.module.set_submodule(name, own)


def _conv1d(model: nn.Module) -> Iterator[tuple[str, Conv1D]]:
    return ((name, module) for name, module in model.named_modules() if isinstance(module, Conv1D))
