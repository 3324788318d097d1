"""`$/progress`: the progress of indexing a folder, for clients that can show it."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress

from lsprotocol import types as lsp

from sprig_server.errors import SprigError
from sprig_server.index.folder_index import FolderIndex
from sprig_server.server import SprigServer

_REPORT_SECONDS = 0.2


class Progress:
    """A progress bar, from `begin` to `end`. `report` and `cancelled` may be called from any thread, also without a
    bar.
    """

    def __init__(self, server: SprigServer, title: str) -> None:
        self._server = server
        self._title = title
        self._token: str | None = None
        self._loop = asyncio.get_running_loop()
        self._last = 0.0

    async def begin(self) -> None:
        """Show the bar, unless it is shown already."""
        window = self._server.client_capabilities.window
        if self._token is not None or window is None or not window.work_done_progress:
            return
        token = str(uuid.uuid4())  # pygls remembers every token, so none may be used twice
        if await self._server.ask_client(self._server.work_done_progress.create_async(token), "no") == "no":
            return
        self._token = token
        self._server.work_done_progress.begin(
            token, lsp.WorkDoneProgressBegin(title=self._title, percentage=0, cancellable=True)
        )

    def report(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage has come."""
        now = self._loop.time()
        if self._token is None or now - self._last < _REPORT_SECONDS:
            return
        self._last = now
        percentage = 100 * done // max(1, total)
        value = lsp.WorkDoneProgressReport(message=f"{stage} {done}/{total}", percentage=percentage)
        self._loop.call_soon_threadsafe(self._send, value)

    def _send(self, value: lsp.WorkDoneProgressReport) -> None:
        if self._token is not None:
            self._server.work_done_progress.report(self._token, value)

    def cancelled(self) -> bool:
        """Whether the user has stopped it."""
        tokens = self._server.work_done_progress.tokens
        return self._token is not None and self._token in tokens and tokens[self._token].cancelled()

    def end(self, index: FolderIndex) -> None:
        """Remove the bar. Its last message says what the index contains."""
        token, self._token = self._token, None
        if token is None:
            return
        message = None
        with suppress(SprigError):  # the next use of the index reports it
            counted = index.statistics()
            message = f"{counted.functions} functions in {counted.files} files"
        self._server.work_done_progress.end(token, lsp.WorkDoneProgressEnd(message=message))
        self._server.work_done_progress.tokens.pop(token, None)
