"""The files of a workspace folder as a hover reads them: parsed, the most recently used ones kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from sprig_server.code.languages import language_of_path
from sprig_server.code.lines import decode
from sprig_server.code.parsed_source import ParsedSource, name_of
from sprig_server.code.scopes import Scope
from sprig_server.errors import NotParsed
from sprig_server.index.files import MAX_BYTES
from sprig_server.index.regular_file import read_regular

_MOST_FILES = 200
_MOST_CHARACTERS = 10_000_000

Parse = Callable[[str, str, str], ParsedSource]
"""Parses a text of a language and a module, as `code.parsed_source.parse_source` does."""

_State = tuple[int, int]


class SourceCache:
    """Parsed files by path and time. Safe to use from several threads."""

    def __init__(self, parse: Parse) -> None:
        self._parse = parse
        self._kept: OrderedDict[Path, tuple[_State, ParsedSource]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, path: Path) -> ParsedSource | None:
        """A file as it is on disk; None if it cannot be read or parsed."""
        language = language_of_path(path.name)
        if language is None:
            return None
        try:
            status = path.stat()
            state = status.st_mtime_ns, status.st_size
            with self._lock:
                known = self._kept.get(path)
                if known is not None and known[0] == state:
                    self._kept.move_to_end(path)
                    return known[1]
            data, _ = read_regular(path, MAX_BYTES)
            source = self._parse(decode(data), name_of(language), path.stem)
        except (OSError, NotParsed):
            return None
        with self._lock:
            self._kept[path] = state, source
            held = sum(len(kept.text) for _, kept in self._kept.values())
            while len(self._kept) > 1 and (len(self._kept) > _MOST_FILES or held > _MOST_CHARACTERS):
                _, (_, oldest) = self._kept.popitem(last=False)
                held -= len(oldest.text)
        return source

    def parse(self, path: str, text: str) -> ParsedSource | None:
        """The text of an open document, parsed; None if its language is not known or it is too large."""
        language = language_of_path(path)
        if language is None:
            return None
        try:
            return self._parse(text, name_of(language), PurePosixPath(path).stem)
        except NotParsed:
            return None


class FolderSources:
    """The files of one folder for one hover; what is open in the editor stands for what is on disk.

    Paths are relative to the folder, with forward slashes. Without a `root` there is the document only.
    """

    def __init__(
        self,
        cache: SourceCache,
        root: Path | None,
        find_paths: Callable[[str], Sequence[str]],
        open_texts: Mapping[str, str],
    ) -> None:
        """Look at a folder.

        Args:
            find_paths: the paths of the folder's files whose last parts are these.
            open_texts: by path.
        """
        self._cache = cache
        self._root = root
        self._find_paths = find_paths
        self._open_texts = open_texts
        self._read: dict[str, ParsedSource | None] = {}

    def put(self, path: str, source: ParsedSource) -> None:
        """The file at a path is known already."""
        self._read[path] = source

    def has(self, path: str) -> bool:
        """Whether there is a file of that path."""
        if path in self._read or path in self._open_texts:
            return True
        return self._root is not None and not path.startswith(("/", "../")) and (self._root / path).is_file()

    def ending(self, tail: str) -> Sequence[str]:
        """The paths that end with these whole parts."""
        return self._find_paths(tail)

    def source(self, path: str) -> ParsedSource | None:
        """A file, parsed; None if it cannot be read."""
        if path not in self._read:
            if path in self._open_texts:
                self._read[path] = self._cache.parse(path, self._open_texts[path])
            else:
                self._read[path] = self._cache.read(self._root / path) if self.has(path) and self._root else None
        return self._read[path]

    def scopes(self, path: str) -> Sequence[Scope]:
        """The scopes of a file, the module first; () if it cannot be read."""
        source = self.source(path)
        return source.scopes if source is not None else ()
