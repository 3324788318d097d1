"""Lines, columns and encodings: the one place where they are computed (DESIGN invariant 10).

A line ends at "\\n", "\\r\\n" or "\\r" as the Language Server Protocol says, and nowhere else: `str.splitlines` also
breaks at form feeds and other separators, which would shift every position below them.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from contextlib import suppress
from typing import Literal

import numpy as np
from numpy.typing import NDArray

PositionEncoding = Literal["utf-8", "utf-16", "utf-32"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")

_FEED, _RETURN = 10, 13
_WHITE = " \t\f\v\x1c\x1d\x1e\x1f\x85\xa0\u2028\u2029"

_CODING = re.compile(rb"coding[:=][ \t]*([-\w.]+)")

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode(data: bytes) -> str:
    """The text of a source file, without its byte order mark.

    UTF-8 unless a mark says otherwise. A file that is not valid UTF-8 is read as one of its first two lines says
    ("coding: cp1251", as Python and editors read it), otherwise as Latin-1, in which every byte is a character, so
    that nothing is ever refused and line numbers stay right.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        told = _CODING.search(b"\n".join(data[:500].splitlines()[:2]))
        with suppress(LookupError, ValueError):  # no encoding of that name, or not one of texts
            encoding = told[1].decode("ascii") if told else "latin-1"
            if b"coding:\n".decode(encoding) == "coding:\n":  # otherwise it could not say so
                return data.decode(encoding, errors="replace")
        return data.decode("latin-1")


def has_byte_order_mark(data: bytes) -> bool:
    """Whether a file begins with the mark of an encoding."""
    return any(data.startswith(mark) for mark, _ in _BYTE_ORDER_MARKS)


def well_formed(text: str) -> str:
    """`text` as it can be encoded: each lone surrogate becomes U+FFFD, so that all offsets and positions stay."""
    return _SURROGATE.sub("\ufffd", text)


def split_lines(text: str) -> list[str]:
    """The lines of `text` with their endings; joined they are `text` again."""
    return _LINE.findall(text)


def with_feeds_only(text: str) -> str:
    """`text` with a line feed at the end of every line."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def without_indentation(text: str) -> str:
    """What a documentation says: lines without the indentation that all but the first have in common, and no blank ones
    around them. Other than by `inspect.cleandoc`, tabs inside of a line stay."""
    first, *others = text.split("\n")
    others = [line[: len(line) - len(line.lstrip())].expandtabs() + line.lstrip() for line in others]
    depth = min((len(line) - len(line.lstrip()) for line in others if line.strip()), default=0)
    return "\n".join([first.lstrip(), *(line[depth:] for line in others)]).strip()


class Lines:
    """The line starts of one text, and conversions between offsets in characters and protocol positions."""

    __slots__ = ("starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        points = _points(text)
        returns = points == _RETURN
        returns[:-1] &= points[1:] != _FEED  # of "\r\n" the second ends the line
        self.starts: list[int] = [0, *(np.flatnonzero((points == _FEED) | returns) + 1).tolist()]

    def __len__(self) -> int:
        return len(self.starts)

    def line_of(self, offset: int) -> int:
        """The 0-based line that holds the character at `offset`."""
        return bisect_right(self.starts, offset) - 1

    def line(self, number: int) -> str:
        """Line `number` (0-based) without its ending; "" past the end."""
        if not 0 <= number < len(self.starts):
            return ""
        end = self.starts[number + 1] if number + 1 < len(self.starts) else len(self.text)
        return self.text[self.starts[number] : end].rstrip("\r\n")

    def offset(self, line: int, character: int, encoding: PositionEncoding) -> int:
        """The offset in characters of a protocol position, clamped to the text."""
        if line < 0:
            return 0
        if line >= len(self.starts):
            return len(self.text)
        content = self.line(line)
        if encoding == "utf-32" or content.isascii():
            return self.starts[line] + min(max(character, 0), len(content))
        ends = np.cumsum(_units(content, encoding))
        return self.starts[line] + min(int(np.searchsorted(ends, character)) + (character > 0), len(content))

    def blanks_before(self, offset: int) -> int:
        """Where the blanks and tabs begin that stand right before `offset`."""
        return self._back(offset, " \t")

    def starts_line(self, offset: int) -> bool:
        """Whether nothing but white space stands before `offset` on its line."""
        return self._back(offset, _WHITE) == self.starts[self.line_of(offset)]

    def _back(self, offset: int, over: str) -> int:
        start = self.starts[self.line_of(offset)]
        while offset > start and self.text[offset - 1] in over:
            offset -= 1
        return offset

    def position(self, offset: int, encoding: PositionEncoding) -> tuple[int, int]:
        """The protocol position (line, character) of an offset in characters."""
        offset = min(max(offset, 0), len(self.text))
        line = self.line_of(offset)
        before = self.text[self.starts[line] : offset]
        if encoding == "utf-32" or before.isascii():
            return line, len(before)
        return line, int(_units(before, encoding).sum())


def _points(text: str) -> NDArray[np.unsignedinteger]:
    """The code points of a text, uint8 or uint32 [len(text)]."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _units(text: str, encoding: PositionEncoding) -> NDArray[np.int64]:
    """How many units each character has, int64 [len(text)]."""
    points = _points(text)
    if encoding == "utf-16":
        return 1 + (points > 0xFFFF).astype(np.int64)
    return np.searchsorted((0x80, 0x800, 0x10000), points, side="right") + 1
