"""The index on disk: one SQLite file in WAL mode, shared by all processes that use the workspace.

The interface is narrow, so that another engine can implement it: put files, delete files, put vectors, look up, count.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from sqlite3 import Connection

import numpy as np
from numpy.typing import NDArray

from sprig_server.code.last_good_parse import Mark
from sprig_server.code.text import CHUNKER_VERSION, Passage, search_passage
from sprig_server.code.words import index_words
from sprig_server.index.database import Database
from sprig_server.types import Vectors

# Readers that have missed more removed definitions than this reload everything.
_REMOVED_KEPT = 10_000


GENERATED = "generated:"
"""Prefix of the digest of a generated file, which is left out."""


@dataclass(frozen=True, slots=True)
class FileState:
    """The state of a file when it was indexed. `mtime` is in nanoseconds, `digest` that of its bytes or buffer."""

    digest: str
    size: int
    mtime: int
    chunker: int = CHUNKER_VERSION


@dataclass(frozen=True, slots=True)
class Entry:
    """A definition as the index knows it; lines 1-based and inclusive, `content` the digest of what is encoded.

    Its name begins at `name_line` and `name_column` (in UTF-16 units, from 0). `mark` is what its text is known by, if
    that was read while the file was whole.
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
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Statistics:
    """The size of the index. `encoded` counts the definitions that have a vector of any bundle."""

    files: int
    definitions: int
    functions: int
    encoded: int


@dataclass(frozen=True, slots=True)
class Position:
    """The last ids of definitions, of removed definitions, and of vectors."""

    definitions: int = 0
    removed: int = 0
    vectors: int = 0

    def is_before(self, other: Position) -> bool:
        """Whether no id is higher than in the other one. A rebuilt index starts with low ids again."""
        return self.definitions <= other.definitions and self.removed <= other.removed and self.vectors <= other.vectors


@dataclass(frozen=True, slots=True)
class VectorChanges:
    """The changes that lead to `position`.

    The `removed` definitions must be removed, unless the changes are the `whole` table; `ids`, int64 [n], are added
    with `vectors`, float32 [n, d].
    """

    position: Position
    whole: bool
    removed: list[int]
    ids: NDArray[np.int64]
    vectors: Vectors


