"""PyTorch models to ONNX graphs, through optimum-onnx."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from optimum.exporters.onnx import main_export
from torch import Tensor, nn
from transformers import T5ForConditionalGeneration

from sprig_server.errors import InvalidInput


def convert_encoder(model: Path, output: Path, opset: int) -> Path:
    """Write `encoder.onnx` of a sentence encoder into the folder `output`.

    Inputs input_ids, attention_mask (and token_type_ids where the model has them), int64 [b, t]; output the last
    hidden state, float32 [b, t, d]. Pooling is left to whoever runs it, as the manifest names it.
    """
    with _quiet():
        main_export(
            str(model), output=output, task="feature-extraction", opset=opset, do_validation=False, library_name="transformers"
        )
    return (output / "model.onnx").rename(output / "encoder.onnx")


def convert_encoder_decoder(model: Path, output: Path, opset: int) -> tuple[Path, Path]:
    """Write `encoder.onnx` and `decoder.onnx` of an encoder-decoder into the folder `output`.

    The encoder's graph ends in the keys and values of every decoder layer's cross-attention, so that they are
    computed once a function. The decoder's graph is the one with past key values; with a past of length 0 it serves
    the first step too, and no weight is stored twice for it.

    Raises:
        InvalidInput: the model is not of the T5 family.
    """
    network = T5ForConditionalGeneration.from_pretrained(model, torch_dtype=torch.float32).eval()
    if network.config.model_type != "t5":
        raise InvalidInput(
            f'the model "{model}" is of type {network.config.model_type}: summaries are exported from the T5 family'
        )
    with _quiet():
        main_export(
            str(model),
            output=output,
            task="text2text-generation-with-past",
            opset=opset,
            do_validation=False,
            no_post_process=True,
        )
        _export_encoder(network, output / "encoder.onnx", opset)
    (output / "encoder_model.onnx").unlink()
    (output / "decoder_model.onnx").unlink()
    return output / "encoder.onnx", (output / "decoder_with_past_model.onnx").rename(output / "decoder.onnx")


class _EncoderWithCrossAttention(nn.Module):
    """The encoder and, on top of it, the key and value projections of the decoder's cross-attention."""

    def __init__(self, network: T5ForConditionalGeneration) -> None:
        super().__init__()
        self.encoder = network.encoder
        self.attentions = nn.ModuleList(block.layer[1].EncDecAttention for block in network.decoder.block)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]
        b = hidden.shape[0]
        projections = (projection for a in self.attentions for projection in (a.k, a.v))
        h, d = self.attentions[0].n_heads, self.attentions[0].key_value_proj_dim
        return tuple(project(hidden).view(b, -1, h, d).transpose(1, 2) for project in projections)  # [b, h, t, d]


def _export_encoder(network: T5ForConditionalGeneration, path: Path, opset: int) -> None:
    outputs = [
        f"present.{layer}.encoder.{part}" for layer in range(network.config.num_decoder_layers) for part in ("key", "value")
    ]
    axes = {name: {0: "batch_size", 1: "encoder_sequence_length"} for name in ("input_ids", "attention_mask")}
    axes |= {name: {0: "batch_size", 2: "encoder_sequence_length"} for name in outputs}
    ids = torch.ones((2, 16), dtype=torch.int64)
    torch.onnx.export(
        _EncoderWithCrossAttention(network),
        (ids, torch.ones_like(ids)),
        str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=outputs,
        dynamic_axes=axes,
        opset_version=opset,
        dynamo=False,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """The converters warn about every traced branch; what they produce is validated instead."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
