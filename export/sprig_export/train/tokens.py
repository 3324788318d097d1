"""Many texts as token ids in flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

_BATCH = 2_000


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
    """Texts as token ids, special tokens included, each cut at `most` of them."""
    tokenizer.enable_truncation(most)
    tokenizer.no_padding()
    rows: list[NDArray[np.uint16]] = []
    for start in range(0, len(texts), _BATCH):
        part = [text[: 12 * most] for text in texts[start : start + _BATCH]]
        rows.extend(np.array(encoding.ids, dtype=np.uint16) for encoding in tokenizer.encode_batch(part))
    offsets = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64)
    return Tokens(np.concatenate([np.empty(0, np.uint16), *rows]), offsets)
