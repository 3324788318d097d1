"""Updating the index of every workspace folder, with progress, as documents and files change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lsprotocol import types as lsp

from sprig_server.code.languages import LANGUAGES, language_of_path
from sprig_server.concurrency import Stop
from sprig_server.documents import path_of
from sprig_server.errors import Cancelled, DamagedIndex
from sprig_server.features.packs import tell_about_packs
from sprig_server.features.progress import Progress
from sprig_server.folder import Folder
from sprig_server.index.build import Control, Report
from sprig_server.index.cache import limit_cache
from sprig_server.index.files import Listing
from sprig_server.index.folder_index import FolderIndex
from sprig_server.index.watch import watch_folder
from sprig_server.server import SprigServer

_log = logging.getLogger(__name__)

# Long enough to avoid parsing at every keystroke, short enough to finish before the next question.
_DEBOUNCE_SECONDS = 0.4
_QUIET_SECONDS = 0.05
# With more changed files than this, as after a checkout, walking through the whole folder is faster.
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
    """Ask the client to report changed source files, if it can. Otherwise the server watches by itself."""
    if not server.client_can_watch():
        return
    extensions = sorted({extension[1:] for language in LANGUAGES for extension in language.extensions})
    sources = lsp.FileSystemWatcher(glob_pattern=f"**/*.{{{','.join(extensions)}}}")
    rules = lsp.FileSystemWatcher(glob_pattern="**/.gitignore")
    # When a folder is deleted, clients report the folder, not its files.
    gone = lsp.FileSystemWatcher(glob_pattern="**/*", kind=lsp.WatchKind.Delete)
    options = lsp.DidChangeWatchedFilesRegistrationOptions(watchers=[sources, rules, gone])
    registration = lsp.Registration("sprig-files", lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
    await server.ask_client(server.client_register_capability_async(lsp.RegistrationParams([registration])), None)


async def _watch(server: SprigServer, folder: Folder) -> None:
    async for changed in watch_folder(folder.index.root, server.builds.run):
        folder.work.changed |= changed or set()
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
            folder = Folder(client_folder.uri, FolderIndex(Path(path), server.models, server.parse_cache.parse))
        except Exception as error:
            server.report_failure(f"opening {path}", error)
            continue
        server.report_success(f"opening {path}")
        if folder.index.unwritable is not None:
            server.report_failure(f"keeping the index of {path}", folder.index.unwritable)
        server.folders[key] = folder
        _schedule(server, folder, rescan=True)
        if not server.client_can_watch():
            folder.watching = server.tasks.start(_watch(server, folder), f"watching {folder.index.root}")


def _key(uri: str) -> str:
    """The key of a folder, independent of how a client encodes its URI and of a slash at its end."""
    path = path_of(uri)
    return uri if path is None else str(Path(path))


def reindex(server: SprigServer) -> None:
    """Update every folder again, as after a change of bundles."""
    for folder in server.folders.values():
        folder.index.models = server.models
        folder.indexed = folder.cancelled = False
        _schedule(server, folder, rescan=True)


def _document_changed(server: SprigServer, uri: str, typed: bool = False) -> None:
    for folder, path in server.folders_of(uri):
        # Typing in a file that is not indexed, such as an ignored one, must not cause a walk each time.
        (folder.work.typed if typed else folder.work.changed).add(path)
        if typed and folder.error is not None:
            continue  # a walk is needed, but not at every keystroke
        _schedule(server, folder, delay=_DEBOUNCE_SECONDS)


def _schedule(server: SprigServer, folder: Folder, delay: float | None = None, rescan: bool = False) -> None:
    """Update a folder, starting in at most `delay` seconds. Only one update of a folder runs at a time; it continues
    until there is no work left.
    """
    folder.work.rescan |= rescan
    if delay is not None:
        folder.work.expect(delay)
    if folder.update is None or folder.update.done():
        folder.update = server.tasks.start(_update(server, folder), folder.title)


async def _update(server: SprigServer, folder: Folder) -> None:
    progress = Progress(server, f"Sprig: indexing {folder.index.root.name}")
    try:
        while folder.work.is_left:
            try:
                await _step(server, folder, progress)
            except Cancelled:
                folder.work.drop()
                if not progress.cancelled():  # the server ends
                    return
                folder.cancelled = True
                progress.end(folder.index)
            except DamagedIndex as error:  # it was replaced by an empty one
                folder.work.drop()
                folder.work.rescan = folder.error is None
                folder.error = server.report_failure(folder.title, error)
            except Exception as error:
                folder.work.drop()
                folder.work.rescan = True  # any failure: changed files are still remembered
                folder.error = server.report_failure(folder.title, error)
                return
    finally:
        folder.indexing = False
        progress.end(folder.index)


async def _step(server: SprigServer, folder: Folder, progress: Progress) -> None:
    """Do the next piece of work. Changed files come first, so that they are found at once."""
    work = folder.work
    folder.indexing = work.is_due or work.is_begun
    if work.is_due:
        await _read_changed(server, folder)
    elif work.rescan:
        await _look_through(server, folder, progress)
    elif work.listing is not None:
        await _read(server, folder, work.listing, progress)
    elif work.unencoded:
        await _encode(server, folder, progress)
    else:  # changes from now on are read together with it
        await asyncio.sleep(_QUIET_SECONDS)


async def _read_changed(server: SprigServer, folder: Folder) -> None:
    """Read the changed files that are known to be source files. For others, only a walk can tell whether they are
    ignored.
    """
    work, index = folder.work, folder.index
    changed, typed = work.take_changes()
    listed, buffers = set(work.unread), server.buffers(folder)

    def read(stop: Stop) -> tuple[list[str], set[str]]:
        if len(changed) > _MANY:
            return [], changed
        known = index.store.file_states().keys() | listed
        paths = sorted((changed | typed) & known)
        for path in paths:
            if stop():
                raise Cancelled
            index.read_file(path, buffers.get(path))
        return paths, {path for path in changed - known if _needs_rescan(path, known)}

    paths, others = await server.builds.run(read)
    work.was_read(paths)
    work.first |= others
    work.rescan |= bool(others)


def _needs_rescan(path: str, known: Iterable[str]) -> bool:
    """Whether a path that is not indexed may be a source file, an ignore file, or a folder."""
    if language_of_path(path) is not None or PurePosixPath(path).name == ".gitignore":
        return True
    return any(file.startswith(path + "/") for file in known)


async def _look_through(server: SprigServer, folder: Folder, progress: Progress) -> None:
    """Walk through the folder for files to read. After a cancelled indexing, only those that are known or have
    changed.
    """
    work, index = folder.work, folder.index
    work.rescan = False
    first, buffers = frozenset(work.first), server.buffers(folder)
    if not folder.indexed and not folder.cancelled:  # later updates are short, and a flashing bar is not useful
        folder.reached = ("parsing", 0, 0)
        await progress.begin()

    def look(stop: Stop) -> Listing:
        listing = index.find_files(buffers, lambda: stop() or progress.cancelled())
        if not folder.cancelled:
            return listing
        wanted = index.store.file_states().keys() | first
        return replace(listing, paths=[path for path in listing.paths if path in wanted])

    work.found(await server.builds.run(look), list(reversed(buffers)))


async def _read(server: SprigServer, folder: Folder, listing: Listing, progress: Progress) -> None:
    """Read the files of the folder, until changed files have priority."""
    work, index = folder.work, folder.index
    buffers, report = server.buffers(folder), _reporter(folder, progress, len(listing.paths) - len(work.unread))
    reading = await server.builds.run(
        lambda stop: index.read_files(
            work.unread, buffers, Control(report, lambda: stop() or progress.cancelled(), lambda: work.is_due)
        )
    )
    work.go_on(reading)
    if folder.cancelled:
        work.was_read(reading.changed)
    if work.unread:
        return
    folder.left_out = await server.builds.run(lambda stop: index.finish_reading(listing, work.unreadable))
    for path in folder.left_out.unreadable:
        _log.warning("cannot read %a: it is not indexed", path)
    work.listing, work.is_whole = None, True
    await tell_about_packs(server, folder)


async def _encode(server: SprigServer, folder: Folder, progress: Progress) -> None:
    """Encode definitions without a vector, until changed files have priority. After a cancelled indexing, only changed
    ones.
    """
    work, index = folder.work, folder.index
    stage, done, _ = folder.reached
    first, others = [*work.recent, *reversed(server.buffers(folder))], not folder.cancelled
    report = _reporter(folder, progress, done if stage == "encoding" else 0)
    left = await server.builds.run(
        lambda stop: index.encode(
            first,
            Control(report, lambda: stop() or progress.cancelled(), lambda: work.is_due or work.rescan),
            others,
        )
    )
    if left:
        return
    whole = work.is_whole
    work.drop()
    if whole:
        folder.indexed = not folder.cancelled
        await server.builds.run(lambda stop: index.forget_other_bundles())
        await _limit_cache(server)
    folder.error = None
    server.report_success(folder.title)


def _reporter(folder: Folder, progress: Progress, before: int) -> Report:
    """Reports the progress of a stage, of which `before` was done earlier."""

    def report(stage: str, done: int, total: int) -> None:
        if not folder.cancelled:  # then the progress is kept
            folder.reached = (stage, before + done, before + total)
            progress.report(*folder.reached)

    return report


async def _limit_cache(server: SprigServer) -> None:
    for index in await server.builds.run(lambda stop: limit_cache()):
        server.show_problem(
            f"All indexes together were too large: removed the one of {index.folder} ({index.size / 1e6:.0f} MB). "
            "SPRIG_CACHE_LIMIT sets the limit"
        )
