"""Watching a folder, for editors that cannot. Only folders that the listing visits are watched.

The system's notifications are used. If it has none, or no more of them, the folders are polled every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

from watchfiles import Change, awatch

from sprig_server.code.languages import language_of_path
from sprig_server.concurrency import Stop
from sprig_server.index.files import list_files

_log = logging.getLogger(__name__)

# The writes of a save or of a checkout are collected until there is a pause of _QUIET.
_QUIET_MS, _LONGEST_MS = 100, 2_000
_POLL_MS = 2_000
_RETRY_SECONDS = 10.0
# With more changed files than this, walking through the whole folder is faster.
_MANY = 64

Run = Callable[[Callable[[Stop], list[str]]], Awaitable[list[str]]]


async def watch_folder(root: Path, run: Run, *, polling: bool = False) -> AsyncGenerator[set[str] | None, None]:
    """Changes as they happen, until the task is cancelled.

    Yields:
        Paths of source files that were created, changed or deleted, relative to `root`; None if the folder must be
        walked again, which is also the first value whenever watching begins.

    Args:
        run: runs the walk through the folder on a thread.
        polling: poll the folders instead of using the system's notifications.
    """
    top = root.as_posix().rstrip("/")

    def look(stop: Stop) -> list[str]:
        return list_files(root, stop=stop).folders

    while True:
        folders = [folder for folder in await run(look) if _is_unicode(f"{top}/{folder}")]
        try:
            async with aclosing(_watch(top, folders, polling)) as watching:
                async for found in watching:
                    yield found
            if not folders:  # the workspace no longer exists, or its name cannot be watched
                await asyncio.sleep(_RETRY_SECONDS)
                yield None
        except FileNotFoundError:  # a folder was deleted after the walk
            await asyncio.sleep(_QUIET_MS / 1000)
        except Exception as error:
            if _names_a_file(error):
                await asyncio.sleep(_LONGEST_MS / 1000)
                continue
            _log.info("the system gives no notifications (%s): folders are polled for changes", type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS if polling else 0)
            polling = True


def _is_unicode(path: str) -> bool:
    """Whether watchfiles accepts a path: its names must be UTF-8."""
    return path.isascii() or path.encode("utf-8", errors="replace").decode("utf-8") == path


def _names_a_file(error: Exception) -> bool:
    """Whether watchfiles failed because the name of a changed file is not UTF-8."""
    failures = getattr(error, "exceptions", (error,))
    return all("Unable to decode path" in str(failure) for failure in failures)


async def _watch(top: str, folders: list[str], polling: bool) -> AsyncGenerator[set[str] | None, None]:
    """Changes directly in these folders, beginning with None. Ends when the set of folders may have changed; a folder
    that was created again under the same name is a new one.
    """
    if not folders:
        return
    known = {f"{top}/{folder}".rstrip("/") or "/" for folder in folders}
    begun = False
    changing = awatch(
        *sorted(known),
        watch_filter=None,
        recursive=False,
        debounce=_LONGEST_MS,
        step=_QUIET_MS,
        rust_timeout=_LONGEST_MS // 2,
        yield_on_timeout=True,
        force_polling=polling or None,
        poll_delay_ms=_POLL_MS,
        ignore_permission_denied=True,
    )
    async with aclosing(changing):
        async for changes in changing:
            paths = {path[len(top) + 1 :] for _, path in changes if language_of_path(path)}
            if any(_is_structural(kind, path, known) for kind, path in changes):
                return
            if not begun or len(paths) > _MANY:
                begun = True
                yield None
            elif paths:
                yield paths


def _is_structural(kind: Change, path: str, known: set[str]) -> bool:
    """Whether a change may affect which folders and files count."""
    return path.endswith("/.gitignore") or (kind != Change.modified and (path in known or Path(path).is_dir()))
