"""The text that a model reads for a function. Exporter and server both use it, so training and serving agree (DESIGN
invariant 3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sprig_server.code.languages import find_language

CHUNKER_VERSION = 7
"""Increase it with every change of what is indexed or of the texts below. An index of another version is rebuilt."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What a model reads for a function, and where its parts are in the function's code.

    From the character `starts[i]` up to `starts[i + 1]`, the `text` equals the `code` from the character `places[i]`
    on. Both are int64 [parts] in ascending order, with at least one part. Text before the first part is not code.
    """

    text: str
    code: str
    language: str
    starts: NDArray[np.int64]
    places: NDArray[np.int64]

    def origins(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Maps character positions of the text to positions in the code, int64 [n] to int64 [n]; -1 outside the
        code.
        """
        part = np.searchsorted(self.starts, at, side="right") - 1
        return np.where(part < 0, -1, self.places[part] + at - self.starts[part])


def search_passage(text: str, code_start: int, language: str) -> Passage:
    """The passage of a text that `search_input` made. The code begins at the character `code_start`."""
    return Passage(text, text[code_start:], language, *_parts([code_start], [0]))


def prompted(text: str, prompt: str) -> str:
    """The text after the prompt of a search model."""
    return prompt + text


def prompted_passage(passage: Passage, prompt: str) -> Passage:
    """The passage after the prompt of a search model. The prompt is not code."""
    text = prompted(passage.text, prompt)
    return replace(passage, text=text, starts=passage.starts + (len(text) - len(passage.text)))


def summary_passage(code: str, language: str) -> Passage:
    """`summary_input` with the positions of its characters in the code."""
    text, place = summary_input(code, language), 0
    start = text.index("> ") + 2  # after the tag
    starts, places = [start], [0]
    for line in code.splitlines(keepends=True):
        if stripped := line.strip():
            starts.append(start)
            places.append(place + line.index(stripped))
            start += len(stripped) + 1
        place += len(line)
    first = min(1, len(starts) - 1)  # the first part is for code without lines
    return Passage(text, code, language, *_parts(starts[first:], places[first:]))


def _parts(starts: list[int], places: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array(starts, dtype=np.int64), np.array(places, dtype=np.int64)


def search_input(code: str, documentation: str = "", name: str = "") -> str:
    """The text a search model reads for a definition: its qualified name, its documentation, its code.

    Args:
        code: a definition without its own documentation (`Definition.code`).
        documentation: the text of that documentation, or "".
        name: the qualified name, or "" to show the code alone.
    """
    return "\n".join(part for part in (name, documentation, code) if part)


def summary_input(code: str, language: str) -> str:
    """The text a summary model reads: a language tag, then the lines without indentation and blank lines.

    Args:
        code: a function without its own documentation (`Function.code`).
        language: a name or alias of a language; it becomes the tag, as in "<python> ".
    """
    lines = (line.strip() for line in code.splitlines())
    return f"<{find_language(language).name}> " + "\n".join(line for line in lines if line)


def prompt_ids(
    encode: Callable[[str, bool], list[int]], prompt: str, code: str, language: str, window: int
) -> list[int]:
    """The tokens that a decoder-only model continues. A function that does not fit is cut at its end.

    Args:
        encode: returns the tokens of a text, uncut, with special tokens around it if its flag is True.
        prompt: contains "{code}" for the function, and may contain "{language}" for the name of its language.
        code: a function without its own documentation.
        language: a name or alias of its language.
        window: the number of tokens, including special ones.
    """
    before, after = prompt_parts(prompt, language)
    head, tail = encode(before + code.strip("\n"), True), encode(after, False)
    return head[: max(1, window - len(tail))] + tail


def prompt_passage(prompt: str, code: str, language: str) -> Passage:
    """The prompt of a decoder-only model up to the end of the function."""
    before, _ = prompt_parts(prompt, language)
    inner = code.strip("\n")
    return Passage(before + inner, inner, language, *_parts([len(before)], [0]))


def prompt_parts(prompt: str, language: str) -> tuple[str, str]:
    """The parts of a prompt before and after the function, for a language."""
    before, _, after = prompt.replace("{language}", find_language(language).name).partition("{code}")
    return before, after
