"""Lines, columns and encodings. They are computed here and nowhere else (DESIGN invariant 10).

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

    It is read as UTF-8 unless a byte order mark says otherwise. A file that is not valid UTF-8 is read in the encoding
    that one of its first two lines names ("coding: cp1251", as Python and editors do). Otherwise it is read as Latin-1,
    in which every byte is a character: no file is refused, and line numbers are right.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        told = _CODING.search(b"\n".join(data[:500].splitlines()[:2]))
        with suppress(LookupError, ValueError):  # not the name of a text encoding
            encoding = told[1].decode("ascii") if told else "latin-1"
            if b"coding:\n".decode(encoding) == "coding:\n":  # otherwise it could not say so
                return data.decode(encoding, errors="replace")
        return data.decode("latin-1")


def has_byte_order_mark(data: bytes) -> bool:
    """Whether a file begins with a byte order mark."""
    return any(data.startswith(mark) for mark, _ in _BYTE_ORDER_MARKS)


def well_formed(text: str) -> str:
    """`text` in a form that can be encoded: each lone surrogate becomes U+FFFD. Offsets and positions do not change."""
    return _SURROGATE.sub("\ufffd", text)


def split_lines(text: str) -> list[str]:
    """The lines of `text` with their endings. Joined, they are `text` again."""
    return _LINE.findall(text)


def with_feeds_only(text: str) -> str:
    """`text` with every line ending replaced by a line feed."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def without_indentation(text: str) -> str:
    """The text of a docstring: without the common indentation of all lines but the first, and without blank lines
    around it. Unlike `inspect.cleandoc`, it keeps tabs inside lines.
    """
    first, *others = text.split("\n")
    others = [line[: len(line) - len(line.lstrip())].expandtabs() + line.lstrip() for line in others]
    depth = min((len(line) - len(line.lstrip()) for line in others if line.strip()), default=0)
    return "\n".join([first.lstrip(), *(line[depth:] for line in others)]).strip()


class Lines:
    """The line starts of a text, and conversions between character offsets and protocol positions."""

    __slots__ = ("starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        points = _points(text)
        returns = points == _RETURN
        returns[:-1] &= points[1:] != _FEED  # in "\r\n" the second character ends the line
        self.starts: list[int] = [0, *(np.flatnonzero((points == _FEED) | returns) + 1).tolist()]

    def __len__(self) -> int:
        return len(self.starts)

    def line_of(self, offset: int) -> int:
        """The 0-based line of the character at `offset`."""
        return bisect_right(self.starts, offset) - 1

    def line(self, number: int) -> str:
        """Line `number` (0-based) without its ending; "" past the end."""
        if not 0 <= number < len(self.starts):
            return ""
        end = self.starts[number + 1] if number + 1 < len(self.starts) else len(self.text)
        return self.text[self.starts[number] : end].rstrip("\r\n")

    def offset(self, line: int, character: int, encoding: PositionEncoding) -> int:
        """The character offset of a protocol position, clamped to the text."""
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
        """Where the spaces and tabs right before `offset` begin."""
        return self._back(offset, " \t")

    def starts_line(self, offset: int) -> bool:
        """Whether only white space precedes `offset` on its line."""
        return self._back(offset, _WHITE) == self.starts[self.line_of(offset)]

    def _back(self, offset: int, over: str) -> int:
        start = self.starts[self.line_of(offset)]
        while offset > start and self.text[offset - 1] in over:
            offset -= 1
        return offset

    def position(self, offset: int, encoding: PositionEncoding) -> tuple[int, int]:
        """The protocol position (line, character) of a character offset."""
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
    """The number of code units of each character, int64 [len(text)]."""
    points = _points(text)
    if encoding == "utf-16":
        return 1 + (points > 0xFFFF).astype(np.int64)
    return np.searchsorted((0x80, 0x800, 0x10000), points, side="right") + 1
