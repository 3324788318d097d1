"""Grounding: whether the words of a sentence about a function come from the function.

A sentence that names things which the code does not contain is invented, and teaches a model to invent. Its content
words must come from the function, or be common words of programming.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from sprig_export.corpus.sentence_words import COMMON, FILLER
from sprig_server.code.words import split_identifier, stem

_SHORTEST_PREFIX = 3  # "dir" in the code stands for "directory" in the sentence

_PIECE = re.compile(r"[A-Za-z][A-Za-z0-9_.]*[A-Za-z0-9_]|[A-Za-z]|\d+(?:\.\d+)?")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*|\d+")
_QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'|`([^`]*)`")
_SMALL = ("0", "1", "2")  # numbers that need not be in the code


@dataclass(frozen=True, slots=True)
class Grounding:
    """The grounding of a sentence's content words without its verb: how many different words there are, the share from
    the function, the share from the function or the common words, and the share in the function's name.
    """

    words: int
    own: float
    known: float
    named: float


def ground(sentence: str, name: str, code: str) -> Grounding:
    """The grounding of a sentence's content words, without its first word.

    Args:
        name: the function's qualified name.
        code: the function without its documentation.
    """
    words = list(dict.fromkeys(content_words(sentence)))
    if not words:
        return Grounding(0, 0.0, 0.0, 0.0)
    own, named = code_stems(code), code_stems(name.rpartition(".")[2].rpartition("::")[2])
    from_code = [_stands_in(word, own) for word in words]
    known = [there or _is_common(word) for there, word in zip(from_code, words, strict=True)]
    in_name = [_stands_in(word, named) for word in words]
    return Grounding(len(words), *(sum(found) / len(words) for found in (from_code, known, in_name)))


def content_words(sentence: str) -> list[str]:
    """The content words of a sentence after its first word, in lower case, with identifiers split into parts."""
    pieces = [piece for text in _PIECE.findall(sentence)[1:] for piece in split_identifier(text)]
    return [word for word in pieces if word not in FILLER and (len(word) > 1 or word.isdigit())]


def names_what_is_there(sentence: str, code: str) -> bool:
    """Whether every number, name, acronym, quotation and identifier in a sentence, except its first word, is in the
    code.
    """
    lowered, stems = code.lower(), code_stems(code)
    if any("".join(quoted).lower() not in lowered for quoted in _QUOTED.findall(sentence)):
        return False
    for piece in _PIECE.findall(sentence)[1:]:
        if piece.isdigit() and piece not in _SMALL and piece not in lowered:
            return False
        written = any(mark in piece for mark in "_.") or piece != piece.lower()
        if written and piece.lower() not in lowered and not _in_parts(piece, stems):
            return False
    return True


def code_stems(code: str) -> frozenset[str]:
    """The words in a text, including those in identifiers and strings, and their stems."""
    words = {word for text in _IDENTIFIER.findall(code) for word in (*split_identifier(text), text.lower())}
    return frozenset({stem(word) for word in words} | words)


@cache
def _common_stems() -> frozenset[str]:
    return frozenset(stem(word) for word in COMMON)


def _is_common(word: str) -> bool:
    return word in COMMON or stem(word) in _common_stems()


def _stands_in(word: str, stems: frozenset[str]) -> bool:
    if word in stems or stem(word) in stems:
        return True
    return any(word[:size] in stems for size in range(_SHORTEST_PREFIX, len(word)))  # abbreviated in the code


def _in_parts(piece: str, stems: frozenset[str]) -> bool:
    parts = split_identifier(piece)
    return bool(parts) and all(stem(part) in stems or part in stems or part.rstrip("s") in stems for part in parts)
