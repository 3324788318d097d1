"""Writing the sentences of open documents while the client asks nothing, so that a hover finds them."""

from __future__ import annotations

import asyncio
import time

import psutil

from sprig_server.concurrency import Stop
from sprig_server.documents import Document
from sprig_server.errors import NotParsed
from sprig_server.features.hover import cache_for
from sprig_server.hover_content import SummaryCache, is_written, summarize
from sprig_server.server import SprigServer
from sprig_server.types import Definition

_IDLE_SECONDS = 3.0
_MOST_FUNCTIONS = 50  # of a document


def register(server: SprigServer) -> None:
    """Prepare sentences when no message has come for a while. The next message stops it."""
    idle: list[asyncio.TimerHandle] = []
    running: list[asyncio.Task[None]] = []

    def noticed() -> None:
        while running:
            running.pop().cancel()
        while idle:
            idle.pop().cancel()
        idle.append(asyncio.get_running_loop().call_later(_IDLE_SECONDS, start))

    def start() -> None:
        if any(folder.indexing for folder in server.folders.values()):  # that comes first
            noticed()
        elif _may_prepare(server):
            running.append(server.tasks.start(_prepare(server), "preparing summaries"))

    server.noticed = noticed


def _may_prepare(server: SprigServer) -> bool:
    if not server.has_opened or server.was_shut_down:
        return False
    if server.settings.hover.generate == "never" or not server.settings.hover.enabled:
        return False
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    return battery is None or battery.power_plugged is not False


async def _prepare(server: SprigServer) -> None:
    """Write what is missing: of the last hovered document first, and in each from the last hovered place outwards."""
    documents = sorted(server.workspace.text_documents.values(), key=lambda d: d.uri != server.last_hover[0])
    for document in documents:
        assert isinstance(document, Document)
        text = document.parsable()
        if text is None or not server.models.summary_bundle(text.language):
            continue
        try:
            source = await server.parse_cache.read(text)
        except NotParsed:
            continue
        center = server.last_hover[1] if document.uri == server.last_hover[0] else 0
        functions = [f for f in source.functions if not f.documentation] if source is not None else []
        functions.sort(key=lambda function: abs(function.name_span.start - center))
        folder = server.folder_of(document.uri)
        for function in functions[:_MOST_FUNCTIONS]:
            await _write(server, function, cache_for(server, folder[0].index if folder is not None else None))


async def _write(server: SprigServer, function: Definition, cache: SummaryCache) -> None:
    """Write a sentence that is not there yet, then rest as long as that took."""
    began = time.monotonic()

    def work(stop: Stop) -> bool:
        if is_written(function, server.models, cache):
            return False
        summarize(function, server.models, cache, stop)
        return True

    if await server.summaries.run(work):
        await asyncio.sleep(time.monotonic() - began)
