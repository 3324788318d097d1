"""Vector search: the vectors of an index in memory, compared with a query by one matrix product."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from sprig_server.index.store import Position, Store, VectorChanges
from sprig_server.types import Vectors


class VectorTable:
    """The vectors of one bundle for definitions in some languages. Each search first loads what has changed."""

    def __init__(self, store: Store, bundle: str, languages: tuple[str, ...]) -> None:
        self._store = store
        self._bundle = bundle
        self._languages = languages
        self._lock = threading.Lock()
        self._position: Position | None = None
        # The first `_count` rows are in use, in no order; the others are spare.
        self._count = 0
        self._ids: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._vectors: Vectors = np.zeros((0, 0), dtype=np.float32)
        self._rows: dict[int, int] = {}

    def search(self, query: Vectors, limit: int) -> list[tuple[int, float]]:
        """(definition id, cosine) of the nearest definitions, best first.

        Args:
            query: float32 [1, d], L2-normalised, from the bundle of this table.
        """
        with self._lock:
            self._catch_up()
            if not self._count:
                return []
            ids, scores = self._ids[: self._count].copy(), self._vectors[: self._count] @ query[0]  # [n]
        count = min(limit, len(scores))
        nearest = np.argpartition(-scores, count - 1)[:count]
        nearest = nearest[np.lexsort((ids[nearest], -scores[nearest]))]
        return [(int(ids[row]), float(scores[row])) for row in nearest]

    def _catch_up(self) -> None:
        if self._position == self._store.position():
            return
        changes = self._store.vectors(self._bundle, self._languages, self._position or Position())
        if changes.whole:
            self._ids, self._vectors, self._count = changes.ids, changes.vectors, len(changes.ids)
            self._rows = dict(zip(changes.ids.tolist(), range(self._count), strict=True))
        else:
            for definition in changes.removed:
                self._remove(definition)
            self._add(changes)
        self._position = changes.position

    def _remove(self, definition: int) -> None:
        """Remove a definition: the last row takes its place."""
        row = self._rows.pop(definition, None)
        if row is None:
            return
        self._count -= 1
        if row < self._count:
            self._ids[row], self._vectors[row] = self._ids[self._count], self._vectors[self._count]
            self._rows[int(self._ids[row])] = row

    def _add(self, changes: VectorChanges) -> None:
        new = [place for place, item in enumerate(changes.ids.tolist()) if item not in self._rows]
        if not new:
            return
        end = self._count + len(new)
        if end > len(self._ids) or self._vectors.shape[1] != changes.vectors.shape[1]:
            self._grow(2 * end, changes.vectors.shape[1])
        self._ids[self._count : end], self._vectors[self._count : end] = changes.ids[new], changes.vectors[new]
        self._rows.update(zip(changes.ids[new].tolist(), range(self._count, end), strict=True))
        self._count = end

    def _grow(self, rows: int, dimensions: int) -> None:
        ids, vectors = np.zeros(rows, dtype=np.int64), np.zeros((rows, dimensions), dtype=np.float32)
        if self._count:
            ids[: self._count], vectors[: self._count] = self._ids[: self._count], self._vectors[: self._count]
        self._ids, self._vectors = ids, vectors
