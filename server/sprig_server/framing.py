"""Splitting bytes into messages: the framing of the base protocol, which recovers from any input.

A JSON text has no line ends inside strings, so a line "Content-Length: N" never occurs inside a message. Wherever it
occurs, a message begins, and reading continues there after a fault. No IO here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from sprig_server.code.lines import well_formed

# Far more than any document in an editor has. A client that announces more has miscounted.
MAX_LENGTH = 1 << 27
_MAX_HEADER = 1 << 14
_MAX_LENGTH_LINE = 64

_USUAL = b"Content-Length"
_FIELD = re.compile(rb"([A-Za-z][A-Za-z0-9-]*)[ \t]*:[ \t]*(.*?)[ \t]*")
_BEGINNING_OF_FIELD = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*[ \t]*(?::.*)?)?\r?")
_LENGTH_LINE = re.compile(rb"content-length[ \t]*:[ \t]*[0-9]+[ \t]*\r?\n\Z", re.IGNORECASE)
_CHARSET = re.compile(rb'charset[ \t]*=[ \t]*"?([^";, \t]*)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parsed:
    """One JSON value of the stream. Every string in it can be encoded."""

    value: Any


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the stream, without its content. A body that cannot be read must be answered."""

    reason: str
    answer: bool = False


class Framing:
    """Bytes that have arrived and are not read yet. After a fault, everything before the next plausible header is
    skipped.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._length: int | None = None  # of the next body; None if a header comes next
        self._searched = 0  # no header begins before this position
        self._lost = False
        self._told = False

    def feed(self, data: bytes) -> Iterator[Parsed | Fault]:
        """The messages that `data` completes, and the faults between them, in order."""
        self._buffer += data
        while (found := self._next()) is not None:
            yield found

    def _next(self) -> Parsed | Fault | None:
        """The next message or fault; None if more data is needed."""
        if self._lost and not self._find_header():
            return None
        if self._length is None:
            fault = self._read_header()
            if fault is not None or self._length is None:
                return fault
        return self._read_body(self._length)

    def _read_header(self) -> Fault | None:
        """Read the header at the front and set `_length`, which stays None if the header is not complete yet."""
        while self._buffer[:2] == b"\r\n" or self._buffer[:1] == b"\n":  # some clients end a message with a new line
            del self._buffer[: 2 if self._buffer[0] == 13 else 1]
        place, length, foreign, unusual = 0, None, False, False
        while True:
            end = self._buffer.find(b"\n", place, _MAX_HEADER)
            if end < 0:
                begun = bytes(self._buffer[place:_MAX_HEADER])
                if len(self._buffer) >= _MAX_HEADER or not _BEGINNING_OF_FIELD.fullmatch(begun):
                    return self._lose(place, "a header was expected, and something else came")
                return None
            line = bytes(self._buffer[place:end]).removesuffix(b"\r")
            if not line:
                break
            field = _FIELD.fullmatch(line)
            if field is None:
                return self._lose(place, "a header was expected, and something else came")
            place = end + 1
            name, value = field[1].lower(), field[2]
            if name == b"content-length":
                if not value.isdigit() or len(value) > 10 or int(value) > MAX_LENGTH:
                    return self._lose(place, f"a Content-Length is not a number of bytes from 0 to {MAX_LENGTH}")
                if length not in (None, int(value)):
                    return self._lose(place, "a header has two values for Content-Length")
                length = int(value)
            elif name == b"content-type":
                charset = _CHARSET.search(value)
                foreign = charset is not None and charset[1].lower() not in (b"utf-8", b"utf8")
            unusual = unusual or self._buffer[end - 1] != 13 or (name == b"content-length" and field[1] != _USUAL)
        if length is None:
            return self._lose(end, "a header has no Content-Length")
        if foreign:
            return self._lose(end, "a Content-Type names a character set that is not UTF-8", answer=True)
        del self._buffer[: end + 1]
        self._length, self._searched = length, 0
        if unusual and not self._told:
            self._told = True
            return Fault(
                'a header is not written as "Content-Length: N" with \\r\\n at its end; it is read nevertheless'
            )
        return None

    def _read_body(self, length: int) -> Parsed | Fault | None:
        if len(self._buffer) < length:
            # If the next message begins before this one ends, its end will never arrive.
            if self._find_length_line() is not None:
                return self._lose(0, "a message is shorter than its Content-Length", answer=True)
            return None
        try:
            value = parse_json(bytes(self._buffer[:length]))
        except (ValueError, RecursionError):
            return self._lose(0, "a message is not valid JSON in UTF-8 of the announced length", answer=True)
        del self._buffer[:length]
        self._length = None
        return Parsed(value)

    def _lose(self, place: int, reason: str, answer: bool = False) -> Fault:
        """Skip everything before `place`, and what follows up to the next header."""
        del self._buffer[:place]
        self._length, self._searched, self._lost = None, 0, True
        return Fault(reason, answer)

    def _find_header(self) -> bool:
        """Move to the next header; False if none has arrived."""
        found = self._find_length_line()
        if found is None:
            del self._buffer[: self._searched]
            self._searched = 0
            return False
        del self._buffer[:found]
        self._lost = False
        return True

    def _find_length_line(self) -> int | None:
        """Where the first line "Content-Length: N" begins; None if there is none yet."""
        end = self._buffer.find(b"\n", self._searched)
        while end >= 0:
            begin = max(0, end - _MAX_LENGTH_LINE)
            found = _LENGTH_LINE.search(self._buffer, begin, end + 1)
            if found:
                return found.start()
            end = self._buffer.find(b"\n", end + 1)
        self._searched = max(self._searched, len(self._buffer) - _MAX_LENGTH_LINE)
        return None


def parse_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8, with lone surrogates replaced by U+FFFD.

    Raises:
        ValueError: it is not JSON in UTF-8.
        RecursionError: it is nested too deeply.
    """
    text = body.decode("utf-8", "surrogatepass").removeprefix("\ufeff")
    value = json.loads(text, parse_constant=_refuse)
    if "\\ud" in text or "\\uD" in text or not _can_be_encoded(text):
        return json.loads(well_formed(json.dumps(value, ensure_ascii=False)))
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _can_be_encoded(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
