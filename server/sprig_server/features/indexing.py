"""Keeping the index of every workspace folder up to date, with progress, as documents and files change."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from lsprotocol import types as lsp

from sprig_server.code.languages import LANGUAGES, language_of_path
from sprig_server.concurrency import Stop
from sprig_server.errors import Cancelled, DamagedIndex
from sprig_server.features.packs import tell_about_packs
from sprig_server.index.cache import limit_cache
from sprig_server.index.watch import watch_folder
from sprig_server.index.workspace import Workspace
from sprig_server.server import Folder, SprigServer
from sprig_server.workspace import path_of

_log = logging.getLogger(__name__)

# Long enough to spare a parse at every keystroke, short enough to be done before the next question.
_DEBOUNCE_SECONDS = 0.4
_REPORT_SECONDS = 0.2
# Beyond this many changed files, as after a checkout, a look through the whole folder is quicker.
_MANY = 64


def register(server: SprigServer) -> None:
    """Register the handlers that notice changes."""

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(ls: SprigServer, params: lsp.DidOpenTextDocumentParams) -> None:
        _document_changed(ls, params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def changed(ls: SprigServer, params: lsp.DidChangeTextDocumentParams) -> None:
        _document_changed(ls, params.text_document.uri, typed=True)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    def saved(ls: SprigServer, params: lsp.DidSaveTextDocumentParams) -> None:
        _document_changed(ls, params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(ls: SprigServer, params: lsp.DidCloseTextDocumentParams) -> None:
        _document_changed(ls, params.text_document.uri)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def watched(ls: SprigServer, params: lsp.DidChangeWatchedFilesParams) -> None:
        for change in params.changes:
            _document_changed(ls, change.uri)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def folders_changed(ls: SprigServer, params: lsp.DidChangeWorkspaceFoldersParams) -> None:
        for removed in params.event.removed:
            for known in list(ls.workspace.folders.values()):
                if _key(known.uri) == _key(removed.uri):
                    ls.workspace.remove_folder(known.uri)
            folder = ls.folders.pop(_key(removed.uri), None)
            for task in (folder.update, folder.watching) if folder is not None else ():
                if task is not None:
                    task.cancel()
        open_folders(ls)


async def watch_files(server: SprigServer) -> None:
    """Ask the client to tell about changed source files, where it can; otherwise the server watches by itself."""
    if not server.client_can_watch():
        return
    extensions = sorted({extension[1:] for language in LANGUAGES for extension in language.extensions})
    sources = lsp.FileSystemWatcher(glob_pattern=f"**/*.{{{','.join(extensions)}}}")
    rules = lsp.FileSystemWatcher(glob_pattern="**/.gitignore")
    # Of a folder that goes, clients report the folder and not its files.
    gone = lsp.FileSystemWatcher(glob_pattern="**/*", kind=lsp.WatchKind.Delete)
    options = lsp.DidChangeWatchedFilesRegistrationOptions(watchers=[sources, rules, gone])
    registration = lsp.Registration("sprig-files", lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
    await server.ask_client(server.client_register_capability_async(lsp.RegistrationParams([registration])), None)


async def _watch(server: SprigServer, folder: Folder) -> None:
    async for changed in watch_folder(folder.workspace.root, server.builds.run):
        folder.changed |= changed or set()
        _schedule(server, folder, delay=0.0, rescan=changed is None)


def open_folders(server: SprigServer) -> None:
    """Open and index the workspace folders that are not open yet."""
    server.has_opened = True
    if not server.settings.index:
        return
    known = list(server.workspace.folders.values())
    if not known and server.workspace.root_uri:
        known = [lsp.WorkspaceFolder(server.workspace.root_uri, "")]
    for client_folder in known:
        path, key = path_of(client_folder.uri), _key(client_folder.uri)
        if key in server.folders or path is None:
            continue
        try:
            folder = Folder(client_folder.uri, Workspace(Path(path), server.models, server.sources.outline))
        except Exception as error:
            server.report_failure(f"opening {path}", error)
            continue
        server.report_success(f"opening {path}")
        if folder.workspace.unwritable is not None:
            server.report_failure(f"keeping the index of {path}", folder.workspace.unwritable)
        server.folders[key] = folder
        _schedule(server, folder, delay=0.0, rescan=True)
        if not server.client_can_watch():
            folder.watching = server.tasks.start(_watch(server, folder), f"watching {folder.workspace.root}")


def _key(uri: str) -> str:
    """One for each folder, however a client encodes its URI and whether it ends it with a slash."""
    path = path_of(uri)
    return uri if path is None else str(Path(path))


def reindex(server: SprigServer) -> None:
    """Bring every folder up to date again, as after a change of bundles."""
    for folder in server.folders.values():
        folder.workspace.models = server.models
        folder.indexed = False
        _schedule(server, folder, delay=0.0, rescan=True)


def _document_changed(server: SprigServer, uri: str, typed: bool = False) -> None:
    for folder, path in server.folders_of(uri):
        # Typing in a file that is not indexed, an ignored one say, must not look through the folder each time.
        (folder.typed if typed else folder.changed).add(path)
        if typed and folder.error is not None:
            continue  # a look through the folder is due, for which each keystroke is no time
        _schedule(server, folder, delay=_DEBOUNCE_SECONDS)


def _schedule(server: SprigServer, folder: Folder, delay: float, rescan: bool = False) -> None:
    """Update a folder soon. One update of a folder runs at a time; it goes on until nothing has changed any more."""
    folder.rescan = folder.rescan or rescan
    if folder.update is None or folder.update.done():
        folder.update = server.tasks.start(_update(server, folder, delay), folder.work)


async def _update(server: SprigServer, folder: Folder, delay: float) -> None:
    await asyncio.sleep(delay)
    while folder.rescan or folder.changed or folder.typed:
        changed, folder.changed = folder.changed, set()
        typed, folder.typed = folder.typed, set()
        rescan, folder.rescan = folder.rescan, False
        folder.indexing = True
        try:
            if not rescan:
                rescan = await _update_known(server, folder, changed, typed)
            if rescan:
                await _rescan(server, folder)
                await _limit_cache(server)
                await tell_about_packs(server, folder)
            folder.error = None
            server.report_success(folder.work)
        except Cancelled:
            folder.cancelled = True
            return
        except DamagedIndex as error:  # an empty one has taken its place
            folder.rescan = folder.error is None
            folder.error = server.report_failure(folder.work, error)
        except Exception as error:
            folder.rescan = True  # whatever comes next; nothing that has changed is forgotten
            folder.error = server.report_failure(folder.work, error)
            return
        finally:
            folder.indexing = False
        if folder.changed or folder.typed:
            await asyncio.sleep(_DEBOUNCE_SECONDS)


async def _update_known(server: SprigServer, folder: Folder, changed: set[str], typed: set[str]) -> bool:
    """Update files that the index knows; True where another one has changed, so that the folder must be looked through
    again: only that tells whether a new file is ignored."""
    buffers = server.buffers(folder)
    workspace = folder.workspace

    def work(stop: Stop) -> bool:
        if len(changed) > _MANY:
            return True
        known = workspace.store.file_states()
        for path in sorted((changed | typed) & known.keys()):
            workspace.update_file(path, buffers.get(path), stop)
        return any(_needs_rescan(path, known) for path in changed - known.keys())

    return await server.builds.run(work)


def _needs_rescan(path: str, known: Iterable[str]) -> bool:
    """Whether a path that is not indexed may be a source, say which files are sources, or be a folder of them."""
    if language_of_path(path) is not None or PurePosixPath(path).name == ".gitignore":
        return True
    return any(file.startswith(path + "/") for file in known)


async def _rescan(server: SprigServer, folder: Folder) -> None:
    buffers = server.buffers(folder)
    workspace = folder.workspace
    newest_first = list(reversed(buffers))
    folder.cancelled, folder.reached = False, ("parsing", 0, 0)
    progress = _Progress(server, f"Sprig: indexing {workspace.root.name}")
    if not folder.indexed:  # later ones take a moment, and a bar that flashes up says nothing
        await progress.begin()

    def report(stage: str, done: int, total: int) -> None:
        folder.reached = (stage, done, total)
        progress.report(stage, done, total)

    try:
        folder.left_out = await server.builds.run(
            lambda stop: workspace.update(buffers, newest_first, report, lambda: stop() or progress.cancelled())
        )
        folder.indexed = True
        for path in folder.left_out.unreadable:
            _log.warning("cannot read %a: it is not indexed", path)
    finally:
        progress.end(workspace)


async def _limit_cache(server: SprigServer) -> None:
    for index in await server.builds.run(lambda stop: limit_cache()):
        server.show_problem(
            f"The indexes together were too large: removed that of {index.folder} ({index.size / 1e6:.0f} MB). "
            "SPRIG_CACHE_LIMIT says how much they may take"
        )


class _Progress:
    """`$/progress` for one rescan, where the client shows such; `report` may be called from any thread."""

    def __init__(self, server: SprigServer, title: str) -> None:
        self._server = server
        self._title = title
        self._token: str | None = None
        self._loop = asyncio.get_running_loop()
        self._last = 0.0

    async def begin(self) -> None:
        window = self._server.client_capabilities.window
        if window is None or not window.work_done_progress:
            return
        token = str(uuid.uuid4())  # pygls never forgets a token, so none may be used twice
        if await self._server.ask_client(self._server.work_done_progress.create_async(token), "no") == "no":
            return
        self._token = token
        self._server.work_done_progress.begin(
            token, lsp.WorkDoneProgressBegin(title=self._title, percentage=0, cancellable=True)
        )

    def report(self, stage: str, done: int, total: int) -> None:
        now = self._loop.time()
        if self._token is None or now - self._last < _REPORT_SECONDS:
            return
        self._last = now
        percentage = 100 * done // max(1, total)
        value = lsp.WorkDoneProgressReport(message=f"{stage} {done}/{total}", percentage=percentage)
        self._loop.call_soon_threadsafe(self._send, value)

    def _send(self, value: lsp.WorkDoneProgressReport) -> None:
        if self._token is not None:
            self._server.work_done_progress.report(self._token, value)

    def cancelled(self) -> bool:
        tokens = self._server.work_done_progress.tokens
        return self._token is not None and self._token in tokens and tokens[self._token].cancelled()

    def end(self, workspace: Workspace) -> None:
        token, self._token = self._token, None
        if token is None:
            return
        counted = workspace.statistics()
        message = f"{counted.functions} functions in {counted.files} files"
        self._server.work_done_progress.end(token, lsp.WorkDoneProgressEnd(message=message))
        self._server.work_done_progress.tokens.pop(token, None)
