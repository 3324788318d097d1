"""One workspace folder and its index: keep it up to date, search it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from sprig_server.code.languages import find_language
from sprig_server.code.outline import parse_outline
from sprig_server.errors import DamagedIndex, InvalidInput
from sprig_server.index import build
from sprig_server.index.lexical import search_lexical
from sprig_server.index.ranking import fuse, rank
from sprig_server.index.store import Entry, Statistics, Store, index_path
from sprig_server.index.vectors import VectorTable
from sprig_server.inference.models import Models
from sprig_server.types import Hit, LeftOut

Mode = Literal["hybrid", "dense", "lexical"]

# How many candidates each list contributes before the ranking (chosen on benchmarks/repo_search.py).
_CANDIDATES = 200


def _never() -> bool:
    return False


def _silent(stage: str, done: int, total: int) -> None:
    pass


class Workspace:
    """The index of one folder. Updating and searching use connections of their own and may run at the same time."""

    def __init__(self, root: Path, models: Models, outline: build.Outline = parse_outline) -> None:
        """Open or create the index of `root`.

        Args:
            outline: what parses its files.

        Raises:
            InvalidInput: `root` is not a folder.
            SprigError: the index cannot be written.
        """
        if not root.is_dir():
            raise InvalidInput(f'the workspace "{root}" is not a folder: give the folder with your source code')
        self.root = root.resolve()
        self.models = models
        self.outline = outline
        self.store = Store(index_path(self.root))
        self._reader = Store(self.store.path)
        self._table = VectorTable(self._reader)

    def _start_anew(self) -> None:
        """Leave the damaged file, which one of the two connections has deleted and made anew, with both."""
        self.close()
        self.store, self._reader = Store(self.store.path), Store(self.store.path)
        self._table = VectorTable(self._reader)

    def close(self) -> None:
        """Close the index."""
        self._reader.close()
        self.store.close()

    def update(
        self,
        buffers: dict[str, str] | None = None,
        first: Iterable[str] = (),
        report: build.Report = _silent,
        stop: Callable[[], bool] = _never,
        encode: bool = True,
    ) -> LeftOut:
        """Bring the whole index up to date.

        Args:
            buffers: texts of open documents by relative path.
            first: relative paths to encode before all others.
            report: called with stage, done, total.
            stop: asked between files and between batches.
            encode: False leaves out the vectors, which take nearly all of the time.

        Raises:
            Cancelled: `stop` returned True; what was done stays.
            InvalidBundle: a search bundle cannot be loaded.
        """
        try:
            left_out = build.update_files(self.store, self.root, buffers or {}, report, stop, self.outline)
        except DamagedIndex:
            self._start_anew()
            left_out = build.update_files(self.store, self.root, buffers or {}, report, stop, self.outline)
        if encode:
            build.encode_missing(self.store, self.models, first, report, stop)
        return left_out

    def update_file(self, path: str, buffer: str | None, stop: Callable[[], bool] = _never) -> None:
        """Bring one file up to date, from the buffer of its document or from disk, and encode what is new in it."""
        build.update_file(self.store, self.root, path, buffer, self.outline)
        build.encode_missing(self.store, self.models, [path], _silent, stop)

    def search(
        self,
        query: str,
        limit: int,
        language: str | None = None,
        mode: Mode = "hybrid",
        stop: Callable[[], bool] = _never,
    ) -> list[Hit]:
        """The best definitions for a question, from what is indexed so far.

        Raises:
            InvalidInput: an empty query, a limit below 1, or an unknown language.
            Cancelled: `stop` returned True.
            DamagedIndex: the index was unreadable; it is empty now, and the next update builds it.
        """
        if not query.strip():
            raise InvalidInput('the query "" is empty: say in a few words what the code you look for does')
        if limit < 1:
            raise InvalidInput(f"cannot give {limit} hits: ask for at least 1")
        wanted = find_language(language).name if language else None
        try:
            return self._search(query, limit, wanted, mode, stop)
        except DamagedIndex:
            self._start_anew()
            raise

    def _search(self, query: str, limit: int, wanted: str | None, mode: Mode, stop: Callable[[], bool]) -> list[Hit]:
        # Definitions in other languages are dropped later, so more candidates are needed where one is wanted.
        candidates = _CANDIDATES * (5 if wanted else 1)
        rankings = []
        if mode != "dense":
            rankings.append(search_lexical(self._reader, query, candidates))
        if mode != "lexical":
            rankings.append(self._search_dense(query, candidates, stop))
        scores = fuse([[item for item, _ in ranking] for ranking in rankings if ranking or mode != "hybrid"])
        entries = self._reader.entries(scores)
        if wanted:
            entries = {item: entry for item, entry in entries.items() if entry.language == wanted}
        if mode == "hybrid":
            self._add_named(query, scores, entries, wanted)
            ranked = rank(query, scores, entries)
        else:
            exact = dict(rankings[0])
            ranked = [(entries[item], exact[item]) for item, _ in rankings[0] if item in entries]
        return [_hit(entry, score) for entry, score in ranked[:limit]]

    def find_named(self, name: str) -> list[Entry]:
        """The definitions with that bare name, whatever their case."""
        return self._reader.named([name])

    def statistics(self) -> Statistics:
        """How much the index holds."""
        return self._reader.statistics()

    def _search_dense(self, query: str, limit: int, stop: Callable[[], bool]) -> list[tuple[int, float]]:
        found: list[tuple[int, float]] = []
        digests = set(self._reader.bundles())
        for bundle in self.models.bundles:
            if bundle.manifest.task == "search" and bundle.manifest.digest in digests:
                vector = self.models.encoder(bundle).encode([query], stop)
                found += self._table.search(bundle.manifest.digest, vector, limit)
                digests.discard(bundle.manifest.digest)
        return sorted(found, key=lambda pair: -pair[1])[:limit]

    def _add_named(self, query: str, scores: dict[int, float], entries: dict[int, Entry], language: str | None) -> None:
        """A definition that is asked for by its name is a candidate, even where neither list holds it."""
        for entry in self._reader.named(query.replace("(", " ").replace(")", " ").split()[:8]):
            if entry.id not in entries and language in (None, entry.language) and entry.kind != "module":
                entries[entry.id] = entry
                scores[entry.id] = 0.5


def _hit(entry: Entry, score: float) -> Hit:
    return Hit(
        entry.path,
        entry.start_line,
        entry.end_line,
        entry.qualified_name,
        entry.kind,
        entry.language,
        round(score, 4),
        entry.name_line,
        entry.name_column,
    )
