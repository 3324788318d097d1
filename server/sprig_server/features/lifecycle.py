"""initialize, initialized, shutdown."""

from __future__ import annotations

from logging.handlers import MemoryHandler

from lsprotocol import types as lsp

from sprig_server.features import configuration, indexing
from sprig_server.logs import forward_logs
from sprig_server.server import SprigServer
from sprig_server.workspace import install_documents


def register(server: SprigServer, log_buffer: MemoryHandler) -> None:
    """Register the handlers of the connection's life."""

    @server.feature(lsp.INITIALIZE)
    def initialize(ls: SprigServer, params: lsp.InitializeParams) -> None:
        install_documents(ls)
        configuration.apply(ls, params.initialization_options)

    @server.feature(lsp.INITIALIZED)
    async def initialized(ls: SprigServer, params: lsp.InitializedParams) -> None:
        forward_logs(log_buffer, ls)
        await configuration.pull(ls)
        await indexing.watch_files(ls)
        indexing.open_folders(ls)

    @server.feature(lsp.SHUTDOWN)
    def shutdown(ls: SprigServer, params: None) -> None:
        ls.was_shut_down = True
        ls.close()
