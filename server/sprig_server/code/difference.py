"""The changed range between two versions of a text, and where a position was in the old version."""

from __future__ import annotations

from dataclasses import dataclass

_LONGEST_WORD = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """The characters [start, old_end) of the old text were replaced by [start, new_end) of the new text."""

    start: int
    old_end: int
    new_end: int


def difference(old: str, new: str) -> Difference:
    """The shortest range outside which two texts are equal."""
    start = _common(old, new, from_end=False)
    behind = min(_common(old, new, from_end=True), min(len(old), len(new)) - start)
    return Difference(start, len(old) - behind, len(new) - behind)


def old_offset(old: str, new: str, offset: int) -> int | None:
    """Where the character at `offset` of the new text was in the old one; None if its word has changed."""
    changed = difference(old, new)
    first, last = offset, offset
    while first > max(0, offset - _LONGEST_WORD) and _in_word(new[first - 1]):
        first -= 1
    while last < min(len(new), offset + _LONGEST_WORD) and _in_word(new[last]):
        last += 1
    if last <= changed.start:
        return offset if not _in_word(old[last : last + 1]) else None
    shift = changed.old_end - changed.new_end
    if first < changed.new_end or _in_word(old[max(0, first + shift - 1) : first + shift]):
        return None
    return offset + shift


def _in_word(character: str) -> bool:
    return character.isalnum() or character in "_$"


def _common(old: str, new: str, from_end: bool) -> int:
    """How many characters two texts share at one end. Found by bisection, because comparing slices is fast."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if from_end:
            same = old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]
        else:
            same = old[low:middle] == new[low:middle]
        low, high = (middle, high) if same else (low, middle - 1)
    return low
