"""Logging: always to stderr, and to the client once it is initialized.

A line never contains the content of a request. Tracebacks may, so they go to stderr alone, and only with --verbose.
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
        # If the client is gone, nobody reads the log.
        with suppress(Exception):
            self._server.window_log_message(lsp.LogMessageParams(kind, record.getMessage()))


def set_up_logging(verbose: bool) -> MemoryHandler:
    """Log to stderr, and buffer records for the client until `initialized`."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    own = logging.getLogger("sprig_server")
    own.setLevel(logging.DEBUG if verbose else logging.INFO)
    # Both log the content of messages. Their failures go to `log_unexpected`.
    for foreign in ("pygls", "asyncio"):
        logging.getLogger(foreign).setLevel(logging.ERROR if verbose else _SILENT)
    threading.excepthook = lambda failed: log_unexpected("a thread ended", failed.exc_value)
    buffer = MemoryHandler(capacity=1000, flushLevel=_SILENT)
    buffer.setLevel(logging.INFO)
    own.addHandler(buffer)
    return buffer


def forward_logs(buffer: MemoryHandler, server: SprigServer) -> None:
    """Send the buffered records to the client, and later ones immediately."""
    handler = _ClientHandler(server)
    buffer.setTarget(handler)
    buffer.flush()
    own = logging.getLogger("sprig_server")
    own.removeHandler(buffer)
    own.addHandler(handler)


def log_unexpected(what: str, error: BaseException | None) -> str:
    """Log an unexpected failure as one line, without the error's text, which may quote anything.

    Returns:
        The error's type and the last place in our code that it passed through.
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
