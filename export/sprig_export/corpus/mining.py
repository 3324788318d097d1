"""Mining the pairs of a package. Each package has its own file, so an interrupted build loses at most one package."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow
import pyarrow.parquet

from sprig_export.corpus.declarations import Key, definition_key, documented_declarations
from sprig_export.corpus.deduplicate import code_keys, excluded, never_train
from sprig_export.corpus.markup import plain_documentation
from sprig_export.corpus.packages import SUFFIXES
from sprig_export.corpus.pairs import make_pair
from sprig_server.code.functions import parse_functions
from sprig_server.code.languages import language_of_path
from sprig_server.code.lines import decode
from sprig_server.types import Definition

_LOG = logging.getLogger(__name__)
_VERSION = 1  # increase it with every change of the rules; otherwise results of an old build are reused
_LARGEST_FILE = 1_000_000  # bytes
_LONGEST_LINE = 400  # characters on average; such a file is minified or data
_TEST_FOLDERS = frozenset(
    {"test", "tests", "testing", "_tests", "unittests", "functional_tests", "test_data", "__tests__", "jtreg", "gtest"}
)
_COPIES = frozenset({"node_modules", "third_party", "thirdparty", "3rdparty", "vendor", "_vendor"})
_INSTALLED = frozenset({"site-packages", "dist-packages", "venv", "build", "dist"})
_TEXTS = ("path", "language", "name", "code", "documentation", "summary")
_SCHEMA = pyarrow.schema(
    [pyarrow.field(name, pyarrow.string()) for name in _TEXTS]
    + [pyarrow.field(name, pyarrow.binary()) for name in ("exact", "bands")]
)


@dataclass(frozen=True, slots=True)
class Mined:
    """A mined package: the file with its pairs, and what was left out, with reasons and counts."""

    package: str
    path: Path
    files: int
    skipped: dict[str, int]


def mine_package(folder: Path, corpus: str, most: int, parts: Path) -> Mined:
    """Mine the documented functions of a package, or reuse the result of an interrupted build.

    Args:
        folder: the package's sources.
        corpus: a key of `packages.SUFFIXES`.
        most: stop after this many pairs.
        parts: the folder for the file with the package's pairs.
    """
    path = parts / f"{folder.name}.parquet"
    stamp = f"{_VERSION} {corpus} {most}"
    known = _taken_over(path, stamp)
    if known is not None:
        return known
    skipped: Counter[str] = Counter()
    rows: list[dict[str, str | bytes]] = []
    files = list(_files(folder, corpus, skipped))
    declared = _declarations(files) if corpus == "cpp" else {}
    read = 0
    for file in files:
        if len(rows) >= most:
            break
        read += 1
        rows.extend(_mine_file(file, file.relative_to(folder).as_posix(), corpus, declared, skipped))
    counts = {"files": read, "skipped": dict(skipped)}
    schema = _SCHEMA.with_metadata({"stamp": stamp, "counts": json.dumps(counts)})
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), temporary, compression="zstd")
    temporary.replace(path)
    return Mined(folder.name, path, read, dict(skipped))


def mine_folder(folder: Path, corpus: str) -> Iterator[dict[str, str | bytes]]:
    """The documented functions of a folder of code: path, language, name, code, documentation, summary.

    Hidden folders, installed packages and copies of other projects are left out.
    """
    paths = (path for path in folder.rglob("*") if path.name.endswith(SUFFIXES[corpus]) and path.is_file())
    files = sorted(path for path in paths if _is_own(path.relative_to(folder)))
    declared = _declarations(files) if corpus == "cpp" else {}
    for file in files:
        yield from _mine_file(file, file.relative_to(folder).as_posix(), corpus, declared, Counter())


def _is_own(path: Path) -> bool:
    return not any(part.startswith(".") or part in _COPIES or part in _INSTALLED for part in path.parts)


def _taken_over(path: Path, stamp: str) -> Mined | None:
    """The result of an earlier run for a package, if its file is complete and made by the same rules."""
    try:
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
    except (OSError, pyarrow.ArrowException):
        return None
    if metadata.get(b"stamp", b"").decode() != stamp:
        return None
    counts = json.loads(metadata[b"counts"])
    return Mined(path.stem, path, counts["files"], counts["skipped"])


def _files(folder: Path, corpus: str, skipped: Counter[str]) -> Iterator[Path]:
    """The source files of a package, its folders mixed, without tests, copies and excluded packages."""
    never = never_train(corpus)
    paths = [path for path in folder.rglob("*") if path.name.endswith(SUFFIXES[corpus]) and path.is_file()]
    for path in sorted(paths, key=lambda p: hashlib.sha1(p.relative_to(folder).as_posix().encode()).digest()):
        relative = path.relative_to(folder)
        if excluded(f"{folder.name}/{relative.as_posix()}", never):
            skipped["files of packages kept for measuring"] += 1
        elif not _COPIES.isdisjoint(relative.parts):
            skipped["files copied from other packages"] += 1
        elif _TEST_FOLDERS.isdisjoint(relative.parts) and not relative.name.lower().startswith("test_"):
            yield path


def _read(path: Path, skipped: Counter[str]) -> str | None:
    if path.stat().st_size > _LARGEST_FILE:
        skipped["files too large"] += 1
        return None
    text = decode(path.read_bytes())
    if len(text) > _LONGEST_LINE * (text.count("\n") + 1) or path.name.endswith((".min.js", ".d.ts")):
        skipped["minified and declaration files"] += 1
        return None
    return text


def _mine_file(
    path: Path, place: str, corpus: str, declared: dict[Key, str], skipped: Counter[str]
) -> Iterator[dict[str, str | bytes]]:
    try:
        text, language = _read(path, skipped), language_of_path(path.name)
        if text is None or language is None:
            return
        for function in parse_functions(text, language.name):
            pair = make_pair(_documented(function, corpus, declared))
            if pair is not None:
                exact, bands = code_keys(pair.code)
                keys: dict[str, str | bytes] = {"exact": exact, "bands": b"".join(bands)}
                yield {"path": place, "language": language.name, **asdict(pair), **keys}
    except Exception as error:  # one broken file must not end a build
        _LOG.debug("%s: %s", path, error)
        skipped["files that could not be read"] += 1


def _documented(function: Definition, corpus: str, declared: dict[Key, str]) -> Definition:
    documentation = function.documentation
    plain = plain_documentation(documentation, corpus) if documentation else ""
    if declared and not make_pair(replace(function, documentation=plain)):
        plain = plain_documentation(declared.get(definition_key(function), ""), corpus)
    return replace(function, documentation=plain)


def _declarations(files: list[Path]) -> dict[Key, str]:
    """The documentation of the package's declarations, without overloads that have the same number of parameters."""
    found: dict[Key, str] = {}
    ambiguous: set[Key] = set()
    for path in files:
        if not path.name.endswith((".h", ".hh", ".hpp", ".hxx")):
            continue
        try:
            text = _read(path, Counter())
            for key, documentation in documented_declarations(text) if text is not None else ():
                if found.setdefault(key, documentation) != documentation:
                    ambiguous.add(key)
        except Exception as error:  # counted when its definitions are read
            _LOG.debug("%s: %s", path, error)
    return {key: documentation for key, documentation in found.items() if key not in ambiguous}
