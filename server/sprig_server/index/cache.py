"""The folder with the indexes of all workspaces: finding, listing and removing them."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from sprig_server.errors import InvalidInput
from sprig_server.index.database import SCHEMA, SIDECARS, delete_index
from sprig_server.index.store import digest_of

DEFAULT_LIMIT = 5_000_000_000
"""The most bytes that all indexes together may take, unless SPRIG_CACHE_LIMIT says otherwise."""

_SUFFIX = ".sqlite3"
_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class CachedIndex:
    """An index in the cache folder.

    `root` is the folder that it indexes; None if the file does not say, because it is damaged or from an earlier
    version of Sprig. `definitions` is None if they cannot be counted. `size` is in bytes, `last_used` in seconds since
    1970.
    """

    path: Path
    root: Path | None
    definitions: int | None
    size: int
    last_used: float

    @property
    def is_orphan(self) -> bool:
        """Whether nobody can use it: its folder no longer exists (not merely unreachable), or it cannot be read."""
        try:
            return self.root is None or not self.root.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False

    @property
    def folder(self) -> str:
        """The folder as shown to the user."""
        return "a folder that is not known" if self.root is None else str(self.root)


def index_path(root: Path) -> Path:
    """The index file of a workspace. Versions of Sprig with another schema use another file."""
    name = re.sub(r"[^\w.-]", "_", root.name)[:40]
    return _folder() / f"{name}-{digest_of(os.fsencode(root))[:12]}-{SCHEMA}{_SUFFIX}"


def _folder() -> Path:
    """SPRIG_CACHE_DIR if it is set, otherwise the user's cache folder."""
    own = os.environ.get("SPRIG_CACHE_DIR")
    return (Path(own) if own else user_cache_path("sprig")) / "indexes"


def list_indexes() -> list[CachedIndex]:
    """All indexes, the most recently used first."""
    found = []
    for path in sorted(_folder().glob(f"*{_SUFFIX}")):
        with suppress(FileNotFoundError):  # another process has just removed it
            last_used = path.stat().st_mtime
            found.append(CachedIndex(path, *_look_into(path), _size(path), last_used))
    return sorted(found, key=lambda index: -index.last_used)


def choose_for_removal(
    indexes: Sequence[CachedIndex], older_than: float | None = None, limit: int | None = None, now: float | None = None
) -> list[CachedIndex]:
    """The indexes to remove: orphans, those not used for `older_than` days, and the least recently used of the others
    until the rest takes at most `limit` bytes.
    """
    oldest = (time.time() if now is None else now) - _DAY * older_than if older_than is not None else None
    gone = [i for i in indexes if i.is_orphan or (oldest is not None and i.last_used < oldest)]
    return gone + _beyond(limit, [i for i in indexes if i not in gone])


def limit_cache() -> list[CachedIndex]:
    """Remove the least recently used indexes if all of them take more than SPRIG_CACHE_LIMIT. Returns those removed."""
    limit = _limit()
    if limit is None or sum(map(_size, _folder().glob(f"*{_SUFFIX}"))) <= limit:
        return []
    return [index for index in _beyond(limit, list_indexes()) if remove_index(index.path)]


def _beyond(limit: int | None, indexes: Sequence[CachedIndex]) -> list[CachedIndex]:
    excess = sum(index.size for index in indexes) - (limit if limit is not None else float("inf"))
    gone = []
    for index in sorted(indexes, key=lambda index: index.last_used):
        if excess <= 0:
            break
        gone.append(index)
        excess -= index.size
    return gone


def _limit() -> int | None:
    """The limit in bytes; None for no limit.

    Raises:
        InvalidInput: SPRIG_CACHE_LIMIT is not a size.
    """
    text = os.environ.get("SPRIG_CACHE_LIMIT", "")
    return (parse_size(text) or None) if text else DEFAULT_LIMIT


def parse_size(text: str) -> int:
    """The bytes of a size: a number, optionally followed by K, M, G or T.

    Raises:
        InvalidInput: it is not a size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip().upper())
    if match is None:
        raise InvalidInput(f'"{text}" is not a size: give bytes, or a number with K, M, G or T behind it, such as 500M')
    return int(float(match[1]) * _UNITS[match[2]])


def remove_index(path: Path) -> bool:
    """Remove an index unless a process has it open; False if one has."""
    try:
        with closing(_open_existing(path)) as connection:
            # Every open connection holds a shared lock as long as its process lives. Leaving WAL mode requires that
            # there is none.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("BEGIN EXCLUSIVE")
            if os.name != "nt":  # remove it while nobody can open it; Windows cannot remove open files
                delete_index(path)
    except sqlite3.OperationalError:
        if path.exists():
            return False
    except (sqlite3.DatabaseError, UnicodeDecodeError):  # damaged: nobody can use it
        pass
    try:
        delete_index(path)
    except PermissionError:
        return False
    return True


def _look_into(path: Path) -> tuple[Path | None, int | None]:
    """The folder that an index belongs to, and the number of its definitions."""
    root, definitions = None, None
    with suppress(sqlite3.Error), closing(_open_existing(path)) as connection:
        for (value,) in connection.execute("SELECT value FROM meta WHERE key = 'root'"):
            root = Path(os.fsdecode(value))
        ((definitions,),) = connection.execute("SELECT count(*) FROM definitions")
    return root, definitions


def _open_existing(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None)


def _size(path: Path) -> int:
    total = 0
    for suffix in ("", *SIDECARS):
        with suppress(FileNotFoundError):
            total += path.with_name(path.name + suffix).stat().st_size
    return total
