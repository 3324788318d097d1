"""Tokenizing texts, and encoding them as vectors during training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from sprig_export.training.loop import autocast
from sprig_server.types import Vectors

_TOKENIZED_AT_ONCE = 2_000
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Tokens:
    """Texts as token ids: uint16 [all tokens], with offsets int64 [n + 1]."""

    ids: NDArray[np.uint16]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, int64 [n]."""
        return np.diff(self.offsets)

    def row(self, index: int) -> NDArray[np.uint16]:
        """The token ids of one text."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]


def tokenize(tokenizer: Tokenizer, texts: Sequence[str], most: int) -> Tokens:
    """Texts as token ids, including special tokens, each cut after `most` tokens."""
    tokenizer.enable_truncation(most)
    tokenizer.no_padding()
    rows: list[NDArray[np.uint16]] = []
    for start in range(0, len(texts), _TOKENIZED_AT_ONCE):
        part = [text[: 12 * most] for text in texts[start : start + _TOKENIZED_AT_ONCE]]
        rows.extend(np.array(encoding.ids, dtype=np.uint16) for encoding in tokenizer.encode_batch(part))
    offsets = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64)
    return Tokens(np.concatenate([np.empty(0, np.uint16), *rows]), offsets)


def encode(encoder: PreTrainedModel, tokens: Tensor) -> Tensor:
    """Unit vectors [n, width] of token ids int64 [n, tokens]: the mean over all tokens except padding."""
    mask = (tokens != int(encoder.config.pad_token_id or 0)).long()
    return pool(encoder(input_ids=tokens, attention_mask=mask).last_hidden_state, mask)


def pool(states: Tensor, mask: Tensor, pooling: str = "mean") -> Tensor:
    """Unit vectors [n, width] of states [n, tokens, width] where the mask int64 [n, tokens] is 1: the pooling of the
    server's encoder, with gradients.
    """
    parts = [_pool_one(states, mask, part) for part in pooling.split("+")]
    return functional.normalize(torch.cat(parts, dim=-1), dim=-1)


def _pool_one(states: Tensor, mask: Tensor, pooling: str) -> Tensor:
    there = mask[:, :, None].to(states.dtype)
    if pooling == "cls":
        return states[torch.arange(len(states)), mask.argmax(dim=1)]
    if pooling == "lasttoken":
        return states[torch.arange(len(states)), mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)]
    if pooling == "max":
        return states.masked_fill(there == 0, torch.finfo(states.dtype).min).amax(dim=1)
    if pooling == "weightedmean":
        there = there * torch.arange(1, mask.shape[1] + 1, device=states.device)[:, None]
    count = there.sum(dim=1)
    return (states * there).sum(dim=1) / (count.sqrt() if pooling == "mean_sqrt_len_tokens" else count)


@torch.no_grad()
def encode_all(encoder: PreTrainedModel, tokens: Tokens) -> Vectors:
    """Unit vectors, float32 [n, width], of any number of texts, computed in bfloat16 if the hardware supports it."""
    rows = np.argsort(tokens.lengths, kind="stable")
    vectors = np.zeros((len(rows), encoder.config.hidden_size), dtype=np.float32)
    for part in np.array_split(rows, max(1, len(rows) // _BATCH)):
        with autocast(encoder):
            vectors[part] = encode(encoder, pad(encoder, tokens, part)).float().cpu().numpy()
    return vectors


def pad(encoder: PreTrainedModel, tokens: Tokens, rows: NDArray[np.int64]) -> Tensor:
    """Token ids int64 [rows, longest of them] on the encoder's device."""
    lengths = tokens.lengths[rows]
    padded = np.full((len(rows), int(lengths.max())), int(encoder.config.pad_token_id or 0), dtype=np.int64)
    for place, row in enumerate(rows):
        padded[place, : lengths[place]] = tokens.row(int(row))
    return torch.from_numpy(padded).to(encoder.device)
