"""The language server object: its state and its lifecycle. Features are registered by `app`."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls import uris
from pygls.lsp.server import LanguageServer

from sprig_server import __version__
from sprig_server.concurrency import Tasks, Worker
from sprig_server.description import MemoryCache
from sprig_server.index.workspace import Workspace
from sprig_server.inference.models import Models
from sprig_server.protocol import SprigProtocol
from sprig_server.settings import Settings
from sprig_server.types import LeftOut

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Folder:
    """A workspace folder of the client, its index, and the state of its indexing.

    `changed` and `typed` are the paths that wait to be updated: of files that may be new, and of documents that were
    only edited. `rescan` asks for a look through the whole folder; `indexed` says that there was a complete one, and
    `left_out` what the last one passed over.
    """

    uri: str
    workspace: Workspace
    indexing: bool = False
    indexed: bool = False
    error: str | None = None
    left_out: LeftOut = field(default_factory=LeftOut)
    changed: set[str] = field(default_factory=set)
    typed: set[str] = field(default_factory=set)
    rescan: bool = False
    update: asyncio.Task[None] | None = None

    def relative(self, uri: str) -> str | None:
        """The path of a document within this folder, with forward slashes; None where it lies outside."""
        path = uris.to_fs_path(uri)
        if path is None:
            return None
        try:
            return Path(path).resolve().relative_to(self.workspace.root).as_posix()
        except (ValueError, OSError):
            return None


class SprigServer(LanguageServer):
    """State that lives as long as the connection. Nothing else in the package is global and mutable."""

    def __init__(self) -> None:
        super().__init__("sprig", __version__, protocol_cls=SprigProtocol)
        self.settings = Settings()
        self.models = Models((), self.settings.thread_count)
        self.folders: dict[str, Folder] = {}
        self.cache = MemoryCache()
        self.questions = Worker("sprig-question", 2)
        self.builds = Worker("sprig-index", 2)
        self.tasks = Tasks()
        self.was_shut_down = False
        self.told_about_packs: set[str] = set()

    def folder_of(self, uri: str) -> tuple[Folder, str] | None:
        """The innermost folder that holds a document, and the document's path in it."""
        holding = [(f, path) for f in self.folders.values() if (path := f.relative(uri)) is not None]
        return min(holding, key=lambda pair: len(pair[1]), default=None)

    def buffers(self, folder: Folder) -> dict[str, str]:
        """The texts of the open documents of a folder by path, the most recently opened last."""
        paths = ((folder.relative(uri), document) for uri, document in self.workspace.text_documents.items())
        return {path: document.source for path, document in paths if path is not None}

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what pygls could not handle; a popup for every keystroke would help nobody."""
        _log.error("%s: %s", type(error).__name__, error)

    def close(self) -> None:
        """Stop all work and close every index."""
        self.tasks.cancel()
        self.questions.close()
        self.builds.close()

    def show_problem(self, text: str) -> None:
        """Tell the user, once, about something that they can mend."""
        _log.warning("%s", text)
        self.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Warning, text))
