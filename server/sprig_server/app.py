"""The composition root of the server: state, features in a fixed order, and the transport."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from logging.handlers import MemoryHandler

from sprig_server.connection import Writer, receive
from sprig_server.features import (
    configuration,
    hover,
    indexing,
    lifecycle,
    preparation,
    search,
    status,
    summaries,
    trim,
)
from sprig_server.lifetime import end_within_grace
from sprig_server.logs import log_unexpected, set_up_logging
from sprig_server.server import SprigServer
from sprig_server.stdio import claim_stdout, read_stdin

_CHUNK = 1 << 16
_COLLECTION = (10_000, 20, 20)
"""When garbage is collected (`gc.set_threshold`): parsed documents are hundreds of thousands of objects without cycles,
and looking through all of them stops every thread for a third of a second."""


def create_server(log_buffer: MemoryHandler) -> SprigServer:
    """A server with every feature registered."""
    server = SprigServer()
    lifecycle.register(server, log_buffer)
    configuration.register(server)
    indexing.register(server)
    hover.register(server)
    search.register(server)
    status.register(server)
    summaries.register(server)
    preparation.register(server)
    trim.register(server)
    return server


def serve(tcp_port: int | None, verbose: bool) -> int:
    """Serve one client over stdio, or over TCP on this machine (for debugging).

    Returns:
        The exit code that the protocol demands: 0 after a shutdown request, otherwise 1.
    """
    server = create_server(set_up_logging(verbose))

    def exit_code() -> int:
        return 0 if server.was_shut_down else 1

    gc.freeze()
    gc.set_threshold(*_COLLECTION)
    try:
        asyncio.run(_serve_stdio(server) if tcp_port is None else _serve_tcp(server, tcp_port))
    finally:
        end_within_grace(exit_code)
        server.close()
    return exit_code()


async def _serve_stdio(server: SprigServer) -> None:
    await _serve(server, read_stdin(asyncio.get_running_loop()), claim_stdout())


async def _serve_tcp(server: SprigServer, port: int) -> None:
    loop = asyncio.get_running_loop()
    client: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = loop.create_future()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if client.done():
            writer.close()
        else:
            client.set_result((reader, writer))

    async with await asyncio.start_server(connected, "127.0.0.1", port):
        reader, writer = await client
        await _serve(server, lambda: reader.read(_CHUNK), writer)
        writer.close()


async def _serve(server: SprigServer, read: Callable[[], Awaitable[bytes]], writer: Writer) -> None:
    """Serve until the client sends `exit`, its stream ends, its process ends, or this process is asked to terminate."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: _log_failure(context.get("exception")))
    receiving = loop.create_task(receive(server, read))

    def leave() -> None:
        end_within_grace(lambda: 0 if server.was_shut_down else 1)  # the event loop may be stuck in a write
        with suppress(RuntimeError):  # it is closed
            loop.call_soon_threadsafe(receiving.cancel)

    server.leave = leave
    signal.signal(signal.SIGTERM, lambda *_: leave())
    server.protocol.set_writer(writer)
    await asyncio.wait({receiving})
    if not receiving.cancelled():
        _log_failure(receiving.exception())


def _log_failure(error: object) -> None:
    if isinstance(error, Exception):
        log_unexpected("the server failed", error)
