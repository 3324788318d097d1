"""Converting PyTorch models to ONNX graphs with optimum-onnx."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from optimum.exporters.onnx import main_export
from optimum.exporters.tasks import TasksManager
from torch import Tensor, nn
from transformers import PreTrainedModel

from sprig_export.models.checkpoints import Checkpoint
from sprig_export.models.families import cross_attention, decoder_shape
from sprig_export.models.loading import load_summarizer
from sprig_server.errors import InvalidInput


def check_convertible(checkpoint: Checkpoint) -> None:
    """Refuse a sentence encoder that cannot become a graph, before long work is done with it.

    Raises:
        InvalidInput: its family is one that the converter does not know.
    """
    family = str(checkpoint.config.get("model_type"))
    try:
        known = "feature-extraction" in TasksManager.get_supported_tasks_for_model_type(
            family, "onnx", library_name="transformers"
        )
    except KeyError:
        known = False
    if not known:
        raise InvalidInput(
            f'the model "{checkpoint.name}" is of the family {family}, which optimum-onnx cannot convert: give an '
            "encoder of another family, such as bert or roberta"
        )


def convert_encoder(model: Path, output: Path, opset: int, projection: nn.Linear | None = None) -> Path:
    """Write `encoder.onnx` of a sentence encoder into the folder `output`.

    Inputs: input_ids and attention_mask (and token_type_ids if the model has them), int64 [b, t]. Output: the last
    hidden state, float32 [b, t, d], after the projection if there is one. The graph does not pool; the manifest names
    the pooling.
    """
    with _quiet():
        main_export(
            str(model),
            output=output,
            task="feature-extraction",
            opset=opset,
            do_validation=False,
            library_name="transformers",
        )
    path = (output / "model.onnx").rename(output / "encoder.onnx")
    if projection is not None:
        _append(projection, path)
    return path


def convert_encoder_decoder(model: Path, output: Path, opset: int) -> tuple[Path, Path]:
    """Write `encoder.onnx` and `decoder.onnx` of an encoder-decoder into the folder `output`.

    The encoder's graph ends in the keys and values of every decoder layer's cross-attention, so they are computed once
    for each function. The decoder's graph is the one with past key values. With a past of length 0 it also serves the
    first step, so no weights are stored twice.

    Raises:
        InvalidInput: the model is of an unknown family.
    """
    network = load_summarizer(model)
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


def convert_decoder_only(model: Path, output: Path, opset: int) -> Path:
    """Write `decoder.onnx` of a decoder-only model into the folder `output`.

    Inputs: input_ids and position_ids (if the family reads them), int64 [b, s], attention_mask, int64 [b, past + s],
    and the past keys and values, float32 [b, heads, past, head_dim]. Outputs: logits, float32 [b, s, v], and the
    present keys and values. A past of length 0 is used for the prompt.
    """
    with _quiet():
        main_export(
            str(model),
            output=output,
            task="text-generation-with-past",
            opset=opset,
            do_validation=False,
            library_name="transformers",
        )
    path = (output / "model.onnx").rename(output / "decoder.onnx")
    _fold_transposes(path)
    return path


def _fold_transposes(path: Path) -> None:
    """Store the weights that a graph transposes first as they are multiplied: quantizers see only those.

    An output projection that is tied to the embedding is exported as its transpose.
    """
    model = onnx.load(path)
    graph, weights = model.graph, {tensor.name: tensor for tensor in model.graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Transpose" and node.input[0] in weights]:
        order = next((list(attribute.ints) for attribute in node.attribute if attribute.name == "perm"), None)
        array = np.ascontiguousarray(np.transpose(numpy_helper.to_array(weights[node.input[0]]), order))
        graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        graph.node.remove(node)
    onnx.save(model, path)


class _EncoderWithCrossAttention(nn.Module):
    """The encoder, followed by the key and value projections of the decoder's cross-attention."""

    def __init__(self, network: PreTrainedModel) -> None:
        super().__init__()
        self.encoder = network.get_encoder()
        self.projections = nn.ModuleList(p for pair in cross_attention(network) for p in pair)
        self.shape = decoder_shape(network)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]
        b, h, d = hidden.shape[0], self.shape.heads, self.shape.head_dim
        return tuple(p(hidden).view(b, -1, h, d).transpose(1, 2) for p in self.projections)  # [b, h, t, d]


def _export_encoder(network: PreTrainedModel, path: Path, opset: int) -> None:
    layers = decoder_shape(network).layers
    outputs = [f"present.{layer}.encoder.{part}" for layer in range(layers) for part in ("key", "value")]
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


def _append(projection: nn.Linear, path: Path) -> None:
    """Append a linear map to a graph's only output."""
    model = onnx.load(path)
    graph, (output,) = model.graph, model.graph.output
    whole, name = f"{output.name}_whole", output.name
    for node in graph.node:
        node.output[:] = [whole if made == name else made for made in node.output]
        node.input[:] = [whole if read == name else read for read in node.input]
    tensors = {"weight": projection.weight.T, "bias": projection.bias}
    for part, tensor in tensors.items():
        if tensor is not None:
            array = tensor.detach().contiguous().numpy()
            graph.initializer.append(numpy_helper.from_array(array, f"projection_{part}"))
    product = name if projection.bias is None else f"{name}_product"
    graph.node.append(helper.make_node("MatMul", [whole, "projection_weight"], [product], name="/projection/MatMul"))
    if projection.bias is not None:
        graph.node.append(helper.make_node("Add", [product, "projection_bias"], [name], name="/projection/Add"))
    output.type.tensor_type.shape.dim[2].dim_value = projection.out_features
    onnx.save(model, path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the converters' warnings about every traced branch. Their output is validated instead."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
