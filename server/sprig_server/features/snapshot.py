"""A document and a place in it as they were when a request came."""

from __future__ import annotations

from dataclasses import dataclass

from lsprotocol import types as lsp
from pygls import uris

from sprig_server.code.languages import find_language, language_of_path
from sprig_server.code.lines import PositionEncoding
from sprig_server.errors import InvalidInput
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
    language = language_of_path(uris.to_fs_path(uri) or "")
    name = document.language_id if document.language_id else language.name if language else None
    if language is not None and language.extensions == (".tsx",):
        name = "tsx"
    try:
        find_language(name or "")
        text = document.source
    except (InvalidInput, OSError, UnicodeDecodeError):
        return None
    encoding = str(getattr(server.workspace.position_encoding, "value", server.workspace.position_encoding))
    return Snapshot(text, name or "", position.line, position.character, encoding)  # type: ignore[arg-type]
