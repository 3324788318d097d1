"""Documents whose lines are those of the protocol."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls import uris
from pygls.lsp.server import LanguageServer
from pygls.workspace import PositionCodec, TextDocument
from pygls.workspace import Workspace as DocumentWorkspace

from sprig_server.code.lines import decode, split_lines
from sprig_server.index.files import is_indexable


def path_of(uri: str) -> str | None:
    """The path of a file URI on this machine; None for what is no file here, or no URI."""
    try:
        path = uris.to_fs_path(uri)
    except ValueError:
        return None
    return path if path and "\0" not in path else None


class Document(TextDocument):
    """A text document split at line endings only.

    pygls splits with `str.splitlines`, which also breaks at form feeds and other separators; incremental edits then
    land in the wrong place and the buffer is silently corrupted.
    """

    def __init__(self, uri: str, **more: Any) -> None:
        try:
            super().__init__(uri, **more)
        except ValueError:  # what is no URI names no file
            super().__init__("", **more)
            self.uri = uri

    @property
    def source(self) -> str:
        """The text, as the client has it; of a document that is not open as it is on disk, or "" where it is none."""
        if self._source is None:
            path = path_of(self.uri)
            return decode(Path(path).read_bytes()) if path is not None and is_indexable(Path(path)) else ""
        return self._source

    @property
    def lines(self) -> list[str]:
        """The lines with their endings."""
        return split_lines(self.source)


class Documents(DocumentWorkspace):
    """A workspace of such documents."""

    def update_text_document(
        self, text_doc: lsp.VersionedTextDocumentIdentifier, change: lsp.TextDocumentContentChangeEvent
    ) -> None:
        """A document was edited; one that is not open is passed over."""
        with suppress(KeyError):
            super().update_text_document(text_doc, change)

    def _create_text_document(
        self,
        doc_uri: str,
        source: str | None = None,
        version: int | None = None,
        language_id: str | None = None,
    ) -> Document:
        return Document(
            doc_uri,
            source=source,
            version=version,
            language_id=language_id,
            sync_kind=self._sync_kind,
            position_codec=self._position_codec,
        )


def install_documents(server: LanguageServer) -> None:
    """Put `Documents` in the place of the workspace that pygls made; to be called first thing in `initialize`."""
    made = server.protocol.workspace
    codec: PositionCodec = made.position_codec
    server.protocol._workspace = Documents(
        made.root_uri,
        sync_kind=made._sync_kind,
        workspace_folders=list(made.folders.values()),
        position_encoding=codec.encoding or lsp.PositionEncodingKind.Utf16,
    )
