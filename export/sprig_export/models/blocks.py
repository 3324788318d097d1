"""A transformer as a list of blocks: where its attention heads, feed-forward units and matrices are.

Pruning reads and cuts models through this view alone. `families.py` says where each family keeps its parts. Linear
layers are `nn.Linear`, weights [outputs, inputs]; GPT-2's transposed `Conv1D` are replaced when the view is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from sprig_export.models.families import FAMILIES, Attention, Family, FeedForward, Part, find_family, unsupported


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
        """The matrices whose inputs are the encoder's outputs instead of this half's own positions."""
        crossing = {id(linear) for found in self.attentions if found.crossing for linear in found.inputs[1:]}
        return frozenset(name for name, linear in self.linears().items() if id(linear) in crossing)

    def linears(self) -> dict[str, nn.Linear]:
        """Every matrix of the block by its name within it, in the order of computation."""
        return {name: module for name, module in self.module.named_modules() if isinstance(module, nn.Linear)}


def is_known(model: PreTrainedModel) -> bool:
    """Whether a model's family can be read block by block."""
    return model.config.model_type in FAMILIES


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
    """The lists of a model's encoder and decoder layers.

    Raises:
        InvalidInput: the model is of no family that can be pruned.
    """
    return _family(model).stacks(model)


def set_width(model: PreTrainedModel, units: int) -> None:
    """Write the number of feed-forward units of each layer into a model's configuration, so that it can be loaded
    again.
    """
    for name in FAMILIES[model.config.model_type].widths:
        setattr(model.config, name, units)


def _family(model: PreTrainedModel) -> Family:
    return find_family(model.config.model_type, "pruned")


def can_lose_heads(model: PreTrainedModel) -> bool:
    """Whether a model with fewer heads in some layers can be saved."""
    return is_known(model) and _family(model).prunes_heads


def note_removed_heads(model: PreTrainedModel, removed: dict[int, list[int]]) -> None:
    """Write the heads that each layer lost into a model's configuration, so that it can be loaded again.

    Args:
        removed: by layer, numbers of the removed heads among those that it had before.

    Raises:
        InvalidInput: the family's configuration cannot express this.
    """
    if not can_lose_heads(model):
        able = (name for name, family in FAMILIES.items() if family.prunes_heads)
        raise unsupported(model.config.model_type, "saved with fewer heads", able)
    gone: dict[int, list[int]] = {layer: list(heads) for layer, heads in (model.config.pruned_heads or {}).items()}
    for layer, heads in removed.items():
        own = gone.get(layer, [])
        left = [head for head in range(model.config.num_attention_heads) if head not in own]
        gone[layer] = sorted([*own, *(left[head] for head in heads)])
    model.config.pruned_heads = gone


def _replace_conv1d(model: nn.Module) -> None:
    for name, child in list(_conv1d(model)):
        parent = model.get_submodule(name.rpartition(".")[0])
        linear = nn.Linear(*child.weight.shape)
        linear.weight = nn.Parameter(child.weight.detach().T.contiguous())
        linear.bias = nn.Parameter(child.bias.detach())
        setattr(parent, name.rpartition(".")[2], linear)


def restore_conv1d(model: PreTrainedModel) -> None:
    """Turn the layers of a GPT-2 back into `Conv1D`, in place, so that it can be saved and loaded."""
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
