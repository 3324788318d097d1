"""Keeping definitions of an earlier text in a later one: in an unfinished text, the parser loses unchanged definitions
or misreads them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from sprig_server.code.functions import span_of
from sprig_server.code.last_good_scopes import Piece, keep_scopes
from sprig_server.code.lines import Lines
from sprig_server.code.parsed_source import ParsedSource
from sprig_server.types import Definition

_LONGEST_KEY = 40  # characters
_MOST_SEARCHED = 200
_MOST_OCCURRENCES = 50


def keep_last_good(last: ParsedSource, now: ParsedSource) -> ParsedSource:
    """A version of a text with the unchanged parts of the previous one.

    In an unfinished text, unchanged code keeps the definitions, calls and scopes of the last whole version. The rest is
    as parsed. A whole text keeps nothing.
    """
    known = [d for d in (last.definitions if last.whole else last.kept) if d.kind != "module"]
    if now.whole or not known or now.language != last.language:
        return now
    lines = Lines(now.text)
    read = {d.name_span.start: d for d in now.definitions if d.kind != "module"}
    standing = find_standing([mark_of(last.text, d) for d in known], now)
    kept = []
    for before, start in zip(known, standing.starts, strict=True):
        if start is None:
            continue
        definition = _moved(before, start, lines)
        other = read.get(definition.name_span.start)
        if other is not None and _is_same(other, definition):
            definition = other  # the comments above, which are not part of it, may have changed
        kept.append(definition)
    modules = [d for d in now.definitions if d.kind == "module"]
    found = sorted([*kept, *standing.new], key=lambda d: (d.kind == "class", d.span.start, -d.span.end))
    calls = _calls(last, now, standing.unchanged)
    classes = {
        before.name_span.start: start + before.name_span.start - before.span.start
        for before, start in zip(known, standing.starts, strict=True)
        if before.kind == "class" and start is not None
    }
    scopes = keep_scopes(last.scopes, now.scopes, standing.unchanged, classes)
    return replace(now, definitions=(*found, *modules), calls=calls, kept=tuple(kept), scopes=scopes)


@dataclass(frozen=True, slots=True)
class Standing:
    """The known definitions in an unfinished text: where each `starts`, None if it is gone; the `new` definitions
    besides them; and the `unchanged` pieces of the text.
    """

    starts: list[int | None]
    new: list[Definition]
    unchanged: list[Piece]


def find_standing(known: Sequence[Mark], now: ParsedSource) -> Standing:
    """Find the definitions with these marks in an unfinished text."""
    starts = places(known, now.text, now.comments)
    found = [(mark, start) for mark, start in zip(known, starts, strict=True) if start is not None]
    names = {start + mark.name for mark, start in found}
    unchanged = _outer([(start, start + mark.length, start - mark.start) for mark, start in found if mark.is_whole])
    inside = np.array([piece[:2] for piece in unchanged], dtype=np.int64).reshape(-1, 2)
    read = {d.name_span.start: d for d in now.definitions if d.kind != "module"}
    new = [d for at, d in read.items() if at not in names and not _is_inside(at, inside)]
    return Standing(starts, new, unchanged)


def _moved(definition: Definition, start: int, lines: Lines) -> Definition:
    shift = start - definition.span.start
    span, name = definition.span, definition.name_span
    end = min(span.end + shift, len(lines.text))
    return replace(
        definition,
        span=span_of(lines, start, end),
        name_span=span_of(lines, name.start + shift, name.end + shift),
    )


def _is_same(read: Definition, before: Definition) -> bool:
    """Whether the parser reads a definition as before. The functions of a class may have changed."""
    if (read.qualified_name, read.kind) != (before.qualified_name, before.kind):
        return False
    return before.kind == "class" or (read.span == before.span and read.code == before.code)


def _outer(pieces: list[Piece]) -> list[Piece]:
    """The definitions that are not inside another one, in text order."""
    outer: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (piece[0], -piece[1])):
        if not outer or piece[0] >= outer[-1][1]:
            outer.append(piece)
    return outer


def _calls(last: ParsedSource, now: ParsedSource, unchanged: list[Piece]) -> NDArray[np.int64]:
    """The calls of the old text where the text is unchanged, and of the new text elsewhere."""
    found, place = [], 0
    for start, end, shift in unchanged:
        before = _within(last.calls, start - shift, end - shift)
        found += [_within(now.calls, place, start), np.add(before, (shift, shift, shift, 0))]
        place = end
    return np.concatenate([*found, _within(now.calls, place, len(now.text) + 1)])


def _within(calls: NDArray[np.int64], start: int, end: int) -> NDArray[np.int64]:
    first, last = np.searchsorted(calls[:, 0], (start, end))
    return calls[first:last]


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark for recognising the text of a definition.

    The text has `length` characters with the digest `digest`. It begins `start` characters from the start of its file
    and `behind` from the end. The `key`, the name and the following text, is `name` characters further on. Unless it
    `is_whole`, as for a class, the text ends at the name, because functions may change without their class.
    """

    start: int
    behind: int
    length: int
    name: int
    key: str
    digest: str
    is_whole: bool


def mark_of(text: str, definition: Definition) -> Mark:
    """The mark of a definition in its text."""
    start, name = definition.span.start, definition.name_span
    is_whole = definition.kind != "class"
    end = definition.span.end if is_whole else name.end
    key = text[name.start : min(end, name.start + _LONGEST_KEY)]
    return Mark(start, len(text) - start, end - start, name.start - start, key, _digest(text[start:end]), is_whole)


def places(marks: Sequence[Mark], text: str, comments: NDArray[np.int64]) -> list[int | None]:
    """Where the definitions with these marks begin in a text; None if one has changed, or is in a comment now.

    An edit does not move the text before it, and moves everything behind it alike. Definitions between two edits are
    searched for.

    Args:
        comments: the characters [start, end) of the comments, in text order, int64 [n, 2].
    """
    found: list[int | None] = []
    searched = 0
    taken: set[tuple[int, int, int]] = set()
    for mark in marks:
        ends = (mark.start, len(text) - mark.behind)
        place = next((start for start in ends if _stands(mark, text, start)), None)
        if place is None and searched < _MOST_SEARCHED:
            searched += 1
            place = _search(mark, text)
        claim = (place or 0, mark.length, mark.name)
        if place is not None and (claim in taken or _is_inside(place + mark.name, comments)):
            place = None
        if place is not None:
            taken.add(claim)
        found.append(place)
    return found


def _stands(mark: Mark, text: str, start: int) -> bool:
    end = start + mark.length
    if start < 0 or end > len(text) or not text.startswith(mark.key, start + mark.name):
        return False
    return _digest(text[start:end]) == mark.digest


def _search(mark: Mark, text: str) -> int | None:
    """The position of a definition; None if there are several, because it is unknown which is meant."""
    starts = (at - mark.name for at in islice(_occurrences(mark.key, text), _MOST_OCCURRENCES))
    found = [start for start in starts if _stands(mark, text, start)]
    return found[0] if len(found) == 1 else None


def _occurrences(key: str, text: str) -> Iterator[int]:
    at = text.find(key)
    while at >= 0:
        yield at
        at = text.find(key, at + 1)


def _is_inside(offset: int, spans: NDArray[np.int64]) -> bool:
    place = int(np.searchsorted(spans[:, 0], offset, side="right")) - 1
    return place >= 0 and offset < spans[place, 1]


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
