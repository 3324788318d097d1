"""A function as trimming methods see it: the model's own tokens, each with its statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from sprig_server.code.statements import CLASSES, Statements
from sprig_server.code.text import Passage

Indices = NDArray[np.int64]
"""Places of the tokens that stay, ascending, int64 [kept]."""


_NONE = CLASSES.index("none")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The n tokens of a function's code, without special tokens and without the text before the code.

    `code` is written in `language`. For each token, `ids` is its id in the model's tokenizer, `places` its position in
    the model's input, [`starts`, `ends`) its characters in `code`, `statements` the number of its statement from 0, and
    `classes` the index of that statement's class in `code.statements.CLASSES`. All int64 [n].
    """

    code: str
    language: str
    ids: NDArray[np.int64]
    places: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    statements: NDArray[np.int64]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, count: int) -> Tokens:
        """The first `count` tokens, or all if there are fewer."""
        columns = self.ids, self.places, self.starts, self.ends, self.statements, self.classes
        return Tokens(self.code, self.language, *(column[:count] for column in columns))

    def pieces(self) -> list[str]:
        """The text of each token."""
        return [self.code[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]


def place_tokens(
    passage: Passage, ids: Sequence[int], offsets: Sequence[tuple[int, int]], statements: Statements | None
) -> Tokens:
    """The tokens of a function's code, each with its statement.

    Args:
        passage: what the model reads for the function.
        ids: the tokens of the passage; special tokens may be among them.
        offsets: the characters [start, end) of each token in the passage; (0, 0) for special tokens.
        statements: those of the code; code before the first one belongs to it. None for a single statement of class
            "none".
    """
    spans = np.fromiter(chain.from_iterable(offsets), np.int64, 2 * len(offsets)).reshape(-1, 2)
    # A token may begin with the space before its first letter, so its last character decides.
    lasts = passage.origins(spans[:, 1] - 1)
    places = np.flatnonzero((lasts >= 0) & (spans[:, 1] > spans[:, 0]))
    ends = lasts[places] + 1
    starts = np.maximum(passage.origins(spans[places, 0]), 0)
    own = np.array(ids, dtype=np.int64)[places]
    if statements is None:
        owner, classes = np.zeros_like(own), np.full_like(own, _NONE)
    else:
        owner = np.maximum(np.searchsorted(statements.starts, ends - 1, side="right") - 1, 0)
        classes = statements.classes[owner]
    return Tokens(passage.code, passage.language, own, places, starts, ends, owner, classes)


def kept_count(n: int, ratio: float, least: int = 1) -> int:
    """How many of n tokens stay if the share `ratio` is removed: rounded down, but at least `least` if there are that
    many, and at least one.

    Rounding is exact: 30 tokens without a share of .3 are 21, whatever 30 x .7 is in floating point.

    Raises:
        ValueError: the ratio is not in [0, 1).
    """
    if not 0.0 <= ratio < 1.0:
        raise ValueError(f"{ratio} is not a share of tokens to remove: it must be at least 0 and less than 1")
    return max(min(n, max(1, least)), int(n * (1.0 - ratio) + 1e-9))
