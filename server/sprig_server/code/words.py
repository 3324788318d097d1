"""Splitting identifiers and prose into words, for the full-text index and for matching names with questions."""

from __future__ import annotations

import re
import unicodedata

_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
_SHAPE = re.compile(r"X+(?=Xx)|X?x+|X+|\d+|[^\W\dXx_]+|-+")
# Scripts without spaces between words: Chinese, Japanese, Thai, Lao, Burmese, Khmer; and Korean, whose particles follow
# a word without a space. Full-width and half-width forms are normalized before matching.
_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
_HANGUL = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"
_BOPOMOFO = "\u3105-\u312f\u31a0-\u31bf"
# The vowels of these scripts are marks, which \w does not match.
_SOUTH_EAST_ASIAN = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3"
_UNSPACED = re.compile(f"([{_HAN}{_KANA}{_HANGUL}{_BOPOMOFO}{_SOUTH_EAST_ASIAN}]+)")
_LONE_HAN = re.compile(f"(?<![{_HAN}])[{_HAN}](?![{_HAN}])")
_IDENTIFIER = re.compile(rf"[\w{_SOUTH_EAST_ASIAN}]+")

# Words of a question that do not describe the code it asks for.
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
    """The lower-cased words of an identifier: ["parse", "http", "url", "2"] for `parseHTTP_url2`.

    A run of a script without spaces gives each pair of neighbours: ["读取", "取文", "文件"] for `读取文件`.
    """
    return [word for segment in _segments(_normalize(identifier)) for word in _words_of(segment)]


def split_words(text: str) -> list[str]:
    """The lower-cased words of a text. A compound identifier gives itself and then its parts."""
    words: list[str] = []
    for identifier in _IDENTIFIER.findall(_normalize(text)):
        segments = _segments(identifier)
        if len(segments) > 1:
            words.append(identifier.lower())
        words.extend(word for segment in segments for word in _words_of(segment))
    return words


def index_words(text: str) -> list[str]:
    """The words of a text for the full-text index: its words, and every single character of scripts without spaces.

    If the text contains a run without spaces, the result contains the `split_words` of each part of the run.
    """
    words = split_words(text)
    if not text.isascii():
        runs = _UNSPACED.findall(_normalize(text))
        words.extend(character for run in runs if len(run) > 1 for character in run.lower())
    return words


def identifiers(text: str) -> list[str]:
    """The words of a text that look like code: with an inner capital, an underscore or a digit."""
    return [word for word in _IDENTIFIER.findall(_normalize(text)) if len(_segments(word)) > 1]


def _normalize(text: str) -> str:
    """Full-width letters, half-width kana and letters with combining marks become the usual characters."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _segments(identifier: str) -> list[str]:
    """The parts of a normalized identifier as written. A run of a script without spaces is one part."""
    if identifier.isascii():
        return _PIECE.findall(identifier)
    segments: list[str] = []
    for place, piece in enumerate(_UNSPACED.split(identifier)):
        if place % 2:
            segments.append(piece)
        else:
            # "X" for an upper-case letter of any script, "x" for a lower-case one, "-" for one without case.
            shape = "".join("X" if c.isupper() else "x" if c.islower() else "-" if c.isalpha() else c for c in piece)
            segments.extend(piece[m.start() : m.end()] for m in _SHAPE.finditer(shape))
    return segments


def _words_of(segment: str) -> list[str]:
    """The words of one part: itself, or the pairs of characters of a run, because its words have no boundaries.

    A single Han character among kana is a word too: it is the stem that `読む` and `読み込む` share.
    """
    if segment.isascii() or len(segment) == 1 or not _UNSPACED.fullmatch(segment):
        return [segment.lower()]
    pairs = [segment[place : place + 2] for place in range(len(segment) - 1)]
    return [word.lower() for word in (*pairs, *_LONE_HAN.findall(segment))]


def stem(word: str) -> str:
    """A rough English stem, the same for "parsing", "parses", "parsed" and "parse". Use it only to compare words."""
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
