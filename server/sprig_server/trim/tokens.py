"""A function as trimmers see it: the model's own sub-tokens, each in its statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from sprig_server.code.statements import CLASSES, Statements
from sprig_server.code.text import Passage

Indices = NDArray[np.int64]
"""Places of tokens that stay, in rising order, int64 [kept]."""


_NONE = CLASSES.index("none")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The n sub-tokens of a function's code, without a model's special ones and without what stands before the code.

    `code` is written in `language`. `ids` are those of the model's tokenizer, `places` where each stands among all that
    the model reads; `starts` and `ends` say which characters of `code` it stands for; `statements` numbers the
    statement that holds it, from 0, and `classes` is the place of that statement's class in `code.statements.CLASSES`.
    All int64 [n].
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
        """The first `count` tokens, or all where there are not so many."""
        columns = self.ids, self.places, self.starts, self.ends, self.statements, self.classes
        return Tokens(self.code, self.language, *(column[:count] for column in columns))

    def pieces(self) -> list[str]:
        """The characters of each token."""
        return [self.code[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]


def place_tokens(
    passage: Passage, ids: Sequence[int], offsets: Sequence[tuple[int, int]], statements: Statements | None
) -> Tokens:
    """The tokens of a function's code, each in its statement.

    Args:
        passage: what the model reads for the function.
        ids: the sub-tokens of the passage; special ones may be among them.
        offsets: the characters [start, end) of the passage that each stands for, (0, 0) for special ones.
        statements: the code's; what stands before the first counts to it. None for one of class "none".
    """
    spans = np.fromiter(chain.from_iterable(offsets), np.int64, 2 * len(offsets)).reshape(-1, 2)
    # A token may begin with the blank before its first letter: what it ends in decides.
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
    """How many of n tokens stay where the share `ratio` of them is removed: rounded down, but `least` where there are
    so many, and one of any.

    Thirty tokens without a share of .3 are 21, whatever 30 x .7 is in binary digits.

    Raises:
        ValueError: the ratio is not in [0, 1).
    """
    if not 0.0 <= ratio < 1.0:
        raise ValueError(f"{ratio} is no share of tokens to remove: it has to be at least 0 and below 1")
    return max(min(n, max(1, least)), int(n * (1.0 - ratio) + 1e-9))
