"""A connection to an index file. The file is private to its user, damaged files are rebuilt, and errors become
sentences.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sprig_server.errors import DamagedIndex, SprigError

SCHEMA = 6
"""Increase it with every change of the tables or the meaning of their columns. It is part of an index's file name."""

SIDECARS = ("-wal", "-shm", "-journal")
_BUSY_SECONDS = 30
_DAMAGE: tuple[type[Exception], ...] = (sqlite3.DatabaseError, UnicodeDecodeError)
_OPENINGS = 10  # how often another process may replace a file while it is opened

# Ids are never used twice, so new rows have higher ids. `removed` lists removed definitions. Every schema keeps `meta`,
# which names the folder of an index.
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
  path TEXT PRIMARY KEY, digest TEXT NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL, chunker INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE definitions (
  id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, name TEXT NOT NULL, qualified_name TEXT NOT NULL,
  kind TEXT NOT NULL, language TEXT NOT NULL, start_line INTEGER NOT NULL, end_line INTEGER NOT NULL,
  content TEXT NOT NULL, documented INTEGER NOT NULL, name_line INTEGER NOT NULL, name_column INTEGER NOT NULL,
  mark TEXT
);
CREATE INDEX definitions_by_path ON definitions (path);
CREATE INDEX definitions_by_name ON definitions (name COLLATE NOCASE);
CREATE INDEX definitions_by_language ON definitions (language);
CREATE INDEX definitions_by_content ON definitions (content);
CREATE TABLE removed (id INTEGER PRIMARY KEY AUTOINCREMENT, definition INTEGER NOT NULL);
CREATE TRIGGER definition_removed AFTER DELETE ON definitions
  BEGIN INSERT INTO removed (definition) VALUES (old.id); END;
CREATE TABLE contents (
  content TEXT PRIMARY KEY, text BLOB NOT NULL, code_start INTEGER NOT NULL
) WITHOUT ROWID;
CREATE VIRTUAL TABLE lexical USING fts5 (
  name, path, text, tokenize = "porter unicode61 categories 'L* M* N* Co'"
);
CREATE TABLE vectors (
  id INTEGER PRIMARY KEY AUTOINCREMENT, content TEXT NOT NULL, bundle TEXT NOT NULL, vector BLOB NOT NULL,
  UNIQUE (content, bundle)
);
CREATE TABLE summaries (
  content TEXT NOT NULL, bundle TEXT NOT NULL, text TEXT NOT NULL, confidence REAL NOT NULL,
  PRIMARY KEY (content, bundle)
) WITHOUT ROWID;
"""


class Database:
    """A connection that any thread may use, one at a time.

    Its methods raise `DamagedIndex` if the file turns out to be damaged. From then on the index is empty.
    """

    def __init__(self, path: Path, root: Path | None) -> None:
        """Open or create the index of the folder `root`. A damaged index is deleted first.

        Raises:
            SprigError: the index cannot be written.
        """
        self.path = path
        self._root = root
        self.file: tuple[int, int] | None = None  # device and inode: equal for connections to the same file
        self._lock = threading.RLock()
        self._open()

    def _open(self) -> None:
        try:
            _make_private_folder(self.path.parent)
            self._connection, self.file = _connect_to_current(self.path, self._root)
        except (OSError, sqlite3.Error) as error:
            raise SprigError(
                f'cannot write the index "{self.path}" ({_reason(error)}): make it writable, or name another folder in '
                "SPRIG_CACHE_DIR"
            ) from None

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()
            with suppress(OSError):
                os.utime(self.path)  # when it was last used

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """A context for decoding rows, because damage may show only then."""
        with self._lock, self._healing((zlib.error, ValueError, LookupError, TypeError)):
            yield

    @contextmanager
    def _healing(self, damage: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Turn errors of SQLite into sentences. If the file is damaged, replace it by an empty index."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise self._explain(error) from None
        except sqlite3.ProgrammingError:  # another thread has closed it, to reopen it or at the end
            raise SprigError(f'the index "{self.path}" was closed: try again') from None
        except (*_DAMAGE, *damage) as error:
            self._connection.close()
            if _inode_of(self.path) == self.file:  # unless another process has replaced it already
                delete_index(self.path)
            self._open()
            raise DamagedIndex(
                f'the index "{self.path}" was damaged ({error}): it is being rebuilt, try again'
            ) from None

    def _explain(self, error: sqlite3.OperationalError) -> SprigError:
        reason = str(error)
        if "full" in reason:
            return SprigError(
                f'the disk is full: free some space for the index "{self.path}", or name another folder in '
                "SPRIG_CACHE_DIR; what was indexed before is kept"
            )
        if "locked" in reason:
            return SprigError(f'another process has locked the index "{self.path}" for too long: try again')
        return SprigError(f'the index "{self.path}" cannot be used now ({reason}): try again')

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction: changes that are made together or not at all."""
        with self._lock, self._healing(), self._between("BEGIN IMMEDIATE"):
            yield self._connection

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Reads that see one state of the index, even if others write meanwhile."""
        with self._lock, self._healing(), self._between("BEGIN"):
            yield self._connection

    @contextmanager
    def _between(self, begin: str) -> Iterator[None]:
        self._connection.execute(begin)
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):  # a damaged file may refuse even that
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of one query."""
        with self._lock, self._healing():
            return self._connection.execute(query, values).fetchall()


