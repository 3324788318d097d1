"""Settings from initializationOptions and from workspace/configuration."""

from __future__ import annotations

import logging
from typing import Any

from lsprotocol import types as lsp

from sprig_server.errors import SprigError
from sprig_server.features import indexing
from sprig_server.inference.models import Models
from sprig_server.server import SprigServer
from sprig_server.settings import SECTION, parse_settings

_log = logging.getLogger(__name__)


def register(server: SprigServer) -> None:
    """Register the handler for changed settings."""

    @server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def changed(ls: SprigServer, params: lsp.DidChangeConfigurationParams) -> None:
        before = ls.models
        if not await pull(ls):
            sent = params.settings
            data = sent.get(SECTION, sent) if isinstance(sent, dict) else getattr(sent, SECTION, sent)
            apply(ls, data)
        if ls.models is not before:
            indexing.reindex(ls)


async def pull(server: SprigServer) -> bool:
    """Ask the client for its settings and apply them; False where it cannot be asked."""
    workspace = server.client_capabilities.workspace
    if workspace is None or not workspace.configuration:
        return False
    item = lsp.ConfigurationItem(section=SECTION)
    values = await server.workspace_configuration_async(lsp.ConfigurationParams(items=[item]))
    if values and values[0] is not None:
        apply(server, values[0])
    return True


def apply(server: SprigServer, data: Any) -> None:
    """Take over settings; what is wrong with them is shown, and the defaults hold."""
    settings, problems = parse_settings(_plain(data))
    for problem in problems:
        server.show_problem(f"Sprig's settings cannot be used ({problem}): mend them; the defaults hold until then")
    if settings == server.settings:
        return
    before, server.settings = server.settings, settings
    if (settings.bundle_folders, settings.thread_count) != (before.bundle_folders, before.thread_count):
        try:
            server.models = Models(settings.bundle_folders, settings.thread_count)
        except SprigError as error:
            server.show_problem(f"{error} (the installed bundles are used)")
            server.models = Models((), settings.thread_count)


def _plain(value: Any) -> Any:
    """Dictionaries again, where the JSON reader made named tuples."""
    if hasattr(value, "_asdict"):
        return {key: _plain(item) for key, item in value._asdict().items()}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
