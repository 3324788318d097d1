"""A document and a position in it at the time of a request."""

from __future__ import annotations

from dataclasses import dataclass

from lsprotocol import types as lsp

from sprig_server.code.lines import Lines, PositionEncoding
from sprig_server.documents import Document
from sprig_server.parse_cache import DocumentText
from sprig_server.server import SprigServer


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document at the time of a request, safe to use on another thread."""

    document: DocumentText
    lines: Lines
    offset: int
    encoding: PositionEncoding


def take_snapshot(server: SprigServer, uri: str, position: lsp.Position) -> Snapshot | None:
    """The current state of a document; None if it cannot be read or its language is not known."""
    document = server.workspace.get_text_document(uri)
    assert isinstance(document, Document)
    text = document.parsable()
    if text is None:
        return None
    lines = document.places
    return Snapshot(text, lines, lines.offset(position.line, position.character, document.encoding), document.encoding)
