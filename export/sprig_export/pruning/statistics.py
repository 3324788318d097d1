"""Statistics of the inputs of a model's matrices on calibration text, streamed and without padding.

There is one forward pass for each block, because Wanda needs the statistics of a block after the blocks below it are
pruned. Starting each pass at the beginning costs little with a dozen blocks, and does not depend on how a family calls
its layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sprig_export.models.blocks import Block
from sprig_export.training.batches import Batch


@dataclass(slots=True)
class Inputs:
    """Sums over the calibration tokens of a matrix's inputs, float64: of x [d], of x² [d] and, on request, of x xᵀ [d,
    d].
    """

    width: int
    second_moments: bool = False
    tokens: int = 0
    total: Tensor = field(init=False)
    squares: Tensor = field(init=False)
    outer_products: Tensor | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.total = torch.zeros(self.width, dtype=torch.float64)
        self.squares = torch.zeros(self.width, dtype=torch.float64)
        if self.second_moments:
            self.outer_products = torch.zeros(self.width, self.width, dtype=torch.float64)

    def add(self, inputs: Tensor) -> None:
        """Add the inputs of more tokens, [n, d]."""
        wide = inputs.detach().double()
        self.tokens += len(wide)
        self.total += wide.sum(dim=0)
        self.squares += wide.square().sum(dim=0)
        if self.outer_products is not None:
            self.outer_products += (inputs.T @ inputs).double()

    @property
    def mean(self) -> Tensor:
        """The mean input, float64 [d]."""
        return self.total / max(1, self.tokens)

    @property
    def variance(self) -> Tensor:
        """The variance of each input, float64 [d]."""
        return (self.squares / max(1, self.tokens) - self.mean.square()).clamp_min(0.0)


def observe(
    model: PreTrainedModel, block: Block, batches: Sequence[Batch], second_moments: bool = False
) -> dict[str, Inputs]:
    """Run the calibration text through a model and sum up the inputs of every matrix of one block.

    Padded positions do not count.
    """
    found = observe_all(model, [block], batches, second_moments)
    return {name.removeprefix(f"{block.name}/"): inputs for name, inputs in found.items()}


def observe_all(
    model: PreTrainedModel, blocks: Sequence[Block], batches: Sequence[Batch], second_moments: bool = False
) -> dict[str, Inputs]:
    """The same of several blocks, the last one last, in one pass: by the names of block and matrix, "block/matrix"."""
    found: dict[str, Inputs] = {}
    current: list[Batch] = []

    def take(block: Block, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            batch = current[0]
            own = batch.mask if block.part == "encoder" or name in block.reads_source else batch.target_mask
            mask = batch.mask if own is None else own  # a decoder-only model has no second half
            found[f"{block.name}/{name}"].add(arguments[0][mask.bool()])

        return hook

    handles = []
    for block in blocks:
        for name, linear in block.linears().items():
            found[f"{block.name}/{name}"] = Inputs(linear.in_features, second_moments)
            handles.append(linear.register_forward_pre_hook(take(block, name)))
    try:
        with torch.no_grad(), _stopping_after(blocks[-1].module) as stopped:
            for batch in batches:
                current[:] = [batch]
                try:
                    batch.run(model)
                except stopped:
                    continue
    finally:
        for handle in handles:
            handle.remove()
    return found


@contextmanager
def _stopping_after(module: nn.Module) -> Iterator[type[Exception]]:
    """Stop every forward pass after a module, because later modules are not observed."""

    class Stopped(Exception):
        pass

    def stop(module: nn.Module, arguments: object, output: object) -> None:
        raise Stopped

    handle = module.register_forward_hook(stop)
    try:
        yield Stopped
    finally:
        handle.remove()
