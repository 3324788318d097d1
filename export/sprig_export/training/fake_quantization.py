"""Training for fewer bits: the forward pass sees weights and activations rounded as the bundle will round them.

Gradients pass the rounding unchanged (straight-through; Bengio et al. 2013), so the weights settle where rounding
does little harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sprig_export.config.recipe import BLOCK, Precision

_HIGHEST = 7  # symmetric: -8 goes unused but for the one number that sets the factor
_LEVELS = 64  # of int8 weights on either side of zero: products have 7 bits, see onnx/quantize.py


def rounded_parameters(model: nn.Module, linear_dtype: Precision = "int4") -> dict[str, Tensor]:
    """The matrices of `model` by name as weights of fewer bits see them, each connected to its parameter for gradients.

    Embeddings of positions, absolute or relative, stay as they are; so does what is no matrix.
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
    """Let a model compute with other tensors than its parameters of these names, wherever these are tied to.

    `torch.func.functional_call` does not find its way back where one module has several names, as T5's embedding has.
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
    """Weights [rows, columns] rounded to 16 levels, one factor for each block of a row, of which the last may be
    shorter."""
    columns = weights.shape[1]
    blocks = functional.pad(weights, (0, -columns % BLOCK)).reshape(len(weights), -1, BLOCK)
    largest = blocks.gather(2, blocks.abs().argmax(dim=2, keepdim=True))
    factors = largest / -8  # the number of the largest magnitude becomes -8, so that all 16 levels are used
    safe = torch.where(factors == 0, torch.ones_like(factors), factors)
    return (torch.clamp(torch.round(blocks / safe), -8, _HIGHEST) * factors).reshape(len(weights), -1)[:, :columns]


def round_rows(weights: Tensor) -> Tensor:
    """Weights [outputs, inputs] rounded as int8 products have them, one factor for each output."""
    factors = weights.abs().amax(dim=1, keepdim=True) / _LEVELS
    safe = torch.where(factors == 0, torch.ones_like(factors), factors)
    return torch.round(weights / safe) * factors


def round_activations(states: Tensor) -> Tensor:
    """States of any shape rounded as int8 products see them: 256 levels from the least to the largest, zero one of
    them."""
    low, high = states.amin().clamp(max=0.0).float(), states.amax().clamp(min=0.0).float()
    factor = ((high - low) / 255).clamp(min=1e-12)
    zero = torch.round(-low / factor)
    return ((torch.clamp(torch.round(states / factor) + zero, 0, 255) - zero) * factor).to(states.dtype)


@contextmanager
def rounded_activations(model: nn.Module) -> Iterator[None]:
    """Let the linear layers of `model` read rounded states."""

    def round_inputs(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        states = inputs[0]
        return states + (round_activations(states.detach()) - states.detach()), *inputs[1:]

    hooks = [layer.register_forward_pre_hook(round_inputs) for layer in model.modules() if isinstance(layer, nn.Linear)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