def delete_index(path: Path) -> None:
    """Delete an index with SQLite's files beside it."""
    for suffix in ("", *SIDECARS):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _make_private_folder(folder: Path) -> None:
    """Create the folder of an index, readable by its user only, because an index contains source code.

    Raises:
        OSError: it cannot be created, or belongs to another user, who could read its files.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "nt":  # the user's profile is private already
        return
    status = folder.stat()
    if status.st_uid != os.geteuid() != 0:
        raise PermissionError(1, f'the folder "{folder}" belongs to another user')
    _narrow(folder, 0o700)
    # A parent folder that contains nothing else is Sprig's too. Any other may be the user's home, or shared.
    above = folder.parent
    with suppress(PermissionError):
        if not above.stat().st_mode & stat.S_ISVTX and list(above.iterdir()) == [folder]:
            _narrow(above, 0o700)


def _make_private_file(path: Path) -> None:
    """Create the file before SQLite does. SQLite gives its other files the same permissions."""
    if path.is_symlink():  # not Sprig's: another user could have planted it
        path.unlink()
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    if os.name != "nt":
        for suffix in ("", *SIDECARS):
            with suppress(FileNotFoundError):
                _narrow(path.with_name(path.name + suffix), 0o600)


def _narrow(path: Path, mode: int) -> None:
    with suppress(PermissionError):  # a parent folder of another user
        if stat.S_IMODE(path.stat().st_mode) & ~mode:
            path.chmod(mode)


def _inode_of(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _connect_to_current(path: Path, root: Path | None) -> tuple[sqlite3.Connection, tuple[int, int] | None]:
    """A connection to the file with this name, even if another process removes or replaces it meanwhile."""
    for _ in range(_OPENINGS):
        _make_private_file(path)
        inode = _inode_of(path)
        try:
            connection = _connect(path, root)
        except _DAMAGE as error:
            if isinstance(error, sqlite3.OperationalError) and not str(error).startswith("no such"):
                raise
            delete_index(path)
            continue
        # From its first read, a connection holds a lock that `cache.remove_index` respects.
        if inode is not None and _inode_of(path) == inode:
            os.utime(path)  # when it was last used
            return connection, inode
        connection.close()
    raise FileNotFoundError(2, "other processes remove it again and again")


def _connect(path: Path, root: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            _create(connection, root)
        elif version != SCHEMA:
            raise sqlite3.DatabaseError(f"schema {version}")
        else:
            connection.execute("SELECT count(*) FROM files").fetchone()
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection, root: Path | None) -> None:
    for statement in filter(str.strip, _TABLES.split(";\n")):
        connection.execute(statement)
    if root is not None:
        connection.execute("INSERT INTO meta VALUES ('root', ?)", (os.fsencode(root),))
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
