"""A document and a place in it as they were when a request came."""

from __future__ import annotations

from dataclasses import dataclass

from lsprotocol import types as lsp

from sprig_server.code.languages import language_of_document
from sprig_server.code.lines import PositionEncoding
from sprig_server.server import SprigServer


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document as it was when the request came, safe to use on another thread."""

    text: str
    language: str
    line: int
    character: int
    encoding: PositionEncoding


def take_snapshot(server: SprigServer, uri: str, position: lsp.Position) -> Snapshot | None:
    """A document now; None where it cannot be read or is of no known language."""
    document = server.workspace.get_text_document(uri)
    language = language_of_document(document.path, document.language_id)
    if language is None:
        return None
    try:
        text = document.source
    except OSError:
        return None
    name = language.aliases[0] if language.extensions == (".tsx",) else language.name
    encoding = str(getattr(server.workspace.position_encoding, "value", server.workspace.position_encoding))
    return Snapshot(text, name, position.line, position.character, encoding)  # type: ignore[arg-type]
