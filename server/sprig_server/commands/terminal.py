"""What the commands share: consoles, progress bars, and reading JSON lines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import EBADF
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sprig_server.bundle.packs import explain_missing, missing_packs
from sprig_server.code.lines import decode, has_byte_order_mark, split_lines
from sprig_server.errors import InvalidInput
from sprig_server.index.cache import CachedIndex
from sprig_server.index.folder_index import FolderIndex
from sprig_server.types import LeftOut

Report = Callable[[str, int, int], None]


def output() -> Console:
    """The console for results: plain text in a pipe, lines are never wrapped."""
    return Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 200)


def messages() -> Console:
    """The console for everything that is not a result."""
    return Console(stderr=True, highlight=False)


def warn_of_missing_packs(index: FolderIndex) -> None:
    """Name on stderr the language packs that the code of a folder needs, and the problems of the installed ones."""
    models = index.models
    for pack in models.packs:
        for problem in pack.problems:
            messages().print(problem, markup=False, soft_wrap=True)
    if missing := missing_packs(index.store.languages(), models.bundles, "search"):
        messages().print(explain_missing(missing), markup=False, soft_wrap=True)


def warn_of_unreadable(left_out: LeftOut) -> None:
    """Name on stderr the files that are not indexed because they could not be read."""
    for path in left_out.unreadable:
        messages().print(f"cannot read {displayable(path)}: left out", markup=False, soft_wrap=True)


def displayable(path: str) -> str:
    """A path as text. Bytes that are not UTF-8 become U+FFFD."""
    return path.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")


def tell_of_removed(indexes: Sequence[CachedIndex], console: Console | None = None) -> None:
    """Say which indexes were removed, on stderr unless another console is given."""
    for index in indexes:
        text = f"removed the index of {index.folder} ({index.size / 1e6:.1f} MB)"
        (console or messages()).print(text.encode(errors="replace").decode(), markup=False)


def write_json(value: Any) -> None:
    """Write one line of JSON to stdout, with escapes if the encoding of stdout lacks characters."""
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        line = json.dumps(value)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically.

    Raises:
        InvalidInput: it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise InvalidInput(f'cannot write "{path}" ({error.strerror}): give another path') from None


@contextmanager
def progress() -> Iterator[Report]:
    """A progress bar for each stage on stderr, if it is a terminal."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=messages(),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    stages: dict[str, Any] = {}

    def report(stage: str, done: int, total: int) -> None:
        if stage not in stages:
            stages[stage] = bar.add_task(stage, total=total)
        bar.update(stages[stage], completed=done, total=total)

    with bar:
        yield report


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file of JSON lines; "-" is stdin.

    Raises:
        InvalidInput: the file cannot be read, or a line is not a JSON object.
    """
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            raise InvalidInput(f'line {number} of "{path}" is not a JSON object: {line.strip()[:60]!r}')
        yield record


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without line ends; "-" is stdin. The encoding is UTF-8, unless a byte order mark says
    otherwise.

    Raises:
        InvalidInput: the file cannot be read, or a line is not UTF-8.
    """
    try:
        data = _stdin() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise InvalidInput(f'cannot read "{path}" ({error.strerror or error}): give a text file') from None
    if has_byte_order_mark(data):
        return [line.rstrip("\r\n") for line in split_lines(decode(data))]
    lines = []
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            lines.append(line.decode("utf-8").rstrip("\r"))
        except UnicodeDecodeError:
            raise InvalidInput(f'line {number} of "{path}" is not UTF-8: {line[:60]!r}') from None
    return lines


def _stdin() -> bytes:
    if sys.stdin is None:
        raise OSError(EBADF, "stdin is closed")
    return sys.stdin.buffer.read()
