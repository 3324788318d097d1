"""Folders of source code to a table of function/documentation pairs, split by package."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow
import pyarrow.parquet
from rich.console import Console
from rich.progress import Progress

from sprig_export.corpus.deduplicate import Keys, Seen, code_keys, excluded, never_train
from sprig_export.corpus.packages import SUFFIXES
from sprig_export.corpus.pairs import Pair, make_pair
from sprig_server.code.functions import parse_functions
from sprig_server.code.lines import decode
from sprig_server.errors import InvalidInput

_LOG = logging.getLogger(__name__)
_PROCESSES = 2
_BATCH = 256  # files
_MOST_PAIRS = 6_000  # of one package: no project's habits may dominate
_MOST_REPEATS = 5  # of one sentence in one package: beyond, it is a convention and no description
_LARGEST_FILE = 1_000_000  # bytes
_TEST_FOLDERS = frozenset({"test", "tests", "testing", "_tests", "unittests", "functional_tests", "test_data"})
_HELD_OUT = 40  # one package in so many is for validation
_COLUMNS = ("package", "path", "language", "name", "code", "documentation", "summary", "split")
_SCHEMA = pyarrow.schema([(name, pyarrow.string()) for name in _COLUMNS])

Mined = tuple[Pair, Keys]


@dataclass(frozen=True, slots=True)
class _Place:
    package: str
    path: str
    language: str


@dataclass(slots=True)
class Report:
    """What a build did: pairs kept per split and per package, and what was left out, why and how often."""

    files: int = 0
    pairs: Counter[str] = field(default_factory=Counter)
    packages: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)


def build(sources: Sequence[Path], language: str, output: Path, exclude: Sequence[Path]) -> Report:
    """Mine folders for pairs and write them as Parquet.

    Args:
        sources: folders of packages, or folders that hold such folders (what `packages.fetch` wrote).
        language: the language to read.
        output: the Parquet file, replaced when everything is done.
        exclude: evaluation files (.jsonl, .jsonl.gz); a function that repeats one of theirs is left out.

    Raises:
        InvalidInput: unknown language, a source that is no folder, or an evaluation file that cannot be read.
    """
    if language not in SUFFIXES:
        raise InvalidInput(f"No corpus can be built for {language!r} yet; known: {', '.join(SUFFIXES)}.")
    folders = sorted(_packages(sources))
    report, seen, evaluation = Report(), Seen(), _evaluation(exclude)
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with (
            multiprocessing.get_context("spawn").Pool(_PROCESSES) as pool,
            pyarrow.parquet.ParquetWriter(temporary, _SCHEMA, compression="zstd") as writer,
            Progress(console=Console(stderr=True), transient=True) as progress,
        ):
            for folder in progress.track(folders, description="packages"):
                files = _files(folder, language, report)
                rows: list[dict[str, str]] = []
                sentences: Counter[str] = Counter()
                while len(rows) < _MOST_PAIRS and (batch := list(islice(files, _BATCH))):
                    results = pool.imap(_mine, [(path, language) for path in batch], 8)
                    for path, mined in zip(batch, results, strict=True):
                        place = _Place(folder.name, path.relative_to(folder).as_posix(), language)
                        rows.extend(_keep(place, mined, seen, evaluation, sentences, report))
                rows = rows[:_MOST_PAIRS]
                if rows:
                    writer.write_table(pyarrow.Table.from_pylist(rows, schema=_SCHEMA))
                    report.packages[folder.name] = len(rows)
                    report.pairs[rows[0]["split"]] += len(rows)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    _LOG.info("%d files, pairs %s, left out %s", report.files, dict(report.pairs), dict(report.skipped))
    return report


def split_of(package: str) -> str:
    """`train` or `valid`, by the package's name alone, so that it never changes between builds."""
    return "valid" if int(hashlib.sha1(package.encode()).hexdigest(), 16) % _HELD_OUT == 0 else "train"


def _packages(sources: Sequence[Path]) -> Iterator[Path]:
    for source in sources:
        if not source.is_dir():
            raise InvalidInput(f"{source} is not a folder of source code.")
        inner = [path for path in source.iterdir() if path.is_dir() and not path.name.startswith(".")]
        yield from inner or [source]


def _files(folder: Path, language: str, report: Report) -> Iterator[Path]:
    """The source files of a package, its parts mixed, without tests and without what is never trained on."""
    never = never_train(language)
    paths = [path for path in folder.rglob("*") if path.name.endswith(SUFFIXES[language]) and path.is_file()]
    for path in sorted(paths, key=lambda p: hashlib.sha1(p.relative_to(folder).as_posix().encode()).digest()):
        relative = path.relative_to(folder)
        if excluded(f"{folder.name}/{relative.as_posix()}", never):
            report.skipped["files of packages kept for measuring"] += 1
        elif _TEST_FOLDERS.isdisjoint(relative.parts) and not relative.name.startswith("test_"):
            report.files += 1
            yield path


def _mine(task: tuple[Path, str]) -> list[Mined] | str:
    """The pairs of one file with their keys, or why there are none."""
    path, language = task
    try:
        if path.stat().st_size > _LARGEST_FILE:
            return "files too large"
        functions = parse_functions(decode(path.read_bytes()), language)
        pairs = [pair for function in functions if (pair := make_pair(function)) is not None]
        return [(pair, code_keys(pair.code)) for pair in pairs]
    except Exception as error:  # one broken file among many thousands must not end a build
        _LOG.debug("%s: %s", path, error)
        return "files that could not be read"


def _keep(
    place: _Place,
    mined: list[Mined] | str,
    seen: Seen,
    evaluation: Seen,
    sentences: Counter[str],
    report: Report,
) -> Iterator[dict[str, str]]:
    """The rows of what is new among the pairs of a file; the rest is counted."""
    if isinstance(mined, str):
        report.skipped[mined] += 1
        return
    for pair, keys in mined:
        sentences[pair.summary.lower()] += 1
        if evaluation.holds(keys):
            report.skipped["pairs that repeat evaluation data"] += 1
        elif sentences[pair.summary.lower()] > _MOST_REPEATS:
            report.skipped["pairs with a sentence repeated in their package"] += 1
        elif not seen.add(keys):
            report.skipped["duplicate pairs"] += 1
        else:
            yield {
                "package": place.package,
                "path": place.path,
                "language": place.language,
                "name": pair.name,
                "code": pair.code,
                "documentation": pair.documentation,
                "summary": pair.summary,
                "split": split_of(place.package),
            }


def _evaluation(files: Iterable[Path]) -> Seen:
    seen = Seen()
    for path in files:
        for record in read_jsonl(path):
            for name in ("code", "code_with_docstring"):
                if isinstance(code := record.get(name), str):
                    seen.add(code_keys(code))
    return seen


def read_jsonl(path: Path) -> Iterator[dict[str, object]]:
    """The records of a JSON-lines file, gzipped or not.

    Raises:
        InvalidInput: it cannot be read, or a line is not a JSON object.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            for line in lines:
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise InvalidInput(f"{path} holds a line that is not a JSON object.")
                yield record
    except (OSError, EOFError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read as JSON lines: {error}.") from error
