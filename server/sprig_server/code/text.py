"""What a model is fed for a function. Exporter and server both call these, so that training and serving agree
(DESIGN invariant 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sprig_server.code.languages import find_language

CHUNKER_VERSION = 6
"""Raise it with every change of what is indexed or of the texts below: an index of another version is built anew."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What a model reads for a function, and where that stands in its code.

    The `text` from the character `starts[i]` on is the `code` from the character `places[i]` on, up to the next of the
    starts, which rise: both int64 [parts], one part at least. What stands before the first is not code.
    """

    text: str
    code: str
    language: str
    starts: NDArray[np.int64]
    places: NDArray[np.int64]

    def origins(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where characters of the text stand in the code, int64 [n] to int64 [n]; -1 for what is not code."""
        part = np.searchsorted(self.starts, at, side="right") - 1
        return np.where(part < 0, -1, self.places[part] + at - self.starts[part])


def search_passage(text: str, code_start: int, language: str) -> Passage:
    """What `search_input` made, of which the code begins at the character `code_start`."""
    return Passage(text, text[code_start:], language, *_parts([code_start], [0]))


def prompted(text: str, prompt: str) -> str:
    """The text behind the prompt of a search model."""
    return prompt + text


def prompted_passage(passage: Passage, prompt: str) -> Passage:
    """The passage behind the prompt of a search model, which is no code."""
    text = prompted(passage.text, prompt)
    return replace(passage, text=text, starts=passage.starts + (len(text) - len(passage.text)))


def summary_passage(code: str, language: str) -> Passage:
    """`summary_input` with the places of its characters."""
    text, place = summary_input(code, language), 0
    start = text.index("> ") + 2  # behind the tag
    starts, places = [start], [0]
    for line in code.splitlines(keepends=True):
        if stripped := line.strip():
            starts.append(start)
            places.append(place + line.index(stripped))
            start += len(stripped) + 1
        place += len(line)
    first = min(1, len(starts) - 1)  # the part in front is for code without any line
    return Passage(text, code, language, *_parts(starts[first:], places[first:]))


def _parts(starts: list[int], places: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array(starts, dtype=np.int64), np.array(places, dtype=np.int64)


def search_input(code: str, documentation: str = "", name: str = "") -> str:
    """The text a search model reads for a definition: its qualified name, its documentation, its code.

    Args:
        code: a definition without its own documentation (`Definition.code`).
        documentation: the text of that documentation, "" where there is none.
        name: the qualified name, "" to show the code alone.
    """
    return "\n".join(part for part in (name, documentation, code) if part)


def summary_input(code: str, language: str) -> str:
    """The text a summary model reads: a language tag, then the lines without indentation and without blank ones.

    Args:
        code: a function without its own documentation (`Function.code`).
        language: a name or alias of a language; it becomes the tag, as in "<python> ".
    """
    lines = (line.strip() for line in code.splitlines())
    return f"<{find_language(language).name}> " + "\n".join(line for line in lines if line)


def prompt_ids(
    encode: Callable[[str, bool], list[int]], prompt: str, code: str, language: str, window: int
) -> list[int]:
    """The tokens that a decoder-only model goes on with: of a function that does not fit, its beginning.

    Args:
        encode: gives the tokens of a text, with the special ones that belong around it where its flag is True, uncut.
        prompt: with "{code}" where the function goes, and "{language}" where the name of its language goes.
        code: a function without its own documentation.
        language: a name or alias of its language.
        window: tokens, special ones included.
    """
    before, after = prompt_parts(prompt, language)
    head, tail = encode(before + code.strip("\n"), True), encode(after, False)
    return head[: max(1, window - len(tail))] + tail


def prompt_parts(prompt: str, language: str) -> tuple[str, str]:
    """What stands before the function and behind it in a prompt for a language."""
    before, _, after = prompt.replace("{language}", find_language(language).name).partition("{code}")
    return before, after
