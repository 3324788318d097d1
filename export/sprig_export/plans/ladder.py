"""The plans that are considered: from the whole model down to none of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from transformers import PreTrainedModel

from sprig_export.analysis.proposal import Proposal
from sprig_export.blocks import Part, can_lose_heads, is_known, read_stacks
from sprig_export.recipe import Recipe
from sprig_server.errors import InvalidInput

_DEPTHS = (1.0, 2 / 3, 1 / 2, 1 / 3, 1 / 6, 0.0)
_WIDTHS = ((1.0, 1.0), (0.5, 1.0), (0.5, 0.5))
"""Shares of units and of heads."""
_NARROWED = 0.5
"""Models of a smaller share of the layers are not narrowed as well: little would be left."""


def list_plans(recipe: Recipe, model: PreTrainedModel) -> list[Recipe]:
    """The recipe with every shape that is considered, the whole model first.

    A search model may lose all layers: what is left is a table of vectors. Of a family whose parts are not known, only
    the whole model is considered.
    """
    return list(_shapes(recipe, model)) if is_known(model) else [recipe]


def follow_proposal(recipe: Recipe, proposal: Proposal, model: PreTrainedModel) -> Recipe:
    """The plan that leaves out what an analysis of the encoder proposes: the layers above those that a probe needs, and
    the mean share of units that say what others say.

    Raises:
        InvalidInput: the analysis is of a model with another number of layers.
    """
    layers = len(read_stacks(model).get("encoder", ()))
    if proposal.of_layers != layers:
        raise InvalidInput(
            f"the analysis is of a model whose encoder has {proposal.of_layers} layers, this one has {layers}: give "
            "the report of this model"
        )
    redundant = [layer.units for layer in proposal.redundancy if layer.units is not None]
    units = 1 - sum(redundant) / len(redundant) if redundant else 1.0
    first = max(1, proposal.layers[0].layers)
    return replace(recipe, layers=first, which_layers="first", units=round(units, 3))


def describe_plan(recipe: Recipe, model: PreTrainedModel) -> str:
    """A plan in words."""
    if not is_known(model):
        return "the whole model"
    counts = {part: len(layers) for part, layers in read_stacks(model).items()}
    halves = [
        f"{'the first ' if recipe.which_layers == 'first' and 0 <= kept < counts[part] else ''}"
        f"{counts[part] if kept < 0 else kept} of {counts[part]} {f'{part} ' if len(counts) > 1 else ''}layers"
        for part, kept in kept_layers(recipe.layers, recipe.decoder_layers)
        if part in counts
    ]
    widths = [f"{share:.0%} of the {what}" for what, share in (("units", recipe.units), ("heads", recipe.heads))]
    return ", ".join([*halves, *(width for width in widths if not width.startswith("100"))])


def _shapes(recipe: Recipe, model: PreTrainedModel) -> Iterator[Recipe]:
    counts = {part: len(layers) for part, layers in read_stacks(model).items()}
    least = 0 if recipe.task == "search" else 1
    decoders = _depths(counts.get("decoder", 0), 1) if "decoder" in counts else [-1]
    encoders = _depths(counts.get("encoder", 0), least) if "encoder" in counts else [-1]
    for decoder in decoders:
        for encoder in encoders:
            if model.config.model_type == "t5" and encoder < decoder:
                continue  # transformers cannot run such a model with a cache
            deep = all(
                _NARROWED * counts[part] <= kept for part, kept in kept_layers(encoder, decoder) if part in counts
            )
            for units, heads in _WIDTHS if deep else _WIDTHS[:1]:
                if heads == 1.0 or can_lose_heads(model):
                    yield replace(recipe, layers=encoder, decoder_layers=decoder, units=units, heads=heads)


def kept_layers(encoder: int, decoder: int) -> tuple[tuple[Part, int], ...]:
    """The layers that a plan keeps of either half."""
    return ("encoder", encoder), ("decoder", decoder)


def _depths(layers: int, least: int) -> list[int]:
    return sorted({max(least, round(layers * share)) for share in _DEPTHS}, reverse=True)
