"""What the exporter must know of each family of models that write summaries: one table entry a family."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from sprig_export.checkpoints import DECODER_ONLY
from sprig_export.generation import read_generation
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
    cross_attention: Callable[[PreTrainedModel], Iterator[tuple[nn.Module, nn.Module]]] | None = None
    """None for a decoder-only family."""


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


_UNUSED = ("pooler.",)  # what a model of sentences does without

_FAMILIES = {
    "t5": _Family(lambda c: DecoderShape(c.num_decoder_layers, c.num_heads, c.d_kv), _t5_cross_attention),
    "bart": _Family(
        lambda c: DecoderShape(c.decoder_layers, c.decoder_attention_heads, c.d_model // c.decoder_attention_heads),
        _bart_cross_attention,
    ),
    "llama": _Family(_grouped_shape),
    "qwen2": _Family(_grouped_shape),
    "gemma": _Family(_grouped_shape),
    "gpt2": _Family(lambda c: DecoderShape(c.n_layer, c.n_head, c.n_embd // c.n_head)),
}


def load_summarizer(folder: Path, attention: str | None = None) -> PreTrainedModel:
    """An encoder-decoder or a decoder-only model in float32, in evaluation mode; `attention` as transformers names it.

    Its `generation_config` has what its settings say of the tokens that it may write, and nothing of how to search.

    Raises:
        InvalidInput: the model is of another kind or of a family that is not known, or has a setting that cannot be
            honoured.
    """
    family = AutoConfig.from_pretrained(folder).model_type
    if family not in _FAMILIES:
        raise InvalidInput(
            f'the model "{folder}" is of the family {family}: summaries are exported from {", ".join(_FAMILIES)}'
        )
    generation = read_generation(folder)
    model = load_whole(AutoModelForCausalLM if family in DECODER_ONLY else AutoModelForSeq2SeqLM, folder, attention)
    model.generation_config = generation.settings(model.config.pad_token_id)
    if generation.start is not None:
        model.config.decoder_start_token_id = generation.start
    size = model.get_input_embeddings().weight.shape[0]
    if generation.highest >= size:
        raise InvalidInput(
            f'the settings of the model "{folder}" name the token {generation.highest}, and it has {size} embeddings: '
            "fetch it again"
        )
    return model


def load_whole(kind: Any, folder: Path, attention: str | None = None) -> PreTrainedModel:
    """A model in float32, in evaluation mode, all of whose weights come from its folder.

    Args:
        kind: the class of transformers that loads it, such as `AutoModel`.

    Raises:
        InvalidInput: weights are missing, which transformers would draw at random, or are no numbers.
    """
    disable_progress_bar()  # a bar for each set of shards, each time a model is loaded
    options = {"torch_dtype": torch.float32, "attn_implementation": attention, "output_loading_info": True}
    model, found = kind.from_pretrained(folder, **options)
    missing = sorted(name for name in found["missing_keys"] if not name.startswith(_UNUSED))
    if missing:
        raise InvalidInput(
            f'the model "{folder}" has no weights for {missing[0]} ({len(missing)} in all), which its config.json asks '
            "for: fetch it again"
        )
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise InvalidInput(
                f'the weights {name} of the model "{folder}" hold values that are no finite numbers: fetch it again'
            )
    return cast("PreTrainedModel", model.eval())


def decoder_shape(model: PreTrainedModel) -> DecoderShape:
    """The shape of a model's decoder cache."""
    return _FAMILIES[model.config.model_type].shape(model.config)


def cross_attention(model: PreTrainedModel) -> list[tuple[nn.Module, nn.Module]]:
    """The key and value projections of each decoder layer's cross-attention: [b, t, d] to [b, t, heads * head_dim]."""
    find = _FAMILIES[model.config.model_type].cross_attention
    return [] if find is None else list(find(model))
