"""Hover: the documentation of the function under the cursor, or a sentence that a model wrote about it."""

from __future__ import annotations

import math
import re
from pathlib import Path

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInternalError

from sprig_server.code.languages import find_language, language_of_path
from sprig_server.code.lines import decode
from sprig_server.code.parsed_source import name_of
from sprig_server.concurrency import Stop
from sprig_server.documents import Document
from sprig_server.errors import Cancelled, NotParsed, SprigError
from sprig_server.features.snapshot import take_snapshot
from sprig_server.folder import Folder
from sprig_server.hover_content import Name, name_at, summarize
from sprig_server.index.files import MAX_BYTES
from sprig_server.index.folder_index import FolderIndex
from sprig_server.index.regular_file import read_regular
from sprig_server.index.store import Entry
from sprig_server.parse_cache import DocumentText
from sprig_server.server import SprigServer
from sprig_server.types import Definition, Summary

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:])")
_LONGEST_DOCUMENTATION = 2000


def register(server: SprigServer) -> None:
    """Register hover."""

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    async def hover(ls: SprigServer, params: lsp.HoverParams) -> lsp.Hover | None:
        snapshot = take_snapshot(ls, params.text_document.uri, params.position)
        if snapshot is None or not ls.settings.hover.enabled:
            return None
        found = ls.folder_of(params.text_document.uri)
        folder = found[0] if found else None
        index = folder.index if folder else None
        place = await ls.parse_cache.locate(snapshot.document, snapshot.offset)
        name = name_at(place.source, place.offset) if place is not None else None
        if place is None or name is None:
            return None
        try:
            function = await _meant(ls, name, folder, place.source.language)
            if function is None:
                return None
            if function.documentation:  # needs no model, so it waits for none
                contents: lsp.MarkupContent | None = _render(ls, function, None)
            else:
                contents = await ls.summaries.run(lambda stop: _written(ls, function, index, stop))
        except Cancelled:
            return None
        except SprigError as error:
            raise JsonRpcInternalError(str(error)) from None
        ends = (name.start + place.shift, name.end + place.shift)
        start, end = (lsp.Position(*snapshot.lines.position(offset, snapshot.encoding)) for offset in ends)
        return lsp.Hover(contents, lsp.Range(start, end)) if contents is not None else None


async def _meant(server: SprigServer, name: Name, near: Folder | None, language: str) -> Definition | None:
    """The function that a name means: one of the same text, or the only one of the folder, or of all folders."""
    if name.functions:
        return name.functions[0]
    wanted = find_language(language).name
    found: list[Definition] = []
    for folder, entry in await server.questions.run(lambda stop: server.functions_named(name.text, wanted, near)):
        found += await _as_it_stands(server, folder, entry)
        if len(found) > 1:  # a name that several files define says nothing certain
            return None
    return found[0] if found else None


async def _as_it_stands(server: SprigServer, folder: Folder, entry: Entry) -> list[Definition]:
    """The functions that an entry of the index is of, as they are in an open document or else on disk."""
    try:
        text = _open_text(server, folder, entry.path) or await _text_on_disk(server, folder.index.root / entry.path)
        source = await server.parse_cache.read(text) if text is not None else None
    except (OSError, NotParsed):
        return []
    return [
        function
        for function in (source.functions if source is not None else ())
        if function.qualified_name == entry.qualified_name and function.span.start_line + 1 == entry.start_line
    ]


def _open_text(server: SprigServer, folder: Folder, path: str) -> DocumentText | None:
    for document in server.workspace.text_documents.values():
        if isinstance(document, Document) and folder.relative(document.uri) == path:
            return document.parsable()
    return None


async def _text_on_disk(server: SprigServer, path: Path) -> DocumentText | None:
    language = language_of_path(path.name)
    if language is None:
        return None
    data, _ = await server.questions.run(lambda stop: read_regular(path, MAX_BYTES))
    return DocumentText(path.as_uri(), decode(data), name_of(language), path.stem)


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

    def put_summary(self, content: str, bundle: str, text: str, confidence: float) -> None:
        try:
            self._store.put_summary(content, bundle, text, confidence)
            self._server.report_success(self._work)
        except SprigError as error:
            self._server.report_failure(self._work, error)


def _written(
    server: SprigServer, function: Definition, index: FolderIndex | None, stop: Stop
) -> lsp.MarkupContent | None:
    """A sentence about a function; None where there is none that is likely right."""
    if not server.settings.hover.generate:
        return None
    cache = _KeptSummaries(server, index) if index is not None else server.cache
    summary = summarize(function, server.models, cache, stop)
    if summary is None or not summary.text or summary.confidence < server.settings.hover.min_confidence:
        return None
    return _render(server, function, summary)


def _render(server: SprigServer, function: Definition, summary: Summary | None) -> lsp.MarkupContent:
    text = function.documentation[:_LONGEST_DOCUMENTATION]
    note = ""
    if summary is not None:
        text, note = summary.text, f"Summary written by Sprig's model, {percent(summary)} % sure"
    if _reads_markdown(server):
        text = "\n".join(escape_markdown(line) for line in text.splitlines())
        parts = [_code_block(function), text.replace("\n", "  \n"), f"*{note}*" if note else ""]
        kind = lsp.MarkupKind.Markdown
    else:
        parts = [function.signature, text, note]
        kind = lsp.MarkupKind.PlainText
    return lsp.MarkupContent(kind, "\n\n".join(part for part in parts if part))


def percent(summary: Summary) -> int:
    """The confidence of a summary in percent: the geometric mean probability of its tokens."""
    return round(100 * math.exp(min(0.0, summary.confidence)))


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it stands, whatever it holds."""
    return _MARKDOWN.sub(r"\\\1", text)


def _code_block(function: Definition) -> str:
    fence = "```"
    while fence in function.signature:
        fence += "`"
    return f"{fence}{function.language}\n{function.signature}\n{fence}"


def _reads_markdown(server: SprigServer) -> bool:
    document = server.client_capabilities.text_document
    formats = document.hover.content_format if document and document.hover else None
    return formats is None or lsp.MarkupKind.Markdown in formats
