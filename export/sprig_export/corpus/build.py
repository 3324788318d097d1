"""Building a table of function/documentation pairs from folders of source code, split by package."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow
import pyarrow.parquet
from rich.console import Console
from rich.progress import Progress

from sprig_export.corpus.deduplicate import Keys, Seen, code_keys, split_bands
from sprig_export.corpus.mining import Mined, mine_package
from sprig_export.corpus.packages import SUFFIXES
from sprig_server.errors import InvalidInput

_LOG = logging.getLogger(__name__)
_PROCESSES = 2
_MOST_PAIRS = 6_000  # pairs of one package, so that no project dominates
_MOST_MINED = 2 * _MOST_PAIRS  # pairs read from it: many are duplicates
_MOST_REPEATS = 5  # repetitions of a sentence in one package; more make it a convention
_HELD_OUT = {"python": 40, "javascript": 40, "java": 16, "cpp": 16}  # one of this many packages is for validation
_COLUMNS = ("package", "path", "language", "name", "code", "documentation", "summary", "split")
_SCHEMA = pyarrow.schema([(name, pyarrow.string()) for name in _COLUMNS])


@dataclass(slots=True)
class Report:
    """The report of a build: pairs kept by split and by package, and what was left out, with reasons and counts."""

    files: int = 0
    pairs: Counter[str] = field(default_factory=Counter)
    packages: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)


def build(sources: Sequence[Path], language: str, output: Path, exclude: Sequence[Path]) -> Report:
    """Mine folders for pairs and write them as Parquet. Continues where an interrupted build stopped.

    Args:
        sources: folders of packages, or folders that contain such folders (as `packages.fetch` writes them).
        language: the language to read.
        output: the Parquet file. It is replaced when everything is done.
        exclude: evaluation files (.jsonl, .jsonl.gz). Functions that repeat one of theirs are left out.

    Raises:
        InvalidInput: the language is unknown, a source is not a folder, or an evaluation file cannot be read.
    """
    if language not in SUFFIXES:
        raise InvalidInput(f"No corpus can be built for {language!r} yet; known: {', '.join(SUFFIXES)}.")
    folders = sorted(_packages(sources))
    report, seen, evaluation = Report(), Seen(), _evaluation(exclude)
    output.parent.mkdir(parents=True, exist_ok=True)
    parts = output.with_name(f".{output.name}.parts")
    parts.mkdir(exist_ok=True)
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with (
            multiprocessing.get_context("spawn").Pool(_PROCESSES) as pool,
            pyarrow.parquet.ParquetWriter(temporary, _SCHEMA, compression="zstd") as writer,
            Progress(console=Console(stderr=True), transient=True) as progress,
        ):
            mine = partial(mine_package, corpus=language, most=_MOST_MINED, parts=parts)
            for mined in progress.track(pool.imap(mine, folders), total=len(folders), description="packages"):
                rows = list(_keep(mined, language, seen, evaluation, report))
                if rows:
                    writer.write_table(pyarrow.Table.from_pylist(rows, schema=_SCHEMA))
                    report.packages[mined.package] = len(rows)
                    report.pairs[rows[0]["split"]] += len(rows)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    shutil.rmtree(parts)
    _LOG.info("%d files, pairs %s, left out %s", report.files, dict(report.pairs), dict(report.skipped))
    return report


def split_of(package: str, corpus: str) -> str:
    """`train` or `valid`. It depends on the package's name alone, so it never changes between builds."""
    return "valid" if int(hashlib.sha1(package.encode()).hexdigest(), 16) % _HELD_OUT[corpus] == 0 else "train"


def _packages(sources: Sequence[Path]) -> Iterator[Path]:
    for source in sources:
        if not source.is_dir():
            raise InvalidInput(f"{source} is not a folder of source code.")
        inner = [path for path in source.iterdir() if path.is_dir() and not path.name.startswith(".")]
        yield from inner or [source]


def _keep(mined: Mined, corpus: str, seen: Seen, evaluation: Seen, report: Report) -> Iterator[dict[str, str]]:
    """The rows of a package's new pairs. The others are counted."""
    report.files += mined.files
    report.skipped.update(mined.skipped)
    sentences: Counter[str] = Counter()
    kept = 0
    for row in pyarrow.parquet.read_table(mined.path).to_pylist():
        keys: Keys = (row.pop("exact"), split_bands(row.pop("bands")))
        sentence = row["summary"].lower()
        sentences[sentence] += 1
        if evaluation.holds(keys):
            report.skipped["pairs that repeat evaluation data"] += 1
        elif sentences[sentence] > _MOST_REPEATS:
            report.skipped["pairs with a sentence repeated in their package"] += 1
        elif kept == _MOST_PAIRS:
            report.skipped["pairs of packages that have many"] += 1
        elif not seen.add(keys):
            report.skipped["duplicate pairs"] += 1
        else:
            kept += 1
            yield {"package": mined.package, **row, "split": split_of(mined.package, corpus)}


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
