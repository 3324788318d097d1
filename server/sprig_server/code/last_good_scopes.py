"""The scopes of an unfinished text: those of the last whole version where the text is unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sprig_server.code.scopes import Binding, Scope

Piece = tuple[int, int, int]
"""The characters [start, end) of a text, and how far they have moved."""


def keep_scopes(
    last: Sequence[Scope], now: Sequence[Scope], unchanged: Sequence[Piece], classes: Mapping[int, int]
) -> tuple[Scope, ...]:
    """The scopes of an unfinished text: of its unchanged pieces those of the last version, of the rest those as parsed.

    A piece stays in the class that it was in. If the parser does not find that class, it stands as it was.

    Args:
        last: the scopes of the last version, the module first.
        now: the scopes of the text as parsed, the module first.
        unchanged: in text order, with the places in the text as it is now.
        classes: where the names of unchanged classes stand, by where they stood.
    """
    if not last or not now:
        return tuple(now)
    merge = _Merge(last, now, unchanged, classes)
    merge.take_parsed()
    merge.take_unchanged()
    return tuple(
        replace(scope, bindings=tuple(sorted(bindings, key=lambda binding: binding.start)))
        for scope, bindings in zip(merge.scopes, merge.bindings, strict=True)
    )


class _Merge:
    """The merged scopes, and where those of both versions are among them."""

    def __init__(
        self, last: Sequence[Scope], now: Sequence[Scope], unchanged: Sequence[Piece], classes: Mapping[int, int]
    ) -> None:
        self.scopes: list[Scope] = []
        self.bindings: list[list[Binding]] = []
        self._last, self._now, self._classes = last, now, classes
        self._pieces = np.array(unchanged, dtype=np.int64).reshape(-1, 3)
        self._of_last = {0: 0}

    def take_parsed(self) -> None:
        """Take what begins outside of the unchanged pieces, as parsed."""
        places: dict[int, int] = {-1: -1}
        for place, scope in enumerate(self._now):
            if place == 0 or self._moved(scope.start, before=False) is None:
                places[place] = self._add(scope, places[scope.parent])
            else:
                places[place] = places[scope.parent]
        for place, scope in enumerate(self._now):
            self._bind(places[place], scope.bindings, places, before=False)

    def take_unchanged(self) -> None:
        """Take what the unchanged pieces had in the last version."""
        for place, scope in enumerate(self._last[1:], 1):
            shift = self._moved(scope.start, before=True)
            if shift is not None:
                moved = replace(scope, start=scope.start + shift, end=scope.end + shift)
                self._of_last[place] = self._add(moved, self._place(scope.parent))
        for place, scope in enumerate(self._last):
            if any(self._moved(binding.start, before=True) is not None for binding in scope.bindings):
                self._place(place)
        for place, scope in enumerate(self._last):
            if place in self._of_last:
                self._bind(self._of_last[place], scope.bindings, self._of_last, before=True)

    def _moved(self, offset: int, before: bool) -> int | None:
        """How far the unchanged piece has moved that an offset of one of the versions is in; None if it is in none."""
        shifts = self._pieces[:, 2]
        starts, ends = (self._pieces[:, column] - (shifts if before else 0) for column in (0, 1))
        piece = int(np.searchsorted(starts, offset, side="right")) - 1
        return int(shifts[piece]) if piece >= 0 and offset < ends[piece] else None

    def _add(self, scope: Scope, parent: int) -> int:
        self.scopes.append(replace(scope, parent=parent, bindings=()))
        self.bindings.append([])
        return len(self.scopes) - 1

    def _bind(self, owner: int, bindings: Iterable[Binding], places: Mapping[int, int], before: bool) -> None:
        for binding in bindings:
            shift = self._moved(binding.start, before)
            if (shift is not None) == before:
                within, inner = places.get(binding.within, owner), places.get(binding.inner, -1)
                start = binding.start + (shift or 0)
                self.bindings[owner].append(replace(binding, start=start, within=within, inner=inner))

    def _place(self, place: int) -> int:
        """Where a scope of the last version is now, or the scope around it."""
        if place in self._of_last:
            return self._of_last[place]
        scope, parent = self._last[place], self._place(self._last[place].parent)
        standing = self._standing(scope, parent)
        if standing is None:
            standing = self._lost(place, parent)
        self._of_last[place] = standing if standing is not None else parent
        return self._of_last[place]

    def _standing(self, scope: Scope, parent: int) -> int | None:
        """The scope of that kind and name as it is now; one without a name stands before the edit, or moved with it."""
        moved = self._now[0].end - self._last[0].end
        known = (scope.kind, scope.name, parent)
        alike = [p for p, s in enumerate(self.scopes) if (s.kind, s.name, s.parent) == known]
        same = [p for p in alike if self.scopes[p].start in (scope.start, scope.start + moved)]
        return next(iter(same or (alike if scope.name else [])), None)

    def _lost(self, place: int, parent: int) -> int | None:
        """A scope that the parser does not find. It is unchanged, but for classes, of which that has to be known."""
        scope = self._last[place]
        own = next((b for b in self._last[scope.parent].bindings if b.inner == place), None)
        start = self._classes.get(own.start) if own is not None else None
        if scope.kind == "class" and scope.name and start is None:
            return None
        added = self._add(replace(scope, start=start or 0, end=start or 0), parent)
        if own is not None and start is not None:
            self.bindings[parent].append(replace(own, start=start, within=parent, inner=added))
        return added