def digest_of(data: bytes) -> str:
    """The content address of some bytes: 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class Store:
    """A connection to the index of a workspace. Any thread may use it, one call at a time.

    Every method raises `DamagedIndex` if the file turns out to be damaged. From then on the index is empty.
    """

    def __init__(self, path: Path, root: Path | None = None) -> None:
        """Open or create the index of the folder `root`. An index that is damaged or has another schema is deleted
        first.

        Raises:
            SprigError: the folder cannot be written.
        """
        self.path = path
        self._database = Database(path, root)

    def is_of_one_file(self, other: Store) -> bool:
        """Whether both connections use the same file. After damage they do not, until both are reopened."""
        return self._database.file == other._database.file

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def file_states(self) -> dict[str, FileState]:
        """Every indexed file."""
        rows = self._database.read("SELECT CAST(path AS BLOB), digest, size, mtime, chunker FROM files")
        return {_path(path): FileState(*state) for path, *state in rows}

    def paths_ending(self, tail: str) -> list[str]:
        """The paths of the files whose last parts are these, with forward slashes."""
        data = _bytes(tail)
        rows = self._database.read(
            "SELECT CAST(path AS BLOB) FROM files WHERE CAST(path AS BLOB) = ? "
            "OR substr(CAST(path AS BLOB), -?) = ? ORDER BY path",
            (data, len(data) + 1, b"/" + data),
        )
        return [_path(path) for (path,) in rows]

    def put_files(self, files: Iterable[tuple[str, FileState, Sequence[tuple[Entry, Passage]]]]) -> None:
        """Replace files and their definitions. Each entry comes with the text whose digest is its `content`."""
        with self._database.transaction() as connection:
            for path, state, entries in files:
                _delete(connection, path)
                connection.execute(
                    "INSERT INTO files VALUES (CAST(? AS TEXT), ?, ?, ?, ?)",
                    (_bytes(path), state.digest, state.size, state.mtime, state.chunker),
                )
                path_words = " ".join(index_words(path))
                for entry, passage in entries:
                    _put_definition(connection, path, path_words, entry, passage)

    def touch_files(self, states: Iterable[tuple[str, FileState]]) -> None:
        """Record that files were checked and have not changed."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE files SET size = ?, mtime = ? WHERE path = CAST(? AS TEXT)",
                [(state.size, state.mtime, _bytes(path)) for path, state in states],
            )

    def delete_files(self, paths: Iterable[str]) -> None:
        """Remove files. Their vectors stay until `prune`, because a moved file still needs them."""
        with self._database.transaction() as connection:
            for path in paths:
                _delete(connection, path)

    def prune(self) -> None:
        """Remove texts and vectors of code that no file contains any more."""
        with self._database.transaction() as connection:
            for table in ("vectors", "contents"):
                connection.execute(f"DELETE FROM {table} WHERE content NOT IN (SELECT content FROM definitions)")
            connection.execute(
                "DELETE FROM removed WHERE id <= (SELECT max(id) FROM removed) - ?",
                (_REMOVED_KEPT,),
            )

    def prune_vectors(self, bundles: Collection[str]) -> None:
        """Remove the vectors of all other bundles."""
        marks = ",".join("?" * len(bundles))
        with self._database.transaction() as connection:
            connection.execute(f"DELETE FROM vectors WHERE bundle NOT IN ({marks})", tuple(bundles))

    def missing_vectors(self, bundle: str, language: str) -> list[tuple[str, str]]:
        """(content, path) of the definitions in a language that a bundle has not encoded yet."""
        rows = self._database.read(
            "SELECT content, CAST(min(path) AS BLOB) FROM definitions d WHERE language = ? AND NOT EXISTS "
            "(SELECT 1 FROM vectors v WHERE v.content = d.content AND v.bundle = ?) GROUP BY content ORDER BY min(id)",
            (language, bundle),
        )
        return [(str(content), _path(path)) for content, path in rows]

    def passages(self, contents: Sequence[str], language: str) -> list[Passage]:
        """The passages with these digests, of code in a language."""
        marks = ",".join("?" * len(contents))
        rows = self._database.read(
            f"SELECT content, text, code_start FROM contents WHERE content IN ({marks})", contents
        )
        with self._database.decoding():
            found = {content: (zlib.decompress(text).decode("utf-8"), int(start)) for content, text, start in rows}
            return [search_passage(*found[content], language) for content in contents]

    def languages(self) -> list[str]:
        """The languages that occur."""
        # Goes from one language to the next with the index, instead of reading all definitions.
        following = "SELECT min(language) FROM definitions WHERE language > known.last"
        rows = self._database.read(
            "WITH RECURSIVE known (last) AS (SELECT min(language) FROM definitions "
            f"UNION ALL SELECT ({following}) FROM known WHERE last IS NOT NULL) "
            "SELECT last FROM known WHERE last IS NOT NULL"
        )
        return [str(row[0]) for row in rows]

    def put_vectors(self, bundle: str, contents: Sequence[str], vectors: Vectors) -> None:
        """Add vectors, float32 [n, d], kept as float16."""
        rows = [(c, bundle, v.tobytes()) for c, v in zip(contents, vectors.astype(np.float16), strict=True)]
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO vectors (content, bundle, vector) VALUES (?, ?, ?)", rows)

    def position(self) -> Position:
        """The position of the index. It changes only with definitions and vectors."""
        return _position(self._database.read("SELECT name, seq FROM sqlite_sequence"))

    def vectors(self, bundle: str, languages: Sequence[str], since: Position = Position()) -> VectorChanges:
        """The vectors of a bundle for definitions in these languages: all of them, or those since an earlier
        position.
        """
        marks = ",".join("?" * len(languages))
        pairs = (
            "SELECT d.id, v.vector FROM {} CROSS JOIN {} ON v.content = d.content "  # in this order
            f"WHERE v.bundle = ? AND +d.language IN ({marks}) AND {{}}"
        )
        with self._database.snapshot() as connection:
            now = _position(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
            gone = connection.execute("SELECT definition FROM removed WHERE id > ?", (since.removed,)).fetchall()
            whole = since == Position() or len(gone) != now.removed - since.removed or not since.is_before(now)
            if whole:
                query = pairs.format("definitions d", "vectors v", "TRUE")
                rows = connection.execute(query, (bundle, *languages)).fetchall()
            else:
                # Each query starts with the new rows, so that only these are read. A pair may occur twice.
                query = pairs.format("definitions d", "vectors v", "d.id > ?")
                rows = connection.execute(query, (bundle, *languages, since.definitions)).fetchall()
                query = pairs.format("vectors v", "definitions d", "v.id > ?")
                rows += connection.execute(query, (bundle, *languages, since.vectors)).fetchall()
        with self._database.decoding():
            found = dict(rows)
            ids = np.array(list(found), dtype=np.int64)
            flat = np.frombuffer(b"".join(found.values()), dtype=np.float16).astype(np.float32)
            vectors = flat.reshape(len(found), -1 if found else 0)
            return VectorChanges(now, whole, [row[0] for row in gone], ids, vectors)

    def match(self, expression: str, weights: tuple[float, float, float], limit: int) -> list[tuple[int, float]]:
        """(id, BM25 score, higher is better) of the best definitions for a full-text expression."""
        rows = self._database.read(
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
        """The definitions with one of these bare names, ignoring case."""
        marks = ",".join("?" * len(names))
        known = [name.encode("utf-8", errors="replace").decode() for name in names]
        return self._entries(f"WHERE name COLLATE NOCASE IN ({marks})", known)

    def in_file(self, path: str) -> list[Entry]:
        """The definitions of a file, in its order."""
        return self._entries("WHERE path = CAST(? AS TEXT) ORDER BY start_line", [_bytes(path)])

    def items_in_file(self, path: str) -> list[tuple[Entry, Passage]]:
        """The definitions of a file that have a mark, each with it and with what is encoded for it."""
        rows = self._database.read(
            "SELECT id, mark, text, code_start FROM definitions JOIN contents USING (content) "
            "WHERE path = CAST(? AS TEXT) AND mark IS NOT NULL ORDER BY id",
            [_bytes(path)],
        )
        with self._database.decoding():
            entries = {entry.id: entry for entry in self.in_file(path)}
            return [
                (
                    replace(entries[item], mark=Mark(*json.loads(mark))),
                    search_passage(zlib.decompress(text).decode("utf-8"), int(start), entries[item].language),
                )
                for item, mark, text, start in rows
            ]

    def _entries(self, condition: str, values: Sequence[object]) -> list[Entry]:
        rows = self._database.read(
            "SELECT CAST(path AS BLOB), name, qualified_name, kind, language, start_line, end_line, content, "
            f"documented, id, name_line, name_column FROM definitions {condition}",
            values,
        )
        return [Entry(_path(path), *rest) for path, *rest in rows]

    def summary(self, content: str, bundle: str) -> tuple[str, float] | None:
        """A summary that was generated before, and the probability that it is right."""
        rows = self._database.read(
            "SELECT text, confidence FROM summaries WHERE content = ? AND bundle = ?", (content, bundle)
        )
        return (rows[0][0], rows[0][1]) if rows else None

    def put_summary(self, content: str, bundle: str, text: str, confidence: float) -> None:
        """Keep a generated summary."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO summaries VALUES (?, ?, ?, ?)", (content, bundle, text, confidence)
            )

    def statistics(self) -> Statistics:
        """The size of the index."""
        ((files, definitions, functions, encoded),) = self._database.read(
            f"SELECT (SELECT count(*) FROM files WHERE digest NOT LIKE '{GENERATED}%'), "
            "count(*), coalesce(sum(kind NOT IN ('class', 'module')), 0), "
            "coalesce(sum(EXISTS (SELECT 1 FROM vectors v WHERE v.content = d.content)), 0) FROM definitions d"
        )
        return Statistics(files, definitions, functions, encoded)


def _put_definition(connection: Connection, path: str, path_words: str, entry: Entry, passage: Passage) -> None:
    row = connection.execute(
        "INSERT INTO definitions VALUES (NULL, CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            _bytes(path),
            entry.name,
            entry.qualified_name,
            entry.kind,
            entry.language,
            entry.start_line,
            entry.end_line,
            entry.content,
            entry.documented,
            entry.name_line,
            entry.name_column,
            None if entry.mark is None else json.dumps(astuple(entry.mark)),
        ),
    ).lastrowid
    connection.execute(
        "INSERT INTO lexical (rowid, name, path, text) VALUES (?, ?, ?, ?)",
        (row, " ".join(index_words(entry.qualified_name)), path_words, " ".join(index_words(passage.text))),
    )
    text = zlib.compress(passage.text.encode("utf-8", errors="replace"), 1)
    connection.execute(
        "INSERT OR IGNORE INTO contents VALUES (?, ?, ?)",
        (entry.content, text, len(passage.text) - len(passage.code)),
    )


def _delete(connection: Connection, path: str) -> None:
    which = "path = CAST(? AS TEXT)"
    connection.execute(
        f"DELETE FROM lexical WHERE rowid IN (SELECT id FROM definitions WHERE {which})", (_bytes(path),)
    )
    connection.execute(f"DELETE FROM definitions WHERE {which}", (_bytes(path),))
    connection.execute(f"DELETE FROM files WHERE {which}", (_bytes(path),))


# A path may contain bytes that are not UTF-8. Python represents them as lone surrogates; SQLite's text keeps the bytes.


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", errors="surrogateescape")


def _path(data: bytes) -> str:
    return data.decode("utf-8", errors="surrogateescape")


def _position(rows: Sequence[tuple[str, int]]) -> Position:
    last = dict(rows)
    return Position(*(last.get(table, 0) for table in ("definitions", "removed", "vectors")))
