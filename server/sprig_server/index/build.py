"""Updating an index: parse changed files, remove deleted ones, encode definitions without a vector."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from sprig_server.code.generated import is_generated
from sprig_server.code.languages import language_of_path
from sprig_server.code.lines import decode
from sprig_server.code.parsed_source import parse_source
from sprig_server.code.text import CHUNKER_VERSION
from sprig_server.errors import Cancelled, DamagedIndex
from sprig_server.index.entries import Item, Parse, parse_file
from sprig_server.index.files import MAX_BYTES, Listing, is_indexable, list_files
from sprig_server.index.regular_file import read_regular
from sprig_server.index.store import GENERATED, FileState, Store, digest_of
from sprig_server.inference.models import Models
from sprig_server.types import LeftOut

_log = logging.getLogger(__name__)

Report = Callable[[str, int, int], None]
"""Called with a stage ("parsing" or "encoding"), the number that is done, and the total."""

# The size of a commit: large enough to be fast, small enough that stopping loses little and pausing is quick.
_FILES_A_COMMIT = 64
_TEXTS_A_COMMIT = 64


def never() -> bool:
    """A condition that never holds."""
    return False


def silent(stage: str, done: int, total: int) -> None:
    """A report that is ignored."""


@dataclass(frozen=True, slots=True)
class Control:
    """Reporting the progress of long work, and ending it.

    When `stop` returns True, the work raises `Cancelled`. When `pause` does, it ends after its next commit and can be
    continued.
    """

    report: Report = silent
    stop: Callable[[], bool] = never
    pause: Callable[[], bool] = never


UNCONTROLLED = Control()


@dataclass(frozen=True, slots=True)
class Reading:
    """The progress of reading files: paths that are `left`, in order, that have `changed`, and that were
    `unreadable`.
    """

    left: list[str]
    changed: list[str]
    unreadable: list[str]


@dataclass(frozen=True, slots=True)
class Builder:
    """Fills the index `store` with the definitions in the files of the folder `root`, parsed with `parse`.

    `buffers` are texts of open documents by path. They replace the files on disk, and may have no file yet.
    """

    store: Store
    root: Path
    parse: Parse = parse_source

    def update(self, buffers: dict[str, str], control: Control = UNCONTROLLED) -> LeftOut:
        """Parse all new and changed files, and remove deleted ones.

        Raises:
            Cancelled: it was stopped; what was committed stays.
        """
        listing = self.find_files(buffers, control.stop)
        reading = self.read_files(listing.paths, buffers, control)
        return self.finish(listing, reading.unreadable)

    def find_files(self, buffers: dict[str, str], stop: Callable[[], bool]) -> Listing:
        """The files that belong into the index. Deleted files are removed from it."""
        listing = list_files(self.root, buffers, stop)
        paths = [path for path in listing.paths if len(buffers.get(path, "")) <= MAX_BYTES]
        self.store.delete_files(sorted(self.store.file_states().keys() - set(paths)))
        return replace(listing, paths=paths)

    def read_files(self, paths: Sequence[str], buffers: dict[str, str], control: Control) -> Reading:
        """Parse the new and changed ones of these files."""
        known = self.store.file_states()
        left, changed, unreadable = deque(paths), list[str](), list[str]()

        def parse_changed() -> Iterator[tuple[str, FileState, list[Item]]]:
            while left:
                if control.stop():
                    raise Cancelled
                control.report("parsing", len(paths) - len(left), len(paths))
                path = left.popleft()
                try:
                    found = _read_changed(self.root / path, known.get(path), buffers.get(path))
                    if found is None:
                        continue
                    if _is_known(known.get(path), found[0]):
                        self.store.touch_files([(path, found[0])])
                        continue
                    parsed = self._parse(path, *found, known.get(path))
                except OSError:
                    unreadable.append(path)
                    continue
                yield path, *parsed

        files = parse_changed()
        while batch := list(islice(files, _FILES_A_COMMIT)):
            self.store.put_files(batch)
            changed += [path for path, _, _ in batch]
            if control.pause():
                break
        control.report("parsing", len(paths) - len(left), len(paths))
        return Reading(list(left), changed, unreadable)

    def finish(self, listing: Listing, unreadable: Iterable[str]) -> LeftOut:
        """Remove texts that no file contains any more, after all files have been read."""
        self.store.prune()
        generated = sum(state.digest.startswith(GENERATED) for state in self.store.file_states().values())
        return LeftOut((*listing.unreadable, *unreadable), generated, len(listing.too_large))

    def read_file(self, path: str, buffer: str | None) -> None:
        """Parse one file again, from the buffer of its document or from disk; remove it if it was deleted."""
        known = self.store.file_states().get(path)
        if not is_indexable(self.root / path) if buffer is None else len(buffer) > MAX_BYTES:
            self.store.delete_files([path])
            return
        try:
            found = _read_changed(self.root / path, None if buffer is None else known, buffer)
            if found is not None and not _is_known(known, found[0]):
                self.store.put_files([(path, *self._parse(path, *found, known))])
        except OSError:
            self.store.delete_files([path])

    def _parse(self, path: str, state: FileState, data: bytes, known: FileState | None) -> tuple[FileState, list[Item]]:
        """The definitions of a file for the index; none for a generated file, whose digest says so.

        Raises:
            OSError: it cannot be parsed. The other files are indexed all the same.
        """

        def known_items() -> list[Item]:
            return self.store.items_in_file(path) if known is not None and known.chunker == CHUNKER_VERSION else []

        language = language_of_path(path)
        try:
            if language is not None and is_generated(decode(data), language.name):
                return replace(state, digest=GENERATED + state.digest), []
            return state, parse_file(path, data, self.parse, known_items)
        except (Cancelled, DamagedIndex):
            raise
        except Exception as error:
            _log.warning("cannot parse %r: %s", path, type(error).__name__)
            raise OSError(f"cannot parse {path!r}") from error


def encode_missing(
    store: Store, models: Models, first: Iterable[str], control: Control = UNCONTROLLED, others: bool = True
) -> int:
    """Encode what has no vector.

    Args:
        first: the files to begin with.
        others: encode the other files as well.

    Returns:
        The number of texts that are left.

    Raises:
        Cancelled: it was stopped; what was committed stays.
        InvalidBundle: a search bundle cannot be loaded.
    """
    place: dict[str, int] = {}
    for path in first:
        for entry in store.in_file(path):
            place.setdefault(entry.content, len(place))
    work: list[tuple[int, str, str]] = []
    for language in store.languages():
        bundle = models.search_bundle(language)
        if bundle is not None:
            for content, _ in store.missing_vectors(bundle.manifest.digest, language):
                if others or content in place:
                    work.append((place.get(content, len(place)), language, content))
    work.sort(key=lambda item: item[0])
    for done in range(0, len(work), _TEXTS_A_COMMIT):
        control.report("encoding", done, len(work))
        if done and control.pause():
            return len(work) - done
        by_language: dict[str, list[str]] = {}
        for _, language, content in work[done : done + _TEXTS_A_COMMIT]:
            by_language.setdefault(language, []).append(content)
        for language, contents in by_language.items():
            _encode(store, models, language, contents, control.stop)
    control.report("encoding", len(work), len(work))
    return 0


def _encode(store: Store, models: Models, language: str, contents: Sequence[str], stop: Callable[[], bool]) -> None:
    bundle = models.search_bundle(language)
    if bundle is not None:
        vectors = models.encoder(bundle).encode(store.passages(contents, language), stop)
        store.put_vectors(bundle.manifest.digest, contents, vectors)


def _read_changed(path: Path, known: FileState | None, buffer: str | None) -> tuple[FileState, bytes] | None:
    """The state and content of a file; None if size and time show that it has not changed."""
    if buffer is not None:
        data = buffer.encode("utf-8", errors="replace")
        return FileState(
            digest_of(data), -1, -1
        ), data  # no file on disk has this size, so closing the document reads the file again
    status = path.lstat()
    if known is not None and (known.size, known.mtime, known.chunker) == (
        status.st_size,
        status.st_mtime_ns,
        CHUNKER_VERSION,
    ):
        return None
    data, status = read_regular(path, MAX_BYTES)
    return FileState(digest_of(data), status.st_size, status.st_mtime_ns), data


def _is_known(known: FileState | None, state: FileState) -> bool:
    """Whether the index is up to date for a file."""
    return (
        known is not None and known.digest.removeprefix(GENERATED) == state.digest and known.chunker == CHUNKER_VERSION
    )
