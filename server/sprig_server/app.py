"""The composition root of the server: state, features in their order, and the transport."""

from __future__ import annotations

import sys
from logging.handlers import MemoryHandler

from sprig_server.features import configuration, hover, indexing, lifecycle, search, status, trim
from sprig_server.logs import set_up_logging
from sprig_server.server import SprigServer
from sprig_server.stdio import claim_stdout


def create_server(log_buffer: MemoryHandler) -> SprigServer:
    """A server with every feature registered."""
    server = SprigServer()
    lifecycle.register(server, log_buffer)
    configuration.register(server)
    indexing.register(server)
    hover.register(server)
    search.register(server)
    status.register(server)
    trim.register(server)
    return server


def serve(tcp_port: int | None, verbose: bool) -> int:
    """Serve one client over stdio, or over TCP on this machine for debugging.

    Returns:
        The exit code that the protocol asks for: 0 after a shutdown request, 1 without one.
    """
    server = create_server(set_up_logging(verbose))
    if tcp_port is None:
        server.start_io(sys.stdin.buffer, claim_stdout())
    else:
        server.start_tcp("127.0.0.1", tcp_port)
    server.close()
    return 0 if server.was_shut_down else 1
