"""Documents whose lines are those of the protocol."""

from __future__ import annotations

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.workspace import PositionCodec, TextDocument
from pygls.workspace import Workspace as DocumentWorkspace

from sprig_server.code.lines import split_lines


class Document(TextDocument):
    """A text document split at line endings only.

    pygls splits with `str.splitlines`, which also breaks at form feeds and other separators; incremental edits then
    land in the wrong place and the buffer is silently corrupted.
    """

    @property
    def lines(self) -> list[str]:
        """The lines with their endings."""
        return split_lines(self.source)


class Documents(DocumentWorkspace):
    """A workspace of such documents."""

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
