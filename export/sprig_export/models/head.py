"""The head of a sentence encoder, behind the pooling: dense layers, normalizations, truncation of dimensions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from sprig_export.models.folder import find_weights, read_settings
from sprig_export.models.projection import make_projection, projection_of
from sprig_export.models.sentences import Layer, Sentences
from sprig_server.errors import InvalidInput

_FUNCTIONS = {
    f"{function.__module__}.{function.__name__}": function
    for function in (
        nn.Identity,
        nn.Tanh,
        nn.ReLU,
        nn.GELU,
        nn.Sigmoid,
        nn.SiLU,
        nn.ELU,
        nn.LeakyReLU,
        nn.SELU,
        nn.Mish,
        nn.Softplus,
        nn.Softsign,
    )
}
_COMMUTING = ("cls", "mean", "weightedmean", "lasttoken")
"""Poolings whose weights sum to 1: a linear map before them has the same effect as one behind them."""
_DENSE_KEYS = {"in_features", "out_features", "bias", "activation_function", "module_input_name", "module_output_name"}


class Head(nn.Sequential):
    """Layers from pooled vectors [n, p] to vectors [n, d]."""


class _Normalize(nn.Module):
    def forward(self, vectors: Tensor) -> Tensor:
        return functional.normalize(vectors, dim=-1)


class _First(nn.Module):
    """The first dimensions."""

    def __init__(self, kept: int) -> None:
        super().__init__()
        self.kept = kept

    def forward(self, vectors: Tensor) -> Tensor:
        return vectors[:, : self.kept]


def may_project(pooling: str) -> bool:
    """Whether a linear map of every token's state has the same effect as a map of the pooled vector."""
    return pooling in _COMMUTING


def read_head(sentences: Sentences) -> tuple[nn.Linear | None, Head | None]:
    """The layers of a model behind its pooling. If a map of every token's state has the same effect, they become one,
    so the bundle needs no second graph.

    Raises:
        InvalidInput: a layer cannot be read or exported.
    """
    layers = [part for layer in sentences.layers for part in _read_layer(layer)]
    if sentences.dimensions is not None:
        layers.append(_First(sentences.dimensions))
    if not layers:
        return None, None
    if len(layers) == 1 and isinstance(layers[0], nn.Linear) and may_project(sentences.pooling):
        return layers[0], None
    return None, Head(*layers).eval()


def attach_head(model: PreTrainedModel, head: Head | None) -> None:
    """Attach the layers behind the pooling to an encoder. The encoder itself does not apply them."""
    if head is not None:
        model.sentence_head = head.requires_grad_(False)


def head_of(model: PreTrainedModel) -> Head | None:
    """The head that was attached to an encoder."""
    head = getattr(model, "sentence_head", None)
    return head if isinstance(head, Head) else None


def pooled_width(model: PreTrainedModel, pooling: str) -> int:
    """The length of an encoder's pooled vectors, before its head."""
    projection = projection_of(model)
    width = projection.out_features if projection is not None else int(model.config.hidden_size)
    return width * len(pooling.split("+"))


@torch.inference_mode()
def vector_width(model: PreTrainedModel, pooling: str) -> int:
    """The length of an encoder's vectors with this pooling.

    Raises:
        RuntimeError: the head is for vectors of another length.
    """
    pooled, head = pooled_width(model, pooling), head_of(model)
    return pooled if head is None else int(head(torch.zeros(1, pooled)).shape[1])


def convert_head(head: Head, width: int, output: Path, opset: int) -> Path:
    """Write `head.onnx` into the folder `output`: from "pooled", float32 [n, width], to "vectors", float32 [n, d]."""
    path = output / "head.onnx"
    torch.onnx.export(
        head,
        (torch.zeros(2, width),),
        str(path),
        input_names=["pooled"],
        output_names=["vectors"],
        dynamic_axes={"pooled": {0: "texts"}, "vectors": {0: "texts"}},
        opset_version=opset,
        dynamo=False,
    )
    return path


def _read_layer(layer: Layer) -> list[nn.Module]:
    if layer.kind == "Normalize":
        return [_Normalize()]
    settings = read_settings(layer.folder / "config.json")
    tensors = _read_tensors(layer.folder)
    try:
        if layer.kind == "LayerNorm":
            norm = nn.LayerNorm(tensors["norm.weight"].shape[0])
            norm.load_state_dict({name.removeprefix("norm."): tensor.float() for name, tensor in tensors.items()})
            return [norm]
        weight, bias = tensors["linear.weight"], tensors.get("linear.bias")
        shape = weight.shape[1], weight.shape[0], bias is not None
    except Exception as error:  # from the dictionary, and from PyTorch
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InvalidInput(f'"{layer.folder}" is not a readable layer ({reason}): fetch the model again') from None
    said = tuple(
        settings.get(name, own) for name, own in zip(("in_features", "out_features", "bias"), shape, strict=True)
    )
    if said != shape:
        raise InvalidInput(
            f'"{layer.folder}" says {said} of its size and bias, its weights are of {shape}: fetch it again'
        )
    linear = make_projection(weight, bias)
    function = _function(settings, layer.folder)
    return [linear] if isinstance(function, nn.Identity) else [linear, function]


def _function(settings: dict[str, Any], folder: Path) -> nn.Module:
    """The activation function of a dense layer; by default the hyperbolic tangent, as in sentence-transformers."""
    named = settings.get("activation_function", "torch.nn.modules.activation.Tanh")
    inside = [settings.get(name) for name in ("module_input_name", "module_output_name")]
    of_vectors = all(name in (None, "sentence_embedding") for name in inside)
    if not isinstance(named, str) or named not in _FUNCTIONS or not of_vectors:
        raise InvalidInput(
            f'"{folder}" applies {named}: only dense layers of vectors with one of these functions can be exported: '
            f"{', '.join(_FUNCTIONS)}"
        )
    unknown = sorted(settings.keys() - _DENSE_KEYS)
    if unknown:
        raise InvalidInput(f'"{folder}" has the unknown setting {unknown[0]}: take it out')
    return _FUNCTIONS[named]()


def _read_tensors(folder: Path) -> dict[str, Tensor]:
    """The weights of a module; empty if there are none."""
    files = find_weights(folder)
    try:
        if not files:
            return {}
        if files[0].suffix == ".safetensors":
            return load_file(files[0])
        return dict(torch.load(files[0], map_location="cpu", weights_only=True))
    except Exception as error:  # safetensors and pickle raise their own types
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InvalidInput(f'"{folder}" is not a readable layer ({reason}): fetch the model again') from None
