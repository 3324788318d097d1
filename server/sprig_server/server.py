"""The language server object: its state and its lifecycle. `app` registers the features."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from sprig_server import __version__
from sprig_server.code.languages import can_call
from sprig_server.concurrency import Tasks, Worker
from sprig_server.connection import SprigProtocol, make_converter
from sprig_server.errors import SprigError
from sprig_server.folder import Folder
from sprig_server.hover_content import MemoryCache
from sprig_server.index.store import Entry
from sprig_server.inference.models import Models
from sprig_server.logs import log_unexpected
from sprig_server.parse_cache import ParseCache
from sprig_server.settings import Settings
from sprig_server.source_cache import SourceCache

_log = logging.getLogger(__name__)

T = TypeVar("T")
U = TypeVar("U")

# A client that does not answer a request must not delay indexing for ever.
ANSWER_SECONDS = 5.0


class SprigServer(LanguageServer):
    """The state of a connection. Nothing else in the package is global and mutable."""

    def __init__(self) -> None:
        super().__init__("sprig", __version__, protocol_cls=SprigProtocol, converter_factory=make_converter)
        self.settings = Settings()
        self.setting_problems: tuple[str, ...] = ()
        self.models = Models((), self.settings.thread_count)
        self.folders: dict[str, Folder] = {}
        self.has_opened = False
        """Whether the client's folders have been opened, except those that cannot be."""
        self.cache = MemoryCache()
        self.questions = Worker("sprig-question", 2)
        self.summaries = Worker("sprig-summary", 2)  # summaries take seconds, and no question waits for them
        self.builds = Worker("sprig-index", 2)
        self.failures: dict[str, str] = {}
        self.tasks = Tasks(self.report_failure)
        self.parse_cache = ParseCache(self.tasks)
        self.source_cache = SourceCache(self.parse_cache.parse)
        self.was_shut_down = False
        self.told_about_packs: set[str] = set()
        self.last_hover = "", 0
        """The document that was hovered last, and the offset in it."""
        self.noticed: Callable[[], None] = lambda: None
        """Called on the event loop for every message of the client."""
        self.leave: Callable[[], None] = lambda: None
        """Ends the connection. May be called from any thread."""

    def client_can_watch(self) -> bool:
        """Whether the client can report changed files on request. Otherwise the server watches by itself."""
        workspace = self.client_capabilities.workspace
        watching = workspace.did_change_watched_files if workspace else None
        return watching is not None and bool(watching.dynamic_registration)

    def folder_of(self, uri: str) -> tuple[Folder, str] | None:
        """The innermost folder that contains a document, and the document's path in it."""
        return min(self.folders_of(uri), key=lambda pair: len(pair[1]), default=None)

    def folders_of(self, uri: str) -> list[tuple[Folder, str]]:
        """All folders that contain a document, with its path in each. Folders may be nested."""
        return [(f, path) for f in self.folders.values() if (path := f.relative(uri)) is not None]

    def functions_named(self, name: str, language: str, near: Folder | None) -> list[tuple[Folder, Entry]]:
        """The functions with a bare name that code in a folder may call: those of the folder itself, or else those of
        the others. Do not call it on the event loop.
        """
        others = [folder for folder in self.folders.values() if folder is not near]
        for folders in ([near] if near is not None else [], others):
            found = {  # folders may be nested
                (folder.index.root / entry.path, entry.start_line): (folder, entry)
                for folder in folders
                for entry in folder.index.find_named(name)
                if entry.name == name and can_call(language, entry.language) and entry.kind not in ("class", "module")
            }
            if found:
                return list(found.values())
        return []

    @property
    def incomplete(self) -> str | None:
        """Why a search may not find everything, in sentences; None if it does."""
        if not self.settings.index:
            return "indexing is switched off: set sprig.index to true to search"
        if not self.has_opened:
            return "the folders are being opened: try again"
        if not self.folders:
            return "no folder is open: open the folder with your source code"
        return "; ".join(reason for f in self.folders.values() if (reason := f.incomplete) is not None) or None

    def buffers(self, folder: Folder) -> dict[str, str]:
        """The texts of the open documents of a folder, by path, the most recently opened last."""
        # The keys in the workspace are decoded, and have lost bytes that are not UTF-8.
        paths = ((folder.relative(document.uri), document) for document in self.workspace.text_documents.values())
        return {path: document.source for path, document in paths if path is not None}

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what pygls could not handle, without a popup for every keystroke."""
        log_unexpected("a message was not handled", error)

    async def ask_client(self, question: Awaitable[T], otherwise: U, seconds: float = ANSWER_SECONDS) -> T | U:
        """The client's answer to a request of the server; `otherwise` if it refuses or does not answer in time."""
        try:
            return await asyncio.wait_for(question, seconds)
        except (JsonRpcException, asyncio.TimeoutError):
            return otherwise

    def close(self) -> None:
        """Stop all work and close every index."""
        self.tasks.cancel()
        self.questions.close()
        self.summaries.close()
        self.builds.close()
        self.parse_cache.close()

    def report_failure(self, work: str, error: BaseException) -> str:
        """Record for `sprig.status` why background work fails, and tell the user once. May be called from any thread.

        Returns:
            What went wrong; for an unexpected error, without the error's own text.
        """
        if isinstance(error, SprigError):
            problem = str(error)
        else:
            problem = f"an unexpected failure ({log_unexpected(f'{work} failed', error)}): please report it"
        sentence = f"Sprig: {work} failed: {problem}"
        if self.failures.get(work) != sentence:
            self.failures[work] = sentence
            self.show_problem(sentence)
        return problem

    def report_success(self, work: str) -> None:
        """Record that background work succeeded again."""
        self.failures.pop(work, None)

    def show_problem(self, text: str) -> None:
        """Tell the user, once, about something that they can fix."""
        _log.warning("%s", text)
        self.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Warning, text))
