"""Batches of texts, tokenized with the model's own tokenizer as they will be served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sprig_export.models.checkpoints import positions_of
from sprig_server.types import Task

_TOKENS = 4096  # of a batch, padding included
_CODE_TOKENS, _PROSE_TOKENS = 160, 40  # longer texts are cut
_POOL = 32  # batches whose texts are sorted by length together
Pair = tuple[str, str]
"""Code as the model reads it, and its prose."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of calibration: token ids and masks, int64 [b, t]; for an encoder-decoder also the decoder's input, int64
    [b, s]. `trimmable` says whether the texts are functions, which may be trimmed.
    """

    ids: Tensor
    mask: Tensor
    targets: Tensor | None = None
    target_mask: Tensor | None = None
    trimmable: bool = False

    def run(self, model: PreTrainedModel) -> object:
        """The model's outputs on this batch."""
        if self.targets is None:
            return model(input_ids=self.ids, attention_mask=self.mask)
        return model(input_ids=self.ids, attention_mask=self.mask, decoder_input_ids=self.targets, use_cache=False)


def fill_batches(ordered: NDArray[np.int64], lengths: NDArray[np.int64], tokens: int) -> Iterator[NDArray[np.int64]]:
    """Groups of text numbers, in order of length, each filling `tokens` after padding.

    Args:
        ordered: numbers of the texts, shortest first, int64 [n].
        lengths: the lengths of all texts, int64.
        tokens: the most tokens of a batch. A longer text is a batch by itself.
    """
    start = 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or (end + 1 - start) * lengths[ordered[end]] > tokens:
            yield ordered[start:end]
            start = end


def make_batches(
    task: Task, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair], seed: int
) -> list[Batch]:
    """Batches of about 4,096 tokens, in an order drawn with `seed`.

    For search, code and prose are inputs of the same kind, in separate batches. For summaries, the encoder reads code
    and the decoder writes prose; a decoder-only model reads both as one text.
    """
    generator, positions = np.random.default_rng(seed), positions_of(model.config) or _CODE_TOKENS
    most_code, most_prose = min(_CODE_TOKENS, positions), min(_PROSE_TOKENS, positions)
    if task == "search":
        code, prose = (
            _tokenize(tokenizer, [pair[side] for pair in pairs], most)
            for side, most in ((0, most_code), (1, most_prose))
        )
        batches = [
            Batch(*_pad(side, rows), trimmable=side is code)
            for side in (code, prose)
            for rows in _batches(side, generator)
        ]
    elif not model.config.is_encoder_decoder:
        most_prose = min(most_prose, positions // 2)  # both are in one text
        prompts = _tokenize(tokenizer, [prompt for prompt, _ in pairs], min(most_code, positions - most_prose))
        answers = tokenizer([prose for _, prose in pairs], add_special_tokens=False)["input_ids"]
        both = [prompt + answer[:most_prose] for prompt, answer in zip(prompts, answers, strict=True)]
        batches = [Batch(*_pad(both, rows)) for rows in _batches(both, generator)]
    else:
        start = model.config.decoder_start_token_id
        sources = _tokenize(tokenizer, [code for code, _ in pairs], most_code)
        targets = [[start, *row[:-1]] for row in _tokenize(tokenizer, [prose for _, prose in pairs], most_prose)]
        batches = [
            Batch(*_pad(sources, rows), *_pad(targets, rows), trimmable=True) for rows in _batches(sources, generator)
        ]
    return [batches[index] for index in generator.permutation(len(batches))]


def _tokenize(tokenizer: PreTrainedTokenizerBase, texts: list[str], most: int) -> list[list[int]]:
    starts = [text[: 12 * most] for text in texts]
    rows: list[list[int]] = tokenizer(starts, truncation=True, max_length=most)["input_ids"]
    return rows


def _batches(rows: Sequence[Sequence[int]], generator: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Batches of row numbers with similar lengths."""
    lengths = np.array([len(row) for row in rows])
    order = generator.permutation(len(rows))
    pool = max(1, _POOL * _TOKENS // max(1, int(lengths.mean())))
    for start in range(0, len(order), pool):
        part = order[start : start + pool]
        yield from fill_batches(part[np.argsort(lengths[part], kind="stable")], lengths, _TOKENS)


def _pad(rows: Sequence[Sequence[int]], chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Ids and mask, int64 [chosen, longest]. Padding has the id 0 and is masked."""
    longest = max(len(rows[index]) for index in chosen)
    ids = torch.zeros((len(chosen), longest), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for place, index in enumerate(chosen):
        ids[place, : len(rows[index])] = torch.tensor(rows[index])
        mask[place, : len(rows[index])] = 1
    return ids, mask
