"""Hover: the documentation of the function under the cursor, or a sentence that a model wrote about it."""

from __future__ import annotations

from pathlib import PurePath

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInternalError

from sprig_server.code.languages import find_language
from sprig_server.code.parsed_source import Call, ParsedSource
from sprig_server.concurrency import Stop
from sprig_server.errors import Cancelled, SprigError
from sprig_server.features.snapshot import take_snapshot
from sprig_server.folder import Folder
from sprig_server.hover_content import SummaryCache, Written, name_at, summarize
from sprig_server.hover_target import Target, find_target, with_documentation
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
        name = name_at(place.source, place.offset) if place is not None else None
        if place is None or name is None:
            return None
        found = ls.folder_of(params.text_document.uri)
        folder, path = found or (None, snapshot.document.uri)
        index = folder.index if folder else None
        try:
            if name.function is not None:
                target: Target | None = await _defined(ls, folder, path, place.source, name.function)
            else:
                target = await _called(ls, folder, path, place.source, name.call)
            if target is None:
                return None
            head = _head(target, path, folder)
            if target.definition.documentation and not ls.settings.hover.documentation:
                return None
            if target.definition.documentation:  # needs no model, so it waits for none
                contents: lsp.MarkupContent | None = _render(ls, target.definition, head, None)
            else:
                contents = await ls.summaries.run(lambda stop: _written(ls, target.definition, head, index, stop))
        except Cancelled:
            return None
        except SprigError as error:
            raise JsonRpcInternalError(str(error)) from None
        ends = (name.start + place.shift, name.end + place.shift)
        start, end = (lsp.Position(*snapshot.lines.position(offset, snapshot.encoding)) for offset in ends)
        return lsp.Hover(contents, lsp.Range(start, end)) if contents is not None else None


async def _defined(
    server: SprigServer, folder: Folder | None, path: str, source: ParsedSource, function: Definition
) -> Target:
    """A function that is defined in a file, with the documentation of its declaration if it has none."""
    target = Target(path, function)
    if function.documentation:
        return target
    sources = _sources(server, folder)
    sources.put(path, source)
    return await server.questions.run(lambda stop: with_documentation(sources, target))


async def _called(
    server: SprigServer, folder: Folder | None, path: str, source: ParsedSource, call: Call | None
) -> Target | None:
    """The function that a call in a file calls."""
    if call is None:
        return None
    others = {other.uri: _sources(server, other) for other in server.folders.values()}
    sources = others[folder.uri] if folder is not None else _sources(server, None)
    sources.put(path, source)
    language = find_language(source.language).name

    def named(name: str) -> list[Target]:
        """The functions of a name outside of classes; those in other folders by their whole path."""
        found: list[Target] = []
        for other, entry in server.functions_named(name, language, folder):
            if entry.kind != "function":
                continue
            shown = entry.path if other is folder else (other.index.root / entry.path).as_posix()
            defined = others[other.uri].source(entry.path) if other.uri in others else None
            found += [Target(shown, d) for d in (defined.functions if defined is not None else ()) if _is_of(d, entry)]
        return found

    return await server.questions.run(lambda stop: find_target(sources, path, call, named))


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
