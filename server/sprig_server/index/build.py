"""Bringing an index up to date: parse what changed, forget what is gone, encode what has no vector yet."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePosixPath

from sprig_server.code.generated import is_generated
from sprig_server.code.languages import Language, language_of_path
from sprig_server.code.lines import Lines, decode
from sprig_server.code.outline import parse_outline
from sprig_server.code.parsed_source import name_of
from sprig_server.code.text import CHUNKER_VERSION, Passage, search_input, search_passage
from sprig_server.errors import Cancelled, NotParsed
from sprig_server.index.files import MAX_BYTES, Listing, is_indexable, list_files
from sprig_server.index.regular_file import read_regular
from sprig_server.index.store import GENERATED, Entry, FileState, Store, digest_of
from sprig_server.inference.models import Models
from sprig_server.types import Definition, LeftOut

_log = logging.getLogger(__name__)

Outline = Callable[[str, str, str], tuple[Definition, ...]]
"""What parses a text, as `code.outline.parse_outline` does; a server leaves large ones to another process."""

Report = Callable[[str, int, int], None]
"""Called with a stage ("parsing" or "encoding"), how many are done, and how many there are."""

# A commit holds this many: rarely enough to be fast, often enough that stopping loses little and pausing is soon.
_FILES_A_COMMIT = 64
_TEXTS_A_COMMIT = 64


@dataclass(frozen=True, slots=True)
class Reading:
    """How far files were read: paths that are `left`, in their order, that have `changed`, that were `unreadable`."""

    left: list[str]
    changed: list[str]
    unreadable: list[str]


def never() -> bool:
    """What stops or pauses nothing."""
    return False


def parse_file(path: str, data: bytes, outline: Outline = parse_outline) -> list[tuple[Entry, Passage]]:
    """What a file defines, each with the passage that is encoded for it; empty for a file of an unknown language, and
    for one that is too large or too deep."""
    language = language_of_path(path)
    if language is None:
        return []
    text = decode(data)
    module = PurePosixPath(path).stem
    try:
        definitions = outline(text, name_of(language), module)
    except NotParsed as error:
        _log.warning("%s is not indexed: %s", path, error)
        return []
    entries, lines = [], Lines(text)
    for d in definitions:
        qualified_name = _known_as(d.qualified_name, language, module)
        content = search_input(d.code, d.documentation, qualified_name)
        digest = digest_of(content.encode("utf-8", errors="replace"))
        start, end = d.span.start_line + 1, d.span.end_line + 1
        documented = bool(d.documentation)
        bare_name = qualified_name if d.name == d.qualified_name else d.name
        entry = Entry(path, bare_name, qualified_name, d.kind, d.language, start, end, digest, documented)
        name_line, name_column = lines.position(d.name_span.start, "utf-16")
        entry = replace(entry, name_line=name_line + 1, name_column=name_column)
        entries.append((entry, search_passage(content, len(content) - len(d.code), d.language)))
    return entries


def _known_as(qualified_name: str, language: Language, module: str) -> str:
    """What a module exports as a whole and gives no name is looked for by the name of its file."""
    first, _, rest = qualified_name.partition(language.separator)
    if first not in language.unnamed_exports:
        return qualified_name
    return language.separator.join(part for part in (module, rest) if part)


def update_files(
    store: Store,
    root: Path,
    buffers: dict[str, str],
    report: Report,
    stop: Callable[[], bool],
    outline: Outline = parse_outline,
) -> LeftOut:
    """Parse every file that is new or changed, and forget those that are gone.

    Args:
        buffers: texts of open documents by path; they stand for what is on disk, and for files that are not there yet.

    Raises:
        Cancelled: `stop` returned True; what was committed stays.
    """
    listing = find_files(store, root, buffers, stop)
    reading = read_files(store, root, listing.paths, buffers, report, stop, outline)
    return finish_reading(store, listing, reading.unreadable)


def find_files(store: Store, root: Path, buffers: dict[str, str], stop: Callable[[], bool]) -> Listing:
    """The files that the index is to hold; those that are gone are forgotten."""
    listing = list_files(root, buffers, stop)
    paths = [path for path in listing.paths if len(buffers.get(path, "")) <= MAX_BYTES]
    store.delete_files(sorted(store.file_states().keys() - set(paths)))
    return replace(listing, paths=paths)


def read_files(
    store: Store,
    root: Path,
    paths: Sequence[str],
    buffers: dict[str, str],
    report: Report,
    stop: Callable[[], bool],
    outline: Outline = parse_outline,
    pause: Callable[[], bool] = never,
) -> Reading:
    """Parse those of these files that are new or changed, until `pause` returns True after a commit."""
    known = store.file_states()
    left, changed, unreadable = deque(paths), list[str](), list[str]()

    def parse_changed() -> Iterator[tuple[str, FileState, list[tuple[Entry, Passage]]]]:
        while left:
            if stop():
                raise Cancelled
            report("parsing", len(paths) - len(left), len(paths))
            path = left.popleft()
            try:
                found = _read_changed(root / path, known.get(path), buffers.get(path))
                if found is None:
                    continue
                if _is_known(known.get(path), found[0]):
                    store.touch_files([(path, found[0])])
                    continue
                parsed = _parse(path, *found, outline)
            except OSError:
                unreadable.append(path)
                continue
            yield path, *parsed

    files = parse_changed()
    while batch := list(islice(files, _FILES_A_COMMIT)):
        store.put_files(batch)
        changed += [path for path, _, _ in batch]
        if pause():
            break
    report("parsing", len(paths) - len(left), len(paths))
    return Reading(list(left), changed, unreadable)


def finish_reading(store: Store, listing: Listing, unreadable: Iterable[str]) -> LeftOut:
    """Forget what no file holds any more, after all files that were found have been read."""
    store.prune()
    generated = sum(state.digest.startswith(GENERATED) for state in store.file_states().values())
    return LeftOut((*listing.unreadable, *unreadable), generated, len(listing.too_large))


def read_file(store: Store, root: Path, path: str, buffer: str | None, outline: Outline) -> None:
    """Parse one file again, from the buffer of its document or from disk; forget it where it is gone."""
    known = store.file_states().get(path)
    if not is_indexable(root / path) if buffer is None else len(buffer) > MAX_BYTES:
        store.delete_files([path])
        return
    try:
        found = _read_changed(root / path, None if buffer is None else known, buffer)
        if found is not None and not _is_known(known, found[0]):
            store.put_files([(path, *_parse(path, *found, outline))])
    except OSError:
        store.delete_files([path])


def encode_missing(
    store: Store,
    models: Models,
    first: Iterable[str],
    report: Report,
    stop: Callable[[], bool],
    pause: Callable[[], bool] = never,
    others: bool = True,
) -> int:
    """Encode what has no vector, until `pause` returns True after a commit.

    Args:
        first: the files to begin with.
        others: encode the other files, too.

    Returns:
        How many texts are left.

    Raises:
        Cancelled: `stop` returned True; what was committed stays.
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
        report("encoding", done, len(work))
        if done and pause():
            return len(work) - done
        by_language: dict[str, list[str]] = {}
        for _, language, content in work[done : done + _TEXTS_A_COMMIT]:
            by_language.setdefault(language, []).append(content)
        for language, contents in by_language.items():
            _encode(store, models, language, contents, stop)
    report("encoding", len(work), len(work))
    return 0


