"""The index of a workspace folder: updating and searching it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Literal

from sprig_server.bundle.store import Bundle
from sprig_server.code.languages import find_language
from sprig_server.code.lines import well_formed
from sprig_server.code.parsed_source import parse_source
from sprig_server.errors import DamagedIndex, InvalidInput, SprigError
from sprig_server.index.build import UNCONTROLLED, Builder, Control, Reading, encode_missing, never
from sprig_server.index.cache import index_path
from sprig_server.index.entries import Parse
from sprig_server.index.files import Listing
from sprig_server.index.lexical import search_lexical
from sprig_server.index.ranking import fuse, rank
from sprig_server.index.store import Entry, Statistics, Store
from sprig_server.index.vectors import VectorTable
from sprig_server.inference.models import Models
from sprig_server.types import Hit, LeftOut

Mode = Literal["hybrid", "dense", "lexical"]

# The number of candidates of each list before the ranking (chosen with benchmarks/repo_search.py).
_CANDIDATES = 200


class FolderIndex:
    """The index of a folder. Updating and searching use separate connections and may run at the same time.

    If the cache folder cannot be written, `unwritable` says why, and the index is in a temporary folder until this
    object is closed.
    """

    def __init__(self, root: Path, models: Models, parse: Parse = parse_source) -> None:
        """Open or create the index of `root`.

        Args:
            parse: parses its files.

        Raises:
            InvalidInput: `root` is not a folder.
            SprigError: an index cannot be written anywhere.
        """
        if not root.is_dir():
            raise InvalidInput(f'the workspace "{root}" is not a folder: give the folder with your source code')
        self.root = root.resolve()
        self.models = models
        self.parse = parse
        self.unwritable: SprigError | None = None
        self._temporary: TemporaryDirectory[str] | None = None
        try:
            self._open(index_path(self.root))
        except SprigError as error:
            self.unwritable = error
            self._temporary = TemporaryDirectory(prefix="sprig-")
            path = Path(self._temporary.name) / "indexes" / index_path(self.root).name
            path.parent.mkdir()
            for suffix in ("", "-wal"):
                with suppress(OSError):  # a readable index need not be built again
                    copyfile(f"{index_path(self.root)}{suffix}", f"{path}{suffix}")
            self._open(path)

    def _open(self, path: Path) -> None:
        self.store = Store(path, self.root)
        self._reader = Store(path, self.root)
        self._tables: dict[tuple[str, tuple[str, ...]], VectorTable] = {}
        self._tables_lock = threading.Lock()

    @contextmanager
    def _healing(self) -> Iterator[None]:
        """Reopen both connections if one of them has found the file damaged and replaced it."""
        try:
            if not self.store.is_of_one_file(self._reader):
                self._start_anew()
            yield
        except DamagedIndex:
            self._start_anew()
            raise

    def _start_anew(self) -> None:
        self._close_stores()
        self._open(self.store.path)

    def _close_stores(self) -> None:
        self._reader.close()
        self.store.close()

    def close(self) -> None:
        """Close the index."""
        self._close_stores()
        if self._temporary is not None:
            self._temporary.cleanup()

    def update(
        self,
        buffers: dict[str, str] | None = None,
        first: Iterable[str] = (),
        control: Control = UNCONTROLLED,
        encode: bool = True,
    ) -> LeftOut:
        """Bring the whole index up to date.

        Args:
            buffers: texts of open documents by relative path.
            first: relative paths to encode before all others.
            encode: False skips the vectors, which take nearly all of the time.

        Raises:
            Cancelled: it was stopped; what was done stays.
            InvalidBundle: a search bundle cannot be loaded.
        """
        try:
            with self._healing():
                left_out = self._builder.update(buffers or {}, control)
        except DamagedIndex:  # it is empty now
            left_out = self._builder.update(buffers or {}, control)
        if encode:
            self.encode(first, control)
            self.forget_other_bundles()
        return left_out

    # The steps of an update, for callers that pause between them.

    def find_files(self, buffers: dict[str, str], stop: Callable[[], bool]) -> Listing:
        """The files that belong into the index. Deleted files are removed from it."""
        with self._healing():
            return self._builder.find_files(buffers, stop)

    def read_files(self, paths: Sequence[str], buffers: dict[str, str], control: Control = UNCONTROLLED) -> Reading:
        """Parse the new and changed ones of these files."""
        with self._healing():
            return self._builder.read_files(paths, buffers, control)

    def finish_reading(self, listing: Listing, unreadable: Iterable[str]) -> LeftOut:
        """Remove texts that no file contains any more, after all files have been read."""
        with self._healing():
            return self._builder.finish(listing, unreadable)

    def read_file(self, path: str, buffer: str | None) -> None:
        """Parse one file again, from the buffer of its document or from disk."""
        with self._healing():
            self._builder.read_file(path, buffer)

    def encode(self, first: Iterable[str] = (), control: Control = UNCONTROLLED, others: bool = True) -> int:
        """Encode definitions without a vector, like `build.encode_missing`. Returns the number of texts that are
        left.
        """
        with self._healing():
            return encode_missing(self.store, self.models, first, control, others)

    @property
    def _builder(self) -> Builder:
        return Builder(self.store, self.root, self.parse)

    def forget_other_bundles(self) -> None:
        """Remove the vectors of bundles that no longer serve a language of this folder."""
        with self._healing():
            self.store.prune_vectors([bundle.manifest.digest for bundle, _ in self._active_bundles()])

    def search(
        self,
        query: str,
        limit: int,
        language: str | None = None,
        mode: Mode = "hybrid",
        stop: Callable[[], bool] = never,
    ) -> list[Hit]:
        """The best definitions for a query, from what is indexed so far.

        Raises:
            InvalidInput: an empty query, a limit below 1, or an unknown language.
            Cancelled: `stop` returned True.
            DamagedIndex: the index was damaged. It is empty now, and the next update builds it.
        """
        if limit < 1:
            raise InvalidInput(f"cannot give {limit} hits: ask for at least 1")
        query = well_formed(query)  # a terminal may give bytes that are not UTF-8
        wanted = check_question(query, language)
        with self._healing():
            return self._search(query, limit, wanted, mode, stop)

    def _search(self, query: str, limit: int, wanted: str | None, mode: Mode, stop: Callable[[], bool]) -> list[Hit]:
        # Full text does not filter by language, so more candidates are needed if other languages are dropped.
        full_text = search_lexical(self._reader, query, _CANDIDATES * (5 if wanted else 1)) if mode != "dense" else []
        dense = self._search_dense(query, wanted, stop) if mode != "lexical" else []
        found = [ranking for ranking in (full_text, *dense) if ranking]
        # A definition has one language, so it is in at most one of the dense rankings.
        scores = fuse([[item for item, _ in ranking] for ranking in found], most=min(len(found), 2))
        entries = self._reader.entries(scores)
        if wanted:
            entries = {item: entry for item, entry in entries.items() if entry.language == wanted}
        if mode == "hybrid":
            self._add_named(query, scores, entries, wanted)
            ranked = rank(query, scores, entries)
        else:
            pairs = sorted((pair for ranking in found for pair in ranking), key=lambda pair: -pair[1])
            ranked = [(entries[item], score) for item, score in pairs if item in entries]
        return [_hit(entry, score) for entry, score in ranked[:limit]]

    def find_named(self, name: str) -> list[Entry]:
        """The definitions with this bare name, ignoring case."""
        with self._healing():
            return self._reader.named([name])

    def paths_ending(self, tail: str) -> list[str]:
        """The paths of the files whose last parts are these."""
        with self._healing():
            return self._reader.paths_ending(tail)

    def statistics(self) -> Statistics:
        """The size of the index."""
        with self._healing():
            return self._reader.statistics()

    def _search_dense(self, query: str, wanted: str | None, stop: Callable[[], bool]) -> list[list[tuple[int, float]]]:
        """The nearest definitions for each active bundle. Cosines of different bundles cannot be compared."""
        rankings = []
        active = self._active_bundles()
        self._forget_tables({bundle.manifest.digest for bundle, _ in active})
        for bundle, languages in active:
            if wanted in (None, *languages):
                vector = self.models.encoder(bundle).encode([query], stop)
                table = self._table(bundle.manifest.digest, (wanted,) if wanted else languages)
                rankings.append(table.search(vector, _CANDIDATES))
        return rankings

    def _active_bundles(self) -> list[tuple[Bundle, tuple[str, ...]]]:
        """The bundles that serve the languages of this folder, each with its languages."""
        serving: dict[Path, tuple[Bundle, tuple[str, ...]]] = {}
        for language in self._reader.languages():
            bundle = self.models.search_bundle(language)
            if bundle is not None:
                _, languages = serving.get(bundle.folder, (bundle, ()))
                serving[bundle.folder] = bundle, (*languages, language)
        return list(serving.values())

    def _forget_tables(self, active: Collection[str]) -> None:
        with self._tables_lock:
            self._tables = {key: table for key, table in self._tables.items() if key[0] in active}

    def _table(self, bundle: str, languages: tuple[str, ...]) -> VectorTable:
        with self._tables_lock:
            if (bundle, languages) not in self._tables:
                self._tables[bundle, languages] = VectorTable(self._reader, bundle, languages)
            return self._tables[bundle, languages]

    def _add_named(self, query: str, scores: dict[int, float], entries: dict[int, Entry], language: str | None) -> None:
        """Add definitions whose name is in the query as candidates, even if neither list contains them."""
        for entry in self._reader.named(query.replace("(", " ").replace(")", " ").split()[:8]):
            if entry.id not in entries and language in (None, entry.language) and entry.kind != "module":
                entries[entry.id] = entry
                scores[entry.id] = 0.5


def check_question(query: str, language: str | None) -> str | None:
    """Check a query, and return the name of its language, if any.

    Raises:
        InvalidInput: the query is empty or the language is unknown.
    """
    if not query.strip():
        raise InvalidInput('the query "" is empty: say in a few words what the code you look for does')
    return find_language(language).name if language else None


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
