"""stdin and stdout for the protocol: nothing else writes to stdout, and neither keeps the process from ending."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable

_CHUNK = 1 << 16
_RETRY_SECONDS = 0.01


class Output:
    """Output of messages to a pipe. Messages from several threads never mix, and each is written completely."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        """Write all of `data`.

        Raises:
            OSError: nobody reads the pipe any more.
        """
        rest = memoryview(data)
        with self._lock:
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest[: 1 << 30]) :]
                except BlockingIOError:  # the client made the pipe non-blocking and is slow
                    time.sleep(_RETRY_SECONDS)

    def close(self) -> None:
        """Write nothing more. The pipe itself ends with the process."""


def claim_stdout() -> Output:
    """Reserve stdout for the protocol. Other writes to file descriptor 1 go to stderr from now on.

    A stray print, or a line from native code, would break the framing for strict clients.
    """
    protocol = Output(os.dup(1))
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return protocol


def read_stdin(loop: asyncio.AbstractEventLoop) -> Callable[[], Awaitable[bytes]]:
    """A function that awaits the next bytes of stdin; b"" is the end.

    A daemon thread reads, so Python does not wait for it at exit: another process may hold the pipe open for ever.
    """
    arrived: asyncio.Queue[bytes] = asyncio.Queue(maxsize=16)

    def read() -> None:
        data = b"?"
        while data:
            try:
                data = os.read(0, _CHUNK)
            except BlockingIOError:
                time.sleep(_RETRY_SECONDS)
                continue
            except OSError:
                data = b""
            try:
                asyncio.run_coroutine_threadsafe(arrived.put(data), loop).result()
            except (RuntimeError, asyncio.CancelledError):  # the loop is closed: nobody waits for it
                return

    threading.Thread(target=read, name="sprig-stdin", daemon=True).start()
    return arrived.get
