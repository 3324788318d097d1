"""Identifiers and prose cut into words, for the lexical index and for matching names with questions."""

from __future__ import annotations

import re

_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
_SHAPE = re.compile(r"X+(?=Xx)|X?x+|X+|\d+|[^\W\dXx_]+|-+")
_IDENTIFIER = re.compile(r"\w+")

# Words of a question that say nothing about the code it asks for.
STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "by",
        "can",
        "could",
        "do",
        "does",
        "done",
        "for",
        "from",
        "get",
        "gets",
        "given",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "me",
        "my",
        "of",
        "on",
        "or",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "this",
        "to",
        "up",
        "use",
        "used",
        "uses",
        "using",
        "via",
        "want",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "work",
        "works",
        "would",
        "you",
        "your",
    ]
)


def split_identifier(identifier: str) -> list[str]:
    """The lower-cased words of an identifier: ["parse", "http", "url", "2"] for `parseHTTP_url2`."""
    if identifier.isascii():
        return [piece.lower() for piece in _PIECE.findall(identifier)]
    # The same for letters of any script: "X" for an upper-case one, "x" for a lower-case one, "-" for one without case.
    shape = "".join("X" if c.isupper() else "x" if c.islower() else "-" if c.isalpha() else c for c in identifier)
    return [identifier[m.start() : m.end()].lower() for m in _SHAPE.finditer(shape)]


def split_words(text: str) -> list[str]:
    """The lower-cased words of a text; a compound identifier gives itself and then its parts."""
    words: list[str] = []
    for identifier in _IDENTIFIER.findall(text):
        parts = split_identifier(identifier)
        if len(parts) > 1:
            words.append(identifier.lower())
        words.extend(parts)
    return words


def identifiers(text: str) -> list[str]:
    """The identifiers of a text that are written as code: with an inner capital, an underscore or a digit."""
    return [word for word in _IDENTIFIER.findall(text) if len(split_identifier(word)) > 1]


def stem(word: str) -> str:
    """A crude English stem, the same for "parsing", "parses", "parsed" and "parse"; for comparing words only."""
    for suffix in (
        "ations",
        "ation",
        "ings",
        "ing",
        "ers",
        "ies",
        "ied",
        "ed",
        "es",
        "er",
        "or",
        "s",
        "e",
        "y",
    ):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word
