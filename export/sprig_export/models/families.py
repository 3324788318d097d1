"""The supported model families in one table: where each keeps its layers, heads, units and cache.

A family is a `model_type` of transformers. To support another one, add an entry to `FAMILIES`. The converter, the
pruner and the analysis read everything from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn
from transformers import PreTrainedModel

from sprig_server.errors import InvalidInput

Part = Literal["encoder", "decoder"]


@dataclass(frozen=True, slots=True)
class Attention:
    """One attention of a block.

    `inputs` are the projections of queries, keys and values, or one projection for all three. `output` reads the
    concatenated results of `heads` heads, `head_dim` columns each. If several heads share keys and values (there are
    `groups` of them), whole groups are removed.
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
class DecoderShape:
    """The cache of a decoder: float32 [batch, heads, length, head_dim], a key and a value for each layer."""

    layers: int
    heads: int
    head_dim: int


@dataclass(frozen=True, slots=True)
class Family:
    """The structure of the models of a family.

    Attributes:
        stacks: the layers of the encoder and of the decoder, by part.
        attentions: of a layer, its own first.
        feed_forward: of a layer.
        widths: the configuration's name for the number of feed-forward units.
        embeddings: the name of the module, in the encoder or in a decoder-only model, whose output enters layer 1.
        last: the name of the module whose output is the last hidden state, if that is not the last layer's.
        decoder: the shape of the decoder's cache, from the configuration; None for a family that only encodes.
        cross_attention: the key and value projections of each decoder layer's cross-attention; None without one.
        prunes_heads: whether the configuration can say that some layers have fewer heads.
        adapters: whether adapters are trained for it.
    """

    stacks: Callable[[Any], dict[Part, nn.ModuleList]]
    attentions: Callable[[Any], tuple[Attention, ...]]
    feed_forward: Callable[[Any], FeedForward]
    widths: tuple[str, ...]
    embeddings: str
    last: str = ""
    decoder: Callable[[Any], DecoderShape] | None = None
    cross_attention: Callable[[PreTrainedModel], Iterator[tuple[nn.Module, nn.Module]]] | None = None
    prunes_heads: bool = False
    adapters: bool = False


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


def _t5_cross_attention(model: PreTrainedModel) -> Iterator[tuple[nn.Module, nn.Module]]:
    for block in model.decoder.block:
        yield block.layer[1].EncDecAttention.k, block.layer[1].EncDecAttention.v


def _bart_cross_attention(model: PreTrainedModel) -> Iterator[tuple[nn.Module, nn.Module]]:
    for layer in model.get_decoder().layers:
        yield layer.encoder_attn.k_proj, layer.encoder_attn.v_proj


def _grouped_shape(config: Any) -> DecoderShape:
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    return DecoderShape(config.num_hidden_layers, getattr(config, "num_key_value_heads", None) or heads, head_dim)


_BERT = Family(
    stacks=lambda model: {"encoder": getattr(model, model.base_model_prefix, model).encoder.layer},
    attentions=_bert_attentions,
    feed_forward=lambda layer: FeedForward((layer.intermediate.dense,), layer.output.dense),
    widths=("intermediate_size",),
    embeddings="embeddings",
    prunes_heads=True,
)
_LLAMA = Family(
    stacks=lambda model: {"decoder": getattr(model, "model", model).layers},
    attentions=_llama_attentions,
    feed_forward=lambda layer: FeedForward((layer.mlp.gate_proj, layer.mlp.up_proj), layer.mlp.down_proj),
    widths=("intermediate_size",),
    embeddings="embed_tokens",
    last="norm",
    decoder=_grouped_shape,
    adapters=True,
)

FAMILIES: dict[str, Family] = {
    "bert": _BERT,
    "roberta": _BERT,
    "bart": Family(
        stacks=lambda model: {"encoder": model.get_encoder().layers, "decoder": model.get_decoder().layers},
        attentions=_bart_attentions,
        feed_forward=lambda layer: FeedForward((layer.fc1,), layer.fc2),
        widths=("encoder_ffn_dim", "decoder_ffn_dim"),
        embeddings="layernorm_embedding",
        decoder=lambda c: DecoderShape(
            c.decoder_layers, c.decoder_attention_heads, c.d_model // c.decoder_attention_heads
        ),
        cross_attention=_bart_cross_attention,
    ),
    "t5": Family(
        stacks=lambda model: {"encoder": model.encoder.block, "decoder": model.decoder.block},
        attentions=_t5_attentions,
        feed_forward=_t5_feed_forward,
        widths=("d_ff",),
        embeddings="embed_tokens",
        last="final_layer_norm",
        decoder=lambda c: DecoderShape(c.num_decoder_layers, c.num_heads, c.d_kv),
        cross_attention=_t5_cross_attention,
    ),
    "llama": _LLAMA,
    "qwen2": _LLAMA,
    "gemma": _LLAMA,
    "gpt2": Family(
        stacks=lambda model: {"decoder": getattr(model, "transformer", model).h},
        attentions=_gpt2_attentions,
        feed_forward=lambda layer: FeedForward((layer.mlp.c_fc,), layer.mlp.c_proj),
        widths=("n_inner",),
        embeddings="drop",
        last="ln_f",
        decoder=lambda c: DecoderShape(c.n_layer, c.n_head, c.n_embd // c.n_head),
    ),
}

SUMMARIZERS = tuple(name for name, family in FAMILIES.items() if family.decoder is not None)
"""The families that write summaries."""
DECODER_ONLY = tuple(name for name in SUMMARIZERS if FAMILIES[name].cross_attention is None)
"""The families that write by continuing a prompt."""


def find_family(name: str, done: str) -> Family:
    """The family with this name.

    Args:
        done: what should be done with the model, for the message, as in "pruned".

    Raises:
        InvalidInput: the family is not in the table.
    """
    if name not in FAMILIES:
        raise unsupported(name, done, FAMILIES)
    return FAMILIES[name]


def unsupported(family: str, done: str, families: Iterable[str]) -> InvalidInput:
    """The error for a model whose family does not support an operation."""
    return InvalidInput(f"models of the family {family} cannot be {done}: only {', '.join(sorted(families))} can")


def decoder_shape(model: PreTrainedModel) -> DecoderShape:
    """The shape of the cache of a model that writes."""
    shape = FAMILIES[model.config.model_type].decoder
    if shape is None:
        raise unsupported(model.config.model_type, "asked for sentences", SUMMARIZERS)
    return shape(model.config)


def cross_attention(model: PreTrainedModel) -> list[tuple[nn.Module, nn.Module]]:
    """The key and value projections of each decoder layer's cross-attention: [b, t, d] to [b, t, heads * head_dim]."""
    find = FAMILIES[model.config.model_type].cross_attention
    return [] if find is None else list(find(model))
