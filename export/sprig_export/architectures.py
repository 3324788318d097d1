"""What the exporter must know of each family of encoder-decoders: one table entry a family."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSeq2SeqLM, PreTrainedModel

from sprig_server.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """The cache of a decoder: float32 [batch, heads, length, head_dim], a key and a value for each layer."""

    layers: int
    heads: int
    head_dim: int


@dataclass(frozen=True, slots=True)
class _Family:
    shape: Callable[[Any], DecoderShape]
    cross_attention: Callable[[PreTrainedModel], Iterator[tuple[nn.Module, nn.Module]]]


def _t5_cross_attention(model: PreTrainedModel) -> Iterator[tuple[nn.Module, nn.Module]]:
    for block in model.decoder.block:
        yield block.layer[1].EncDecAttention.k, block.layer[1].EncDecAttention.v


def _bart_cross_attention(model: PreTrainedModel) -> Iterator[tuple[nn.Module, nn.Module]]:
    for layer in model.get_decoder().layers:
        yield layer.encoder_attn.k_proj, layer.encoder_attn.v_proj


_FAMILIES = {
    "t5": _Family(lambda c: DecoderShape(c.num_decoder_layers, c.num_heads, c.d_kv), _t5_cross_attention),
    "bart": _Family(
        lambda c: DecoderShape(c.decoder_layers, c.decoder_attention_heads, c.d_model // c.decoder_attention_heads),
        _bart_cross_attention,
    ),
}


def load_encoder_decoder(folder: Path) -> PreTrainedModel:
    """An encoder-decoder in float32, in evaluation mode.

    Raises:
        InvalidInput: the model is of another kind or of a family that is not known.
    """
    family = AutoConfig.from_pretrained(folder).model_type
    if family not in _FAMILIES:
        raise InvalidInput(
            f'the model "{folder}" is of the family {family}: summaries are exported from {" and ".join(_FAMILIES)}'
        )
    return AutoModelForSeq2SeqLM.from_pretrained(folder, torch_dtype=torch.float32).eval()


def decoder_shape(model: PreTrainedModel) -> DecoderShape:
    """The shape of a model's decoder cache."""
    return _FAMILIES[model.config.model_type].shape(model.config)


def cross_attention(model: PreTrainedModel) -> list[tuple[nn.Module, nn.Module]]:
    """The key and value projections of each decoder layer's cross-attention: [b, t, d] to [b, t, heads * head_dim]."""
    return list(_FAMILIES[model.config.model_type].cross_attention(model))
