"""A workspace folder of the client: its index, and the work that is left to bring it up to date."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sprig_server.documents import path_of
from sprig_server.index.build import Reading
from sprig_server.index.files import Listing
from sprig_server.index.folder_index import FolderIndex
from sprig_server.types import LeftOut


@dataclass(slots=True)
class Work:
    """The work that is left for an index, in the order in which it is done. Change it on the event loop only.

    `changed` (files, which may be new) and `typed` (documents that were only edited) are paths to read again when the
    monotonic clock reaches `due`. `rescan` asks for a walk through the whole folder; then the files in `first` are read
    before the others of its `listing`. `unread` are files of the listing that have not been read yet, `unreadable`
    those that could not be; `is_whole` says that all were read. `unencoded` says that there may be texts without a
    vector, and `recent` which files come first then.
    """

    changed: set[str] = field(default_factory=set)
    typed: set[str] = field(default_factory=set)
    due: float | None = None
    rescan: bool = False
    first: set[str] = field(default_factory=set)
    listing: Listing | None = None
    unread: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    is_whole: bool = False
    unencoded: bool = False
    recent: list[str] = field(default_factory=list)

    @property
    def is_due(self) -> bool:
        """Whether changed files must be read before anything else. May be called from any thread."""
        due = self.due
        return due is not None and time.monotonic() >= due

    @property
    def is_begun(self) -> bool:
        """Whether there is work other than changed files."""
        return self.rescan or self.listing is not None or self.unencoded

    @property
    def is_left(self) -> bool:
        """Whether there is any work."""
        return self.due is not None or self.is_begun

    def expect(self, delay: float) -> None:
        """Read changed files in this many seconds, or sooner if that was scheduled before."""
        due = time.monotonic() + delay
        self.due = due if self.due is None else min(self.due, due)

    def take_changes(self) -> tuple[set[str], set[str]]:
        """Take the changed and the typed paths: the caller reads them."""
        taken = self.changed, self.typed
        self.changed, self.typed, self.due = set(), set(), None
        return taken

    def found(self, listing: Listing, front: Collection[str]) -> None:
        """The folder was walked through; files in `front` are read before the others."""
        paths = set(listing.paths)
        begin = dict.fromkeys(path for path in (*sorted(self.first), *front) if path in paths)
        self.listing, self.unreadable = listing, []
        self.unread = [*begin, *(path for path in listing.paths if path not in begin)]
        self.first = set()

    def go_on(self, reading: Reading) -> None:
        """Some files of the listing were read, or all of them."""
        self.unread = reading.left
        self.unreadable += reading.unreadable
        self.unencoded = True

    def was_read(self, paths: Collection[str]) -> None:
        """Files with new content were read; they are encoded before all others."""
        self.recent = list(dict.fromkeys((*paths, *self.recent)))
        self.unencoded |= bool(paths)

    def drop(self) -> None:
        """Forget work that has begun, but not changed files."""
        self.listing, self.unread, self.is_whole, self.unencoded, self.recent = None, [], False, False, []


@dataclass(slots=True)
class Folder:
    """A workspace folder of the client, its index, and the state of its indexing.

    `work` is what is left to do. `indexed` says that everything was done once, `cancelled` that the user stopped
    indexing: from then on only changes are indexed. `reached` is how far it came and `left_out` what was left out.
    """

    uri: str
    index: FolderIndex
    work: Work = field(default_factory=Work)
    indexing: bool = False
    indexed: bool = False
    cancelled: bool = False
    reached: tuple[str, int, int] = ("parsing", 0, 0)
    error: str | None = None
    left_out: LeftOut = field(default_factory=LeftOut)
    update: asyncio.Task[None] | None = None
    watching: asyncio.Task[None] | None = None

    @property
    def incomplete(self) -> str | None:
        """Why not everything in the folder can be found, and how far indexing came; None if everything can."""
        stage, done, total = self.reached
        name, place = self.index.root.name, f"{stage}: {done} of {total}" if total else f"{stage}: just begun"
        if self.error is not None:
            return f"{name} could not be indexed: {self.error}"
        if self.cancelled:
            return (
                f"indexing {name} was cancelled ({place}): since then only changes are indexed; "
                "restart the server to continue"
            )
        if self.indexing:
            return f"{name} is being indexed ({place}): try again later for more"
        return None if self.indexed else f"{name} waits to be indexed: try again"

    @property
    def title(self) -> str:
        """The name of the indexing task in error messages."""
        return f"indexing {self.index.root}"

    def relative(self, uri: str) -> str | None:
        """The path of a document within this folder, with forward slashes; None if it is outside."""
        path = path_of(uri)
        if path is None:
            return None
        try:
            return Path(path).resolve().relative_to(self.index.root).as_posix()
        except (ValueError, OSError):
            return None

    def uri_of(self, path: str) -> str:
        """The URI of a file in this folder, below the folder's own URI, which the client knows."""
        return self.uri.rstrip("/") + PurePosixPath("/", path).as_uri().removeprefix("file://")
