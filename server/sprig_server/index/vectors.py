"""Dense search: the vectors of an index in memory, compared with a query by one matrix product."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from sprig_server.index.store import Store
from sprig_server.types import Vectors


class VectorTable:
    """The vectors of one index, read again only after the index has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._version: tuple[int, int] | None = None
        self._tables: dict[str, tuple[NDArray[np.int64], Vectors]] = {}

    def search(self, bundle: str, query: Vectors, limit: int) -> list[tuple[int, float]]:
        """(definition id, cosine) of the nearest definitions, best first.

        Args:
            bundle: the digest of the bundle that encoded the query.
            query: float32 [1, d], L2-normalised.
        """
        ids, vectors = self._table(bundle)
        if not len(ids):
            return []
        scores = vectors @ query[0]  # [n]
        count = min(limit, len(scores))
        nearest = np.argpartition(-scores, count - 1)[:count]
        nearest = nearest[np.lexsort((ids[nearest], -scores[nearest]))]
        return [(int(ids[row]), float(scores[row])) for row in nearest]

    def _table(self, bundle: str) -> tuple[NDArray[np.int64], Vectors]:
        with self._lock:
            version = self._store.version()
            if version != self._version:
                self._tables.clear()
                self._version = version
            if bundle not in self._tables:
                self._tables[bundle] = self._store.vectors(bundle)
            return self._tables[bundle]