def _encode(store: Store, models: Models, language: str, contents: Sequence[str], stop: Callable[[], bool]) -> None:
    bundle = models.search_bundle(language)
    if bundle is not None:
        vectors = models.encoder(bundle).encode(store.passages(contents, language), stop)
        store.put_vectors(bundle.manifest.digest, contents, vectors)


def _read_changed(path: Path, known: FileState | None, buffer: str | None) -> tuple[FileState, bytes] | None:
    """State and content of a file, or None where size and time say that it is what is known."""
    if buffer is not None:
        data = buffer.encode("utf-8", errors="replace")
        return FileState(digest_of(data), -1, -1), data  # no file on disk has this size: closing it reads it again
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
    """Whether the index holds what is in a file now."""
    return (
        known is not None and known.digest.removeprefix(GENERATED) == state.digest and known.chunker == CHUNKER_VERSION
    )


def _parse(path: str, state: FileState, data: bytes, outline: Outline) -> tuple[FileState, list[tuple[Entry, Passage]]]:
    """What is put into the index for a file; nothing for one that is generated, whose digest says so.

    Raises:
        OSError: it cannot be parsed, which must not keep the other files out of the index.
    """
    language = language_of_path(path)
    try:
        if language is not None and is_generated(decode(data), language.name):
            return replace(state, digest=GENERATED + state.digest), []
        return state, parse_file(path, data, outline)
    except Cancelled:
        raise
    except Exception as error:
        _log.warning("cannot parse %r: %s", path, type(error).__name__)
        raise OSError(f"cannot parse {path!r}") from error
