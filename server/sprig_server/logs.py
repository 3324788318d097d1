"""Logging: to stderr always, and to the client once it listens.

A line never holds what a request holds. Tracebacks, which may, are shown on stderr alone, and only with --verbose.
"""

from __future__ import annotations

import logging
import threading
import traceback
from contextlib import suppress
from logging.handlers import MemoryHandler
from typing import TYPE_CHECKING

from lsprotocol import types as lsp

if TYPE_CHECKING:
    from sprig_server.server import SprigServer

_log = logging.getLogger(__name__)

_SILENT = logging.CRITICAL + 1
_KINDS = {logging.INFO: lsp.MessageType.Info, logging.WARNING: lsp.MessageType.Warning}


class _ClientHandler(logging.Handler):
    """Sends records as `window/logMessage`."""

    def __init__(self, server: SprigServer) -> None:
        super().__init__(logging.INFO)
        self._server = server

    def emit(self, record: logging.LogRecord) -> None:
        kind = _KINDS.get(record.levelno, lsp.MessageType.Error)
        # Where the client is gone, there is nobody left to tell.
        with suppress(Exception):
            self._server.window_log_message(lsp.LogMessageParams(kind, record.getMessage()))


def set_up_logging(verbose: bool) -> MemoryHandler:
    """Log to stderr, and buffer for the client, whose logging starts with `initialized`."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    own = logging.getLogger("sprig_server")
    own.setLevel(logging.DEBUG if verbose else logging.INFO)
    # Both log what messages hold; failures in them come to `log_unexpected`.
    for foreign in ("pygls", "asyncio"):
        logging.getLogger(foreign).setLevel(logging.ERROR if verbose else _SILENT)
    threading.excepthook = lambda failed: log_unexpected("a thread ended", failed.exc_value)
    buffer = MemoryHandler(capacity=1000, flushLevel=_SILENT)
    buffer.setLevel(logging.INFO)
    own.addHandler(buffer)
    return buffer


def forward_logs(buffer: MemoryHandler, server: SprigServer) -> None:
    """Send what was buffered to the client, and everything after it at once."""
    handler = _ClientHandler(server)
    buffer.setTarget(handler)
    buffer.flush()
    own = logging.getLogger("sprig_server")
    own.removeHandler(buffer)
    own.addHandler(handler)


def log_unexpected(what: str, error: BaseException | None) -> str:
    """Log a failure that nobody foresaw as one line, without the words of the error, which may quote anything.

    Returns:
        The error's type and the place in our code that it came through last.
    """
    place = _describe(error)
    _log.error("%s: %s", what, place)
    if error is not None:
        _log.debug("its traceback:", exc_info=error)
    return place


def _describe(error: BaseException | None) -> str:
    if error is None:
        return "unknown error"
    frames = [f for f, _ in traceback.walk_tb(error.__traceback__)]
    own = [f for f in frames if f.f_globals.get("__name__", "").startswith("sprig_server")] or frames
    if not own:
        return type(error).__name__
    lines = [line for f, line in traceback.walk_tb(error.__traceback__) if f is own[-1]]
    return f"{type(error).__name__} at {own[-1].f_globals.get('__name__', '?')}:{lines[-1]}"
