"""Hover: the documentation of the function under the cursor, or a sentence that a model wrote about it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInternalError

from sprig_server.code.functions import parse_functions
from sprig_server.code.languages import find_language, language_of_path
from sprig_server.code.lines import Lines, decode
from sprig_server.concurrency import Stop
from sprig_server.description import Description, function_at, summarize
from sprig_server.errors import Cancelled, SprigError
from sprig_server.features.snapshot import Snapshot, take_snapshot
from sprig_server.index.workspace import Workspace
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
        workspace = found[0].workspace if found else None
        try:
            return await ls.questions.run(lambda stop: _answer(ls, snapshot, workspace, stop))
        except Cancelled:
            return None
        except SprigError as error:
            raise JsonRpcInternalError(str(error)) from None


def _answer(server: SprigServer, at: Snapshot, workspace: Workspace | None, stop: Stop) -> lsp.Hover | None:
    lines = Lines(at.text)
    offset = lines.offset(at.line, at.character, at.encoding)
    found = function_at(at.text, at.language, offset, lambda name: _definitions(workspace, name, at.language))
    if found is None:
        return None
    function, name = found
    summary = None
    if not function.documentation and server.settings.hover.generate:
        cache = workspace.store if workspace is not None else server.cache
        summary = summarize(function, server.models, cache, stop)
        if summary is not None and (not summary.text or summary.confidence < server.settings.hover.min_confidence):
            summary = None
    if not function.documentation and summary is None:
        return None
    start, end = lines.position(name.start, at.encoding), lines.position(name.end, at.encoding)
    return lsp.Hover(
        contents=_render(server, Description(function, summary, name)),
        range=lsp.Range(lsp.Position(*start), lsp.Position(*end)),
    )


def _definitions(workspace: Workspace | None, name: str, language: str) -> Iterator[Definition]:
    """The functions of the workspace with that name, as they stand on disk."""
    if workspace is None:
        return
    for entry in workspace.find_named(name):
        if entry.language != find_language(language).name or entry.kind in ("class", "module"):
            continue
        try:
            text = decode((workspace.root / entry.path).read_bytes())
        except OSError:
            continue
        kept = language_of_path(entry.path)
        for function in parse_functions(text, kept.name if kept else language):
            if function.qualified_name == entry.qualified_name and function.span.start_line + 1 == entry.start_line:
                yield function


def _render(server: SprigServer, description: Description) -> lsp.MarkupContent:
    function, summary = description.function, description.summary
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
