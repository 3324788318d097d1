"""A document and a place in it as they were when a request came."""

from __future__ import annotations

from dataclasses import dataclass

from lsprotocol import types as lsp

from sprig_server.code.lines import Lines, PositionEncoding
from sprig_server.documents import Document
from sprig_server.parse_cache import DocumentText
from sprig_server.server import SprigServer


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document as it was when the request came, safe to use on another thread."""

    document: DocumentText
    lines: Lines
    offset: int
    encoding: PositionEncoding


def take_snapshot(server: SprigServer, uri: str, position: lsp.Position) -> Snapshot | None:
    """A document now; None where it cannot be read or is of no known language."""
    document = server.workspace.get_text_document(uri)
    assert isinstance(document, Document)
    text = document.parsable()
    if text is None:
        return None
    lines = document.places
    return Snapshot(text, lines, lines.offset(position.line, position.character, document.encoding), document.encoding)
