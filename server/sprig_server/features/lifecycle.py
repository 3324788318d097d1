"""The lifecycle of a connection: initialize, initialized, shutdown."""

from __future__ import annotations

import asyncio
import logging
from logging.handlers import MemoryHandler

from lsprotocol import types as lsp

from sprig_server.documents import install_documents
from sprig_server.features import configuration, indexing
from sprig_server.lifetime import watch_client
from sprig_server.logs import forward_logs
from sprig_server.server import ANSWER_SECONDS, SprigServer
from sprig_server.settings import own_section

_log = logging.getLogger(__name__)


def register(server: SprigServer, log_buffer: MemoryHandler) -> None:
    """Register the lifecycle handlers."""

    @server.feature(lsp.INITIALIZE)
    def initialize(ls: SprigServer, params: lsp.InitializeParams) -> None:
        install_documents(ls, ls.parse_cache)
        configuration.apply(ls, own_section(params.initialization_options, shared=False))
        if params.process_id is not None and params.process_id > 0:
            watch_client(params.process_id, lambda: _client_gone(ls))

    @server.feature(lsp.INITIALIZED)
    async def initialized(ls: SprigServer, params: lsp.InitializedParams) -> None:
        forward_logs(log_buffer, ls)
        if configuration.can_be_asked(ls):
            asked = ls.tasks.start(configuration.follow(ls), "reading the settings")
            await asyncio.wait({asked}, timeout=ANSWER_SECONDS)
        await indexing.watch_files(ls)
        indexing.open_folders(ls)

    @server.feature(lsp.SHUTDOWN)
    def shutdown(ls: SprigServer, params: None) -> None:
        ls.was_shut_down = True
        ls.close()


def _client_gone(server: SprigServer) -> None:
    server.leave()
    _log.warning("the client's process has ended, and so does the server (a client that cannot know sends null)")
