"""The activations of an encoder at every layer, also with some of its neurons set to zero."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from sprig_export.analysis.passages import Passages
from sprig_export.models.checkpoints import Checkpoint
from sprig_export.models.families import find_family
from sprig_server.errors import InvalidInput

_BATCH = 32
_WITH_POOLER = ("bert", "roberta")  # families whose states pass through an untrained layer

Units = Mapping[int, NDArray[np.int64]]
"""Neurons by layer: 0 is the embedding layer, the others are counted from 1."""


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """Hidden states. `words`, float32 [n, depth + 1, width]: the mean over the tokens of each word; layer 0 is the
    embedding layer. `pooled`, float32 [functions, width]: the mean over all tokens in the last layer.
    """

    words: NDArray[np.float32]
    pooled: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """An encoder or a decoder-only model of a known family, in float32 and evaluation mode. `blocks` are the modules
    whose outputs are the hidden states, the embedding layer first.
    """

    model: PreTrainedModel
    blocks: tuple[nn.Module, ...]
    after_units: tuple[nn.Module, ...]

    @property
    def depth(self) -> int:
        """The number of layers above the embedding layer."""
        return len(self.after_units)

    @property
    def width(self) -> int:
        """The number of neurons in a layer."""
        return int(self.model.config.hidden_size)


def load_encoder(checkpoint: Checkpoint, untrained: int | None = None) -> Encoder:
    """The encoder of a checkpoint: all of a BERT or decoder-only model, the first half of a BART or a T5.

    Args:
        untrained: a seed for the same architecture with random initial weights.

    Raises:
        InvalidInput: the model is of another family, or cannot be loaded.
    """
    name = str(checkpoint.config.get("model_type"))
    family = find_family(name, "analysed")
    options = {"add_pooling_layer": False} if name in _WITH_POOLER else {}
    try:
        if untrained is None:
            model = AutoModel.from_pretrained(checkpoint.folder, torch_dtype=torch.float32, **options)
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(untrained)
                model = AutoModel.from_config(
                    AutoConfig.from_pretrained(checkpoint.folder), torch_dtype=torch.float32, **options
                )
    except (OSError, ValueError) as error:
        raise InvalidInput(f'the model "{checkpoint.folder}" cannot be loaded: {error}') from error
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    layers = list(next(iter(family.stacks(model).values())))
    states = [*layers[:-1], encoder.get_submodule(family.last)] if family.last else layers
    return Encoder(
        encoder.eval(),
        (encoder.get_submodule(family.embeddings), *states),
        tuple(family.feed_forward(layer).output for layer in layers),
    )


@torch.no_grad()
def read_states(
    encoder: Encoder, passages: Passages, words: NDArray[np.int64], zeroed: Units, tick: Callable[[int], None]
) -> States:
    """The hidden states of words, and the mean output for each function that contains one of them.

    Args:
        words: rows of `passages.places`, int64 [n].
        zeroed: neurons that are set to zero while the model runs.
        tick: called with the number of functions that are done.
    """
    places = passages.places[words]
    rows_of: dict[int, list[int]] = {}
    for row, number in enumerate(places[:, 0].tolist()):
        rows_of.setdefault(number, []).append(row)
    states = np.zeros((len(words), encoder.depth + 1, encoder.width), dtype=np.float32)
    pooled = []
    with ExitStack() as hooks:
        for layer, units in zeroed.items():
            hooks.enter_context(encoder.blocks[layer].register_forward_hook(_hold_at_zero(units)))
        seen: dict[int, Tensor] = {}  # from hooks, because some families return states from before a hook changes them
        for layer, block in enumerate(encoder.blocks):
            hooks.enter_context(block.register_forward_hook(_keep_output(seen, layer)))
        for numbers, inputs in _batches(encoder, passages, sorted(rows_of)):
            encoder.model(**inputs)
            hidden = [seen[layer] for layer in range(len(encoder.blocks))]
            layers = torch.stack(hidden, dim=2).numpy()  # [batch, sub-tokens, depth + 1, width]
            for place, number in enumerate(numbers):
                for row in rows_of[number]:
                    states[row] = layers[place, places[row, 1] : places[row, 2]].mean(axis=0)
                pooled.append(layers[place, : len(passages.tokens[number]), -1].mean(axis=0))
            tick(len(pooled))
    return States(states, np.array(pooled, dtype=np.float32))


@torch.no_grad()
def read_units(encoder: Encoder, passages: Passages, functions: Sequence[int]) -> list[NDArray[np.float32]]:
    """The units of each layer's feed-forward network, after the activation function, for all tokens.

    Returns:
        for each layer, float32 [sub-tokens of the functions, units].
    """
    found: list[list[NDArray[np.float32]]] = [[] for _ in encoder.after_units]
    with ExitStack() as hooks:
        seen: dict[int, Tensor] = {}
        for layer, module in enumerate(encoder.after_units):
            hooks.enter_context(module.register_forward_pre_hook(_keep_input(seen, layer)))
        for _, inputs in _batches(encoder, passages, functions):
            encoder.model(**inputs)
            real = inputs["attention_mask"].bool().flatten().numpy()
            for layer, units in seen.items():
                found[layer].append(units.flatten(0, -2).numpy()[real])
    return [np.concatenate(parts) for parts in found]


def _batches(
    encoder: Encoder, passages: Passages, functions: Sequence[int]
) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
    """Functions of similar length together, padded."""
    by_length = sorted(functions, key=lambda number: len(passages.tokens[number]))
    padding = int(encoder.model.config.pad_token_id or 0)
    for start in range(0, len(by_length), _BATCH):
        numbers = by_length[start : start + _BATCH]
        tokens = [passages.tokens[number] for number in numbers]
        longest = max(map(len, tokens))
        ids = torch.tensor([(*row, *[padding] * (longest - len(row))) for row in tokens])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in tokens])
        yield numbers, {"input_ids": ids, "attention_mask": mask}


def _hold_at_zero(units: NDArray[np.int64]) -> Callable[[nn.Module, Any, Any], Any]:
    columns = torch.from_numpy(units)

    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        hidden = _state(output).index_fill(-1, columns, 0.0)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    return hook


def _keep_output(seen: dict[int, Tensor], layer: int) -> Callable[[nn.Module, Any, Any], None]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        seen[layer] = _state(output)

    return hook


def _state(output: Any) -> Tensor:
    """A layer returns its hidden state alone, or as the first of several values."""
    state: Tensor = output[0] if isinstance(output, tuple) else output
    return state


def _keep_input(seen: dict[int, Tensor], layer: int) -> Callable[[nn.Module, Any], None]:
    def hook(module: nn.Module, inputs: Any) -> None:
        seen[layer] = inputs[0]

    return hook
