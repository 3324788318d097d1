"""Settings from `initializationOptions` and `workspace/configuration`."""

from __future__ import annotations

from typing import Any

from lsprotocol import types as lsp

from sprig_server.errors import SprigError
from sprig_server.features import indexing
from sprig_server.inference.models import Models
from sprig_server.server import SprigServer
from sprig_server.settings import SECTION, own_section, parse_settings

# Some clients show a dialog first, so the answer may take long. Nothing waits for it.
_PATIENCE_SECONDS = 600.0
_PROBLEMS_SHOWN = 5


def register(server: SprigServer) -> None:
    """Register the handler for changed settings."""

    @server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def changed(ls: SprigServer, params: lsp.DidChangeConfigurationParams) -> None:
        await follow(ls, own_section(params.settings, shared=True))


async def follow(server: SprigServer, sent: Any = None) -> None:
    """Apply the client's settings, or else those that it `sent`, and index again if needed."""
    before, indexed = server.models, server.settings.index
    if not await _pull(server) and sent is not None:
        apply(server, sent)
    if server.models is not before:
        indexing.reindex(server)
    if server.settings.index and not indexed:
        indexing.open_folders(server)


def can_be_asked(server: SprigServer) -> bool:
    """Whether the client answers `workspace/configuration`."""
    workspace = server.client_capabilities.workspace
    return workspace is not None and bool(workspace.configuration)


async def _pull(server: SprigServer) -> bool:
    """Ask the client for its settings and apply them; False if it has none."""
    if not can_be_asked(server):
        return False
    item = lsp.ConfigurationItem(section=SECTION)
    asked = server.workspace_configuration_async(lsp.ConfigurationParams(items=[item]))
    values = await server.ask_client(asked, None, _PATIENCE_SECONDS)
    if values and values[0] is not None:
        apply(server, values[0])
    return values is not None


def apply(server: SprigServer, data: Any) -> None:
    """Apply settings. Problems are shown in one message, and the defaults are used for these settings."""
    settings, problems = parse_settings(data)
    if problems and problems != server.setting_problems:
        more = len(problems) - _PROBLEMS_SHOWN
        listed = "; ".join(problems[:_PROBLEMS_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        server.show_problem(f"Some settings of Sprig cannot be used, so their defaults are: {listed}")
    server.setting_problems = problems
    if settings == server.settings:
        return
    before, server.settings = server.settings, settings
    if (settings.bundle_folders, settings.thread_count) != (before.bundle_folders, before.thread_count):
        server.models = _open_models(server)


def _open_models(server: SprigServer) -> Models:
    """The models of the configured bundles. Those that are not bundles are reported and left out."""
    usable = []
    for folder in server.settings.bundle_folders:
        try:
            Models((folder,), server.settings.thread_count)
            usable.append(folder)
        except SprigError as error:
            server.show_problem(f"{error} (it is left out)")
    return Models(usable, server.settings.thread_count)
