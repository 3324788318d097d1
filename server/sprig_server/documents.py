"""Text documents with the protocol's line endings."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from lsprotocol import types as lsp
from pygls import uris
from pygls.lsp.server import LanguageServer
from pygls.workspace import PositionCodec, TextDocument
from pygls.workspace import Workspace as DocumentWorkspace

from sprig_server.code.languages import language_of_document
from sprig_server.code.lines import Lines, PositionEncoding, decode, split_lines
from sprig_server.code.parsed_source import name_of
from sprig_server.index.files import is_indexable
from sprig_server.parse_cache import DocumentText, ParseCache


def path_of(uri: str) -> str | None:
    """The path of a file URI on this machine; None if it is not a local file, or not a URI."""
    try:
        path = uris.to_fs_path(uri)
        if path and "\N{REPLACEMENT CHARACTER}" in path:  # pygls cannot read a name that is not UTF-8
            path = os.fsdecode(unquote_to_bytes(urlsplit(uri).path))
    except ValueError:
        return None
    return path if path and "\0" not in path else None


class Document(TextDocument):
    """A text document split at line endings only.

    pygls splits with `str.splitlines`, which also breaks at form feeds and other separators. Incremental edits are then
    applied in the wrong place, and the buffer is silently corrupted.
    """

    _places: Lines | None = None

    def __init__(self, uri: str, **more: Any) -> None:
        try:
            super().__init__(uri, **more)
        except ValueError:  # not a URI, so not a file
            super().__init__("", **more)
            self.uri = uri

    @property
    def source(self) -> str:
        """The client's text of an open document; otherwise the text on disk, or "" if there is no file."""
        if self._source is None:
            path = path_of(self.uri)
            return decode(Path(path).read_bytes()) if path is not None and is_indexable(Path(path)) else ""
        return self._source

    @property
    def lines(self) -> list[str]:
        """The lines with their endings."""
        return split_lines(self.source)

    @property
    def places(self) -> Lines:
        """The line starts, for conversions between positions and offsets; computed once for each version."""
        text = self.source
        if self._places is None or self._places.text is not text:
            self._places = Lines(text)
        return self._places

    @property
    def encoding(self) -> PositionEncoding:
        """The code units in which the client counts characters."""
        encoding = self.position_codec.encoding
        return str(getattr(encoding, "value", encoding))  # type: ignore[return-value]

    def parsable(self) -> DocumentText | None:
        """The current text for parsing; None if it cannot be read or its language is not known."""
        language = language_of_document(self.path, self.language_id)
        if language is None:
            return None
        try:
            return DocumentText(self.uri, self.source, name_of(language), PurePath(self.path).stem)
        except OSError:
            return None

    def _apply_incremental_change(self, change: lsp.TextDocumentContentChangePartial) -> None:
        places = self.places  # pygls visits all lines for each edit
        first, last = change.range.start, change.range.end
        start = places.offset(first.line, first.character, self.encoding)
        end = max(start, places.offset(last.line, last.character, self.encoding))
        self._source = places.text[:start] + change.text + places.text[end:]


class Documents(DocumentWorkspace):
    """A workspace of such documents. They are parsed when they are opened and edited."""

    parse_cache: ParseCache

    def put_text_document(self, text_document: lsp.TextDocumentItem, notebook_uri: str | None = None) -> None:
        """A document was opened."""
        super().put_text_document(text_document, notebook_uri)
        self._expect(text_document.uri)

    def remove_text_document(self, doc_uri: str) -> None:
        """A document was closed."""
        self.parse_cache.forget(self.get_text_document(doc_uri).uri)
        super().remove_text_document(doc_uri)

    def _expect(self, uri: str) -> None:
        text = self.get_text_document(uri).parsable()  # type: ignore[attr-defined]
        if text is not None:
            self.parse_cache.expect(text)

    def update_text_document(
        self, text_doc: lsp.VersionedTextDocumentIdentifier, change: lsp.TextDocumentContentChangeEvent
    ) -> None:
        """A document was edited. Edits of a document that is not open are ignored."""
        with suppress(KeyError):
            super().update_text_document(text_doc, change)
            self._expect(text_doc.uri)

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


def install_documents(server: LanguageServer, parse_cache: ParseCache) -> None:
    """Replace the workspace that pygls made by `Documents`. Call it first in `initialize`."""
    made = server.protocol.workspace
    codec: PositionCodec = made.position_codec
    documents = Documents(
        made.root_uri,
        sync_kind=made._sync_kind,
        workspace_folders=list(made.folders.values()),
        position_encoding=codec.encoding or lsp.PositionEncodingKind.Utf16,
    )
    documents.parse_cache = parse_cache
    server.protocol._workspace = documents
