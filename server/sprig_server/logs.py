"""Logging: to stderr always, and to the client once it listens."""

from __future__ import annotations

import logging
from contextlib import suppress
from logging.handlers import MemoryHandler
from typing import TYPE_CHECKING

from lsprotocol import types as lsp

if TYPE_CHECKING:
    from sprig_server.server import SprigServer

_LEVELS = {logging.DEBUG: lsp.MessageType.Log, logging.INFO: lsp.MessageType.Info}


class _ClientHandler(logging.Handler):
    """Sends records as `window/logMessage`."""

    def __init__(self, server: SprigServer) -> None:
        super().__init__()
        self._server = server

    def emit(self, record: logging.LogRecord) -> None:
        kind = _LEVELS.get(record.levelno, lsp.MessageType.Error)
        if record.levelno == logging.WARNING:
            kind = lsp.MessageType.Warning
        # Where the client is gone, there is nobody left to tell.
        with suppress(Exception):
            self._server.window_log_message(lsp.LogMessageParams(kind, self.format(record)))


def set_up_logging(verbose: bool) -> MemoryHandler:
    """Log to stderr, and buffer for the client, whose logging starts with `initialized`."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    own = logging.getLogger("sprig_server")
    own.setLevel(logging.DEBUG if verbose else logging.INFO)
    # pygls logs every message it sends, the user's source code included, and would recurse into the client's log.
    logging.getLogger("pygls").setLevel(logging.ERROR)
    buffer = MemoryHandler(capacity=1000, flushLevel=logging.CRITICAL + 1)
    own.addHandler(buffer)
    return buffer


def forward_logs(buffer: MemoryHandler, server: SprigServer) -> None:
    """Send what was buffered to the client, and everything after it at once."""
    handler = _ClientHandler(server)
    handler.setFormatter(logging.Formatter("%(message)s"))
    buffer.setTarget(handler)
    buffer.flush()
    own = logging.getLogger("sprig_server")
    own.removeHandler(buffer)
    own.addHandler(handler)
