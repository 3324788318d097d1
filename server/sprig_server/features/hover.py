"""Hover: the documentation of the function under the cursor, or a sentence that a model wrote about it."""

from __future__ import annotations

from pathlib import PurePath

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInternalError

from sprig_server.code.languages import find_language
from sprig_server.code.parsed_source import ParsedSource
from sprig_server.concurrency import Stop
from sprig_server.counterparts import Target, with_documentation
from sprig_server.errors import Cancelled, SprigError
from sprig_server.features.snapshot import take_snapshot
from sprig_server.folder import Folder
from sprig_server.hover_content import Name, SummaryCache, Written, name_at, summarize
from sprig_server.hover_target import find_reference, find_target
from sprig_server.hover_text import Head, as_markdown, as_plain_text
from sprig_server.index.folder_index import FolderIndex
from sprig_server.index.store import Entry
from sprig_server.server import SprigServer
from sprig_server.source_cache import FolderSources
from sprig_server.types import Definition


def register(server: SprigServer) -> None:
    """Register hover."""

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    async def hover(ls: SprigServer, params: lsp.HoverParams) -> lsp.Hover | None:
        snapshot = take_snapshot(ls, params.text_document.uri, params.position)
        if snapshot is None or not ls.settings.hover.enabled:
            return None
        ls.last_hover = params.text_document.uri, snapshot.offset
        place = await ls.parse_cache.locate(snapshot.document, snapshot.offset)
        if place is None:
            return None
        found = ls.folder_of(params.text_document.uri)
        folder, path = found or (None, snapshot.document.uri)
        index = folder.index if folder else None
        finder = _Finder(ls, folder, path, place.source)
        offset = place.offset
        try:
            about = await ls.questions.run(lambda stop: finder.find(offset))
            if about is None:
                return None
            name, target = about
            head = _head(target, path, folder)
            if target.definition.documentation and not ls.settings.hover.documentation:
                return None
            if target.definition.documentation:  # needs no model, so it waits for none
                contents: lsp.MarkupContent | None = _render(ls, target.definition, head, None)
            elif target.definition.kind in ("class", "variable"):
                contents = None
            else:
                contents = await ls.summaries.run(lambda stop: _written(ls, target.definition, head, index, stop))
        except Cancelled:
            return None
        except SprigError as error:
            raise JsonRpcInternalError(str(error)) from None
        ends = (name.start + place.shift, name.end + place.shift)
        start, end = (lsp.Position(*snapshot.lines.position(o, snapshot.encoding)) for o in ends)
        return lsp.Hover(contents, lsp.Range(start, end)) if contents is not None else None


class _Finder:
    """Finds what a name in a document stands for. It is made on the event loop, and asked on a thread."""

    def __init__(self, server: SprigServer, folder: Folder | None, path: str, source: ParsedSource) -> None:
        self._server, self._folder, self._path, self._source = server, folder, path, source
        self._others = {other.uri: _sources(server, other) for other in server.folders.values()}
        self._sources = self._others[folder.uri] if folder is not None else _sources(server, None)
        self._sources.put(path, source)

    def find(self, offset: int) -> tuple[Name, Target] | None:
        """The name at an offset, and what it stands for; None if there is none, or if that is not certain."""
        name = name_at(self._source, offset)
        target = self._target(name) if name is not None else None
        return (name, target) if name is not None and target is not None else None

    def _target(self, name: Name) -> Target | None:
        if name.definition is not None:
            return with_documentation(self._sources, Target(self._path, name.definition))
        if name.call is not None:
            return find_target(self._sources, self._path, name.call, self._named)
        return find_reference(self._sources, self._path, name.reference) if name.reference is not None else None

    def _named(self, name: str) -> list[Target]:
        """The functions of a name outside of classes; those in other folders by their whole path."""
        found: list[Target] = []
        language = find_language(self._source.language).name
        for other, entry in self._server.functions_named(name, language, self._folder):
            if entry.kind != "function":
                continue
            shown = entry.path if other is self._folder else (other.index.root / entry.path).as_posix()
            defined = self._others[other.uri].source(entry.path) if other.uri in self._others else None
            found += [Target(shown, d) for d in (defined.functions if defined is not None else ()) if _is_of(d, entry)]
        return found


def _sources(server: SprigServer, folder: Folder | None) -> FolderSources:
    """The files of a folder, open documents as they are in the editor; none without a folder."""
    if folder is None:
        return FolderSources(server.source_cache, None, _nothing, {})
    return FolderSources(server.source_cache, folder.index.root, folder.index.paths_ending, server.buffers(folder))


def _nothing(tail: str) -> list[str]:
    return []


def _is_of(function: Definition, entry: Entry) -> bool:
    return function.qualified_name == entry.qualified_name and function.span.start_line + 1 == entry.start_line


def _head(target: Target, path: str, folder: Folder | None) -> Head:
    """What a hover begins with: the name, and the place if it is in another file."""
    name = target.definition.qualified_name
    if target.path == path:
        return Head(name)
    line = target.definition.name_span.start_line + 1
    if PurePath(target.path).is_absolute():
        return Head(name, f"{PurePath(target.path).name}:{line}", f"{PurePath(target.path).as_uri()}#L{line}")
    uri = folder.uri_of(target.path) if folder is not None else target.path
    return Head(name, f"{target.path}:{line}", f"{uri}#L{line}")


class _KeptSummaries:
    """The summaries of an index. Where it cannot be used, a hover takes longer and is there all the same."""

    def __init__(self, server: SprigServer, index: FolderIndex) -> None:
        self._server = server
        self._store = index.store
        self._work = f"keeping summaries of {index.root}"

    def summary(self, content: str, bundle: str) -> tuple[str, float] | None:
        try:
            return self._store.summary(content, bundle)
        except SprigError as error:
            self._server.report_failure(self._work, error)
            return None

    def put_summary(self, content: str, bundle: str, text: str, probability: float) -> None:
        try:
            self._store.put_summary(content, bundle, text, probability)
            self._server.report_success(self._work)
        except SprigError as error:
            self._server.report_failure(self._work, error)


def cache_for(server: SprigServer, index: FolderIndex | None) -> SummaryCache:
    """Where the summaries of a folder's functions are kept; in memory without a folder."""
    return _KeptSummaries(server, index) if index is not None else server.cache


def _written(
    server: SprigServer, function: Definition, head: Head, index: FolderIndex | None, stop: Stop
) -> lsp.MarkupContent | None:
    """A sentence about a function; None where there is none that is likely right."""
    generate = server.settings.hover.generate
    if generate == "never":
        return None
    written = summarize(function, server.models, cache_for(server, index), stop)
    if written is None or not (written.is_likely or generate == "always"):
        return None
    return _render(server, function, head, written)


def _render(server: SprigServer, function: Definition, head: Head, summary: Written | None) -> lsp.MarkupContent:
    if _reads_markdown(server):
        return lsp.MarkupContent(lsp.MarkupKind.Markdown, as_markdown(function, head, summary))
    return lsp.MarkupContent(lsp.MarkupKind.PlainText, as_plain_text(function, head, summary))


def _reads_markdown(server: SprigServer) -> bool:
    document = server.client_capabilities.text_document
    formats = document.hover.content_format if document and document.hover else None
    return formats is None or lsp.MarkupKind.Markdown in formats
