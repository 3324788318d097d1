"""The index on disk: one SQLite file in WAL mode, shared by every process that looks at the workspace.

The interface is narrow on purpose, so that another engine can stand behind it: put a file, delete files, put vectors,
look up, count.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from sprig_server.code.text import CHUNKER_VERSION, Passage, search_passage
from sprig_server.code.words import index_words
from sprig_server.errors import DamagedIndex, SprigError
from sprig_server.types import Vectors

SCHEMA = 4
_BUSY_SECONDS = 30

_TABLES = """
CREATE TABLE files (
  path TEXT PRIMARY KEY, digest TEXT NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL, chunker INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE definitions (
  id INTEGER PRIMARY KEY, path TEXT NOT NULL, name TEXT NOT NULL, qualified_name TEXT NOT NULL, kind TEXT NOT NULL,
  language TEXT NOT NULL, start_line INTEGER NOT NULL, end_line INTEGER NOT NULL, content TEXT NOT NULL,
  documented INTEGER NOT NULL, name_line INTEGER NOT NULL, name_column INTEGER NOT NULL
);
CREATE INDEX definitions_by_path ON definitions (path);
CREATE INDEX definitions_by_name ON definitions (name);
CREATE INDEX definitions_by_content ON definitions (content);
CREATE TABLE contents (
  content TEXT PRIMARY KEY, text BLOB NOT NULL, code_start INTEGER NOT NULL
) WITHOUT ROWID;
CREATE VIRTUAL TABLE lexical USING fts5 (name, path, text, tokenize = "porter unicode61 categories 'L* M* N* Co'");
CREATE TABLE vectors (
  content TEXT NOT NULL, bundle TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (content, bundle)
) WITHOUT ROWID;
CREATE TABLE summaries (
  content TEXT NOT NULL, bundle TEXT NOT NULL, text TEXT NOT NULL, confidence REAL NOT NULL,
  PRIMARY KEY (content, bundle)
) WITHOUT ROWID;
"""


GENERATED = "generated:"
"""Stands before the digest of a file that is left out since nobody wrote it by hand."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What a file was like when it was indexed; `mtime` in nanoseconds, `digest` of its bytes or its buffer."""

    digest: str
    size: int
    mtime: int
    chunker: int = CHUNKER_VERSION


@dataclass(frozen=True, slots=True)
class Entry:
    """A definition as the index knows it; lines 1-based and inclusive, `content` the digest of what is encoded.

    `name_line` and `name_column` (in UTF-16 units, from 0) are where its name begins.
    """

    path: str
    name: str
    qualified_name: str
    kind: str
    language: str
    start_line: int
    end_line: int
    content: str
    documented: bool
    id: int = 0
    name_line: int = 1
    name_column: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """How much the index holds; `encoded` counts the definitions that have a vector of some bundle."""

    files: int
    definitions: int
    functions: int
    encoded: int


def digest_of(data: bytes) -> str:
    """The content address of some bytes: 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def index_path(root: Path) -> Path:
    """Where the index of a workspace lies: SPRIG_CACHE_DIR where it is set, otherwise the user's cache folder."""
    own = os.environ.get("SPRIG_CACHE_DIR")
    folder = Path(own) if own else user_cache_path("sprig")
    return folder / "indexes" / f"{root.name[:40]}-{digest_of(os.fsencode(root))[:12]}.sqlite3"


class Store:
    """One connection to the index of a workspace; usable from any thread, one call at a time.

    Every method raises `DamagedIndex` where the file turns out to be damaged; the index is empty from then on.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the index; one that is damaged or of another schema is thrown away first.

        Raises:
            SprigError: the folder cannot be written.
        """
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = _connect(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                    raise
                delete_index(path)
                self._connection = _connect(path)
        except (OSError, sqlite3.Error) as error:
            raise SprigError(
                f'cannot write the index "{path}" ({error}): free it, or name another folder in SPRIG_CACHE_DIR'
            ) from None

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _healing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise SprigError(f'the index "{self.path}" cannot be used now ({error}): try again') from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            self._connection.close()
            delete_index(self.path)
            self._connection = _connect(self.path)
            raise DamagedIndex(f'the index "{self.path}" was damaged ({error}): it is built anew, ask again') from None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._healing():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                with suppress(sqlite3.Error):  # a damaged file may refuse even that
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self._healing():
            return self._connection.execute(query, values).fetchall()

    def file_states(self) -> dict[str, FileState]:
        """Every indexed file."""
        rows = self._read("SELECT path, digest, size, mtime, chunker FROM files")
        return {str(path): FileState(*state) for path, *state in rows}

    def put_files(self, files: Iterable[tuple[str, FileState, Sequence[tuple[Entry, Passage]]]]) -> None:
        """Replace files and what they define; each entry comes with the text whose digest is its `content`."""
        with self._transaction() as connection:
            for path, state, entries in files:
                _delete(connection, path)
                connection.execute(
                    "INSERT INTO files VALUES (?, ?, ?, ?, ?)",
                    (path, state.digest, state.size, state.mtime, state.chunker),
                )
                path_words = " ".join(index_words(path))
                for e, passage in entries:
                    row = connection.execute(
                        "INSERT INTO definitions VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (
                            path,
                            e.name,
                            e.qualified_name,
                            e.kind,
                            e.language,
                            e.start_line,
                            e.end_line,
                            e.content,
                            e.documented,
                            e.name_line,
                            e.name_column,
                        ),
                    ).lastrowid
                    connection.execute(
                        "INSERT INTO lexical (rowid, name, path, text) VALUES (?, ?, ?, ?)",
                        (
                            row,
                            " ".join(index_words(e.qualified_name)),
                            path_words,
                            " ".join(index_words(passage.text)),
                        ),
                    )
                    connection.execute(
                        "INSERT OR IGNORE INTO contents VALUES (?, ?, ?)",
                        (
                            e.content,
                            zlib.compress(passage.text.encode("utf-8", errors="replace"), 1),
                            len(passage.text) - len(passage.code),
                        ),
                    )

    def touch_files(self, states: Iterable[tuple[str, FileState]]) -> None:
        """Record that files were looked at again and hold what they held."""
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE files SET size = ?, mtime = ? WHERE path = ?",
                [(state.size, state.mtime, path) for path, state in states],
            )

    def delete_files(self, paths: Iterable[str]) -> None:
        """Forget files; their vectors stay until `prune`, since a moved file still needs them."""
        with self._transaction() as connection:
            for path in paths:
                _delete(connection, path)

    def prune(self) -> None:
        """Forget texts and vectors of code that no file holds any more."""
        with self._transaction() as connection:
            for table in ("vectors", "contents"):
                connection.execute(f"DELETE FROM {table} WHERE content NOT IN (SELECT content FROM definitions)")

    def missing_vectors(self, bundle: str, language: str) -> list[tuple[str, str]]:
        """(content, path) of what is defined in a language and not encoded by a bundle yet."""
        rows = self._read(
            "SELECT content, min(path) FROM definitions d WHERE language = ? AND NOT EXISTS "
            "(SELECT 1 FROM vectors v WHERE v.content = d.content AND v.bundle = ?) GROUP BY content ORDER BY min(id)",
            (language, bundle),
        )
        return [(str(content), str(path)) for content, path in rows]

    def passages(self, contents: Sequence[str], language: str) -> list[Passage]:
        """What is encoded for these digests, of code in a language."""
        marks = ",".join("?" * len(contents))
        rows = self._read(f"SELECT content, text, code_start FROM contents WHERE content IN ({marks})", contents)
        found = {content: (zlib.decompress(text).decode("utf-8"), int(start)) for content, text, start in rows}
        return [search_passage(*found[content], language) for content in contents]

    def languages(self) -> list[str]:
        """The languages that occur."""
        return [str(row[0]) for row in self._read("SELECT DISTINCT language FROM definitions ORDER BY language")]

    def put_vectors(self, bundle: str, contents: Sequence[str], vectors: Vectors) -> None:
        """Add vectors, float32 [n, d], kept as float16."""
        rows = [(c, bundle, v.tobytes()) for c, v in zip(contents, vectors.astype(np.float16), strict=True)]
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

    def vectors(self, bundle: str) -> tuple[NDArray[np.int64], Vectors]:
        """Ids of the definitions that a bundle has encoded, int64 [n], and their vectors, float32 [n, d]."""
        rows = self._read(
            "SELECT d.id, v.vector FROM definitions d JOIN vectors v ON v.content = d.content AND v.bundle = ?",
            (bundle,),
        )
        ids = np.array([row[0] for row in rows], dtype=np.int64)
        if not rows:
            return ids, np.zeros((0, 0), dtype=np.float32)
        flat = np.frombuffer(b"".join(row[1] for row in rows), dtype=np.float16)
        return ids, flat.reshape(len(rows), -1).astype(np.float32)

    def bundles(self) -> list[str]:
        """Digests of the bundles that have vectors here."""
        return [str(row[0]) for row in self._read("SELECT DISTINCT bundle FROM vectors")]

    def match(self, expression: str, weights: tuple[float, float, float], limit: int) -> list[tuple[int, float]]:
        """(id, BM25 score, higher is better) of the best definitions for a full-text expression."""
        rows = self._read(
            "SELECT rowid, -bm25(lexical, ?, ?, ?) AS score FROM lexical WHERE lexical MATCH ? "
            "ORDER BY score DESC LIMIT ?",
            (*weights, expression, limit),
        )
        return [(row, score) for row, score in rows]

    def entries(self, ids: Iterable[int]) -> dict[int, Entry]:
        """The definitions with these ids."""
        wanted = list(ids)
        marks = ",".join("?" * len(wanted))
        return {e.id: e for e in self._entries(f"WHERE id IN ({marks})", wanted)}

    def named(self, names: Sequence[str]) -> list[Entry]:
        """The definitions with one of these bare names, whatever their case."""
        return self._entries(f"WHERE lower(name) IN ({','.join('?' * len(names))})", [n.lower() for n in names])

    def in_file(self, path: str) -> list[Entry]:
        """The definitions of a file, in its order."""
        return self._entries("WHERE path = ? ORDER BY start_line", [path])

    def _entries(self, condition: str, values: Sequence[object]) -> list[Entry]:
        rows = self._read(
            "SELECT path, name, qualified_name, kind, language, start_line, end_line, content, documented, "
            "id, name_line, name_column "
            f"FROM definitions {condition}",
            values,
        )
        return [Entry(*row) for row in rows]

    def summary(self, content: str, bundle: str) -> tuple[str, float] | None:
        """A summary that was generated before, with its confidence."""
        rows = self._read("SELECT text, confidence FROM summaries WHERE content = ? AND bundle = ?", (content, bundle))
        return (rows[0][0], rows[0][1]) if rows else None

    def put_summary(self, content: str, bundle: str, text: str, confidence: float) -> None:
        """Keep a generated summary."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO summaries VALUES (?, ?, ?, ?)", (content, bundle, text, confidence)
            )

    def version(self) -> tuple[int, int]:
        """Changes whenever this connection or any other one changes the index."""
        with self._lock:
            (outside,) = self._connection.execute("PRAGMA data_version").fetchone()
            return int(outside), self._connection.total_changes

    def statistics(self) -> Statistics:
        """How much the index holds."""
        ((files, definitions, functions, encoded),) = self._read(
            f"SELECT (SELECT count(*) FROM files WHERE digest NOT LIKE '{GENERATED}%'), "
            "count(*), coalesce(sum(kind NOT IN ('class', 'module')), 0), "
            "coalesce(sum(EXISTS (SELECT 1 FROM vectors v WHERE v.content = d.content)), 0) FROM definitions d"
        )
        return Statistics(files, definitions, functions, encoded)


def delete_index(path: Path) -> None:
    """Delete an index with what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            _create(connection)
        elif version != SCHEMA:
            raise sqlite3.DatabaseError(f"schema {version}")
        else:
            connection.execute("SELECT count(*) FROM files").fetchone()
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    for statement in filter(str.strip, _TABLES.split(";\n")):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _delete(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("DELETE FROM lexical WHERE rowid IN (SELECT id FROM definitions WHERE path = ?)", (path,))
    connection.execute("DELETE FROM definitions WHERE path = ?", (path,))
    connection.execute("DELETE FROM files WHERE path = ?", (path,))
