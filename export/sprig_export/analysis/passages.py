"""Functions as a model reads them: tokens, and which of them make up each labelled word."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from sprig_export.analysis.token_classes import Word, label_words
from sprig_server.code.text import search_input, summary_input
from sprig_server.types import Task


@dataclass(frozen=True, slots=True, eq=False)
class Passages:
    """Functions and their words.

    `tokens` are the tokens of each function, including special ones; `words` are the words of all functions; `places`,
    int64 [words, 3], gives for each word its function and its tokens [first, last).
    """

    tokens: tuple[tuple[int, ...], ...]
    words: tuple[Word, ...]
    places: NDArray[np.int64]


def cut_passages(functions: Sequence[str], language: str, task: Task, tokenizer: Tokenizer, window: int) -> Passages:
    """Tokenize functions and place their words.

    A word counts if its tokens contain nothing else: the activation of a token that two words share belongs to neither.
    Code beyond the window has no activations, and so no words.

    Args:
        functions: the source of each function.
        task: decides how code is presented (`sprig_server.code.text`).
        window: the number of tokens of a function that are read, special ones included.

    Raises:
        InvalidInput: unknown language.
    """
    tokenizer.enable_truncation(window)
    tokenizer.no_padding()
    texts = [search_input(code) if task == "search" else summary_input(code, language) for code in functions]
    encodings = tokenizer.encode_batch(texts)
    words: list[Word] = []
    places: list[tuple[int, int, int]] = []
    for number, (code, text, encoding) in enumerate(zip(functions, texts, encodings, strict=True)):
        for word, first, last in _placed(label_words(code, language), code, text, encoding):
            words.append(word)
            places.append((number, first, last))
    tokens = tuple(tuple(encoding.ids) for encoding in encodings)
    return Passages(tokens, tuple(words), np.array(places, dtype=np.int64).reshape(-1, 3))


def _placed(words: Sequence[Word], code: str, text: str, encoding: Encoding) -> Iterator[tuple[Word, int, int]]:
    """The words whose tokens [first, last) belong to no other word."""
    moved = _moved(code, text)
    tokens = [(number, start, end) for number, (start, end) in enumerate(encoding.offsets) if end > start]
    starts, ends = [start for _, start, _ in tokens], [end for _, _, end in tokens]
    for word in words:
        start = moved[word.start]
        end = start + len(word.text)
        first, last = bisect_right(ends, start), bisect_left(starts, end)
        if first < last and ends[last - 1] >= end:
            beside = text[starts[first] : start] + text[end : ends[last - 1]]
            if not beside.strip():  # byte-level tokenizers put the space before a word into its first token
                yield word, tokens[first][0], tokens[last - 1][0] + 1


def _moved(code: str, text: str) -> list[int]:
    """The position of each visible character of the code in the model's input text; other entries are undefined.

    The input text only adds text before the code and removes white space (`code.text`), so the order stays.
    """
    visible = [place for place, character in enumerate(text) if not character.isspace()]
    shown = [not character.isspace() for character in code]
    numbers = np.cumsum(shown) - 1 + len(visible) - sum(shown)
    return [visible[number] for number in numbers]
