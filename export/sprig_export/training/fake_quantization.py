"""Quantization-aware training: the forward pass rounds weights and activations as the bundle will.

Gradients pass through the rounding unchanged (straight-through estimator; Bengio et al. 2013), so the weights move to
values at which rounding does little harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sprig_export.config.recipe import BLOCK, Precision

_HIGHEST = 7  # symmetric: -8 is used only by the number that sets the factor
_LEVELS = 64  # of int8 weights on either side of zero: products have 7 bits, see onnx/quantize.py


def rounded_parameters(model: nn.Module, linear_dtype: Precision = "int4") -> dict[str, Tensor]:
    """The quantized matrices of `model` by name, each connected to its parameter for gradients.

    Position embeddings, absolute or relative, are not rounded, nor is any parameter that is not a matrix.
    """
    found: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and "position" not in name and "relative" not in name:
            weights = parameter.detach()
            rounded = round_rows(weights) if linear_dtype == "int8" else round_weights(weights)
            found[name] = parameter + (rounded - weights)
    return found


@contextmanager
def used_parameters(model: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Replace parameters of a model, by name, with other tensors while it computes, wherever they are tied.

    `torch.func.functional_call` does not restore a module that has several names, such as T5's embedding.
    """
    by_parameter = {id(parameter): tensors[name] for name, parameter in model.named_parameters() if name in tensors}
    places = [
        (module._parameters, name, parameter)
        for module in model.modules()
        for name, parameter in module._parameters.items()
        if id(parameter) in by_parameter
    ]
    try:
        for parameters, name, parameter in places:
            parameters[name] = by_parameter[id(parameter)]  # type: ignore[assignment]
        yield
    finally:
        for parameters, name, parameter in places:
            parameters[name] = parameter


def round_weights(weights: Tensor) -> Tensor:
    """Weights [rows, columns] rounded to 16 levels, with a factor for each block of a row. The last block may be
    shorter.
    """
    columns = weights.shape[1]
    blocks = functional.pad(weights, (0, -columns % BLOCK)).reshape(len(weights), -1, BLOCK)
    largest = blocks.gather(2, blocks.abs().argmax(dim=2, keepdim=True))
    factors = largest / -8  # the number with the largest magnitude becomes -8, so all 16 levels are used
    safe = torch.where(factors == 0, torch.ones_like(factors), factors)
    return (torch.clamp(torch.round(blocks / safe), -8, _HIGHEST) * factors).reshape(len(weights), -1)[:, :columns]


def round_rows(weights: Tensor) -> Tensor:
    """Weights [outputs, inputs] rounded as in int8 matrix products, with a factor for each output."""
    factors = weights.abs().amax(dim=1, keepdim=True) / _LEVELS
    safe = torch.where(factors == 0, torch.ones_like(factors), factors)
    return torch.round(weights / safe) * factors


def round_activations(states: Tensor) -> Tensor:
    """States of any shape rounded as in int8 matrix products: 256 levels from the smallest to the largest value,
    including zero.
    """
    low, high = states.amin().clamp(max=0.0).float(), states.amax().clamp(min=0.0).float()
    factor = ((high - low) / 255).clamp(min=1e-12)
    zero = torch.round(-low / factor)
    return ((torch.clamp(torch.round(states / factor) + zero, 0, 255) - zero) * factor).to(states.dtype)


@contextmanager
def rounded_activations(model: nn.Module) -> Iterator[None]:
    """Make the linear layers of `model` read rounded states."""

    def round_inputs(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        states = inputs[0]
        return states + (round_activations(states.detach()) - states.detach()), *inputs[1:]

    hooks = [layer.register_forward_pre_hook(round_inputs) for layer in model.modules() if isinstance(layer, nn.Linear)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
