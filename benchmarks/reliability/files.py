"""Fuzzed source files through everything that reads code: no errors, no file that takes five seconds, correct
positions.

Files are read in worker processes. If reading takes too much processor time, a signal ends the worker, and faulthandler
prints where it was, even while the parser holds the interpreter's lock.

    python -m reliability.files SOURCES SEED FIRST LAST STEP
"""

from __future__ import annotations

import faulthandler
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import rich

from reliability.connection import HANG_SECONDS
from reliability.mutation import Source, mutate
from reliability.results import ROOT, Outcome, Watch, timed
from sprig_server.code.docstrings import string_value
from sprig_server.code.documentation import clean_comment
from sprig_server.code.functions import enclosing_function, parse_functions
from sprig_server.code.languages import language_of_path
from sprig_server.code.lines import Lines, decode
from sprig_server.code.parsed_source import parse_source
from sprig_server.code.statements import split_statements
from sprig_server.index.entries import parse_file
from sprig_server.types import Definition

_LARGEST = 20_000  # characters; larger sources would make the run long and say nothing new
_MOST_SOURCES = 400  # of a language
_SUFFIXES = (".py", ".java", ".js", ".jsx", ".ts", ".tsx", ".cpp", ".hpp", ".h", ".c", ".cc")


def read_sources(folders: list[Path]) -> list[Source]:
    """The source files below some folders: of each suffix a sample, the same every time."""
    found: list[Source] = []
    for suffix in _SUFFIXES:
        paths = sorted(path for folder in folders for path in folder.rglob(f"*{suffix}") if path.is_file())
        random = Random(suffix)
        for path in random.sample(paths, min(len(paths), _MOST_SOURCES)):
            text = path.read_text(encoding="utf-8", errors="replace")
            if text.strip() and len(text) <= _LARGEST:
                found.append(Source(suffix, text))
    return found


def own_sources() -> list[Path]:
    """Folders with code in every language that are on each machine that can run this."""
    return [ROOT / "tests" / "data" / "code", Path(rich.__file__).parent]


def fuzz_files(count: int, seed: int, folders: list[Path], folder: Path, jobs: int, watch: Watch) -> Outcome:
    """Read `count` fuzzed files; each depends on nothing but the sources, the seed and its number.

    Those that fail are left in `folder` as file-NUMBER.SUFFIX.
    """
    outcome = Outcome("fuzzed files")
    sources = read_sources(folders)
    slowest: list[float] = [0.0]
    lock = threading.Lock()

    def read(first: int) -> None:
        number = first
        while number < count and not watch.over():
            number = listen(number)

    def listen(first: int) -> int:
        """Start a worker and listen to it; the number of the file to go on with."""
        command = [sys.executable, "-m", "reliability.files", *map(str, (seed, first, count, jobs)), *map(str, folders)]
        number = first
        with tempfile.TemporaryFile() as stderr:
            worker = subprocess.Popen(command, cwd=ROOT / "benchmarks", stdout=subprocess.PIPE, stderr=stderr)
            assert worker.stdout
            for line in worker.stdout:
                number, seconds, problems = json.loads(line)
                with lock:
                    outcome.tried += 1
                    slowest[0] = max(slowest[0], seconds)
                    for problem in problems:
                        keep(number, problem)
                    watch.show(outcome.tried)
                number += jobs
                if watch.over():
                    worker.kill()
                    return count
            if worker.wait() == 0:
                return count
            stderr.seek(0)
            said = stderr.read().decode(errors="replace")
        late = worker.returncode == -signal.SIGPROF
        place = next((line.split("site-packages")[-1] for line in said.splitlines() if "sprig_server" in line), "")
        with lock:
            outcome.tried += 1
            keep(
                number,
                f"takes more than {HANG_SECONDS:g} s to read" if late else f"crashes: {said.strip()[-200:]}",
                place,
            )
        return number + jobs

    def keep(number: int, problem: str, place: str = "") -> None:
        name, data = mutate(Random(f"{seed} {number}"), sources)
        path = folder / f"file-{number}{Path(name).suffix}"
        path.write_bytes(data)
        outcome.fail(
            problem, f"--seed {seed}, file {number} ({Path(name).suffix}, {len(data):,} bytes) {place.strip()}"
        )

    with timed(outcome), ThreadPoolExecutor(jobs) as pool:
        list(pool.map(read, range(jobs)))
    outcome.figures = {"sources": f"{len(sources):,}", "slowest": f"{slowest[0]:.1f} s"}
    return outcome


def problems_of(name: str, data: bytes) -> Iterator[str]:
    """What is wrong with how Sprig reads a file."""
    text, language = decode(data), language_of_path(name)
    assert language is not None
    kind = "tsx" if name.endswith(".tsx") else language.name
    readings: dict[str, Callable[[], Iterator[str]]] = {
        "parse_functions": lambda: _wrong_functions(text, kind),
        "parse_source": lambda: _wrong_source(text, kind),
        "split_statements": lambda: _wrong_statements(text, kind),
        "documentation": lambda: _no_problem(lambda: (clean_comment(text[:500]), string_value(text[:500]))),
        "parse_file": lambda: _no_problem(lambda: parse_file(name, data)),
    }
    for reading, work in readings.items():
        signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
        try:
            yield from (f"{reading}: {problem}" for problem in work())
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            yield f"{reading}: {type(error).__name__}: {str(error)[:80]} ({Path(where.filename).name}, {where.name})"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)


def _no_problem(work: Callable[[], object]) -> Iterator[str]:
    work()
    return iter(())


def _wrong(text: str, definitions: Sequence[Definition]) -> Iterator[str]:
    """Places that lie outside of what holds them, or do not say what they should."""
    last, starts = len(Lines(text)) - 1, dict[str, int]()
    for d in definitions:
        span, name, group = d.span, d.name_span, d.kind if d.kind in ("class", "module") else "function"
        if span.start < starts.get(group, 0):
            yield "definitions are not in the order of the text"
        starts[group] = span.start
        if not (0 <= span.start <= span.end <= len(text) and 0 <= span.start_line <= span.end_line <= last):
            yield "a span lies outside of the text"
        if group != "module" and not span.start <= name.start < name.end <= span.end:
            yield "a name lies outside of its definition"
        if len(d.name.splitlines()) > 1:
            yield "a name of several lines"
        if group == "function" and not _is_text_of(d.code, text[span.start : span.end]):
            yield "code is no text of the file"


def _is_text_of(code: str, text: str) -> bool:
    """Whether each line of some code stands in a text, in order; in one line, a docstring may have been left out."""
    place = 0
    for line in map(str.strip, code.splitlines()):
        found = text.find(line, place)
        end = found + len(line) if found >= 0 else _end_around_docstring(line, text, place)
        if end is None:
            return False
        place = end
    return True


def _end_around_docstring(line: str, text: str, place: int) -> int | None:
    """Where a line ends in a text that has a string within the line; None if that is not all it has besides."""
    for cut in range(1, len(line)):
        before, after = line[:cut].rstrip(), line[cut:].lstrip()
        start = text.find(before, place)
        if start < 0:
            return None
        found = text.find(after, start + len(before))
        left_out = text[start + len(before) : found].strip(" \t;")
        if found >= 0 and left_out.lstrip("rRuU")[:1] in ("'", '"') and left_out[-1] in ("'", '"'):
            return found + len(after)
    return None


def _wrong_functions(text: str, kind: str) -> Iterator[str]:
    functions = parse_functions(text, kind)
    yield from _wrong(text, functions)
    for offset in sorted({0, len(text) // 3, len(text) // 2, len(text)}):
        found = enclosing_function(functions, offset)
        if found is not None and not found.span.start <= offset < found.span.end:
            yield "a function does not hold what it is said to"


def _wrong_source(text: str, kind: str) -> Iterator[str]:
    source = parse_source(text, kind, "fuzzed")
    yield from _wrong(text, source.definitions)
    for start, end, first, _ in source.calls.tolist():
        call = source.call_at(start)
        if not 0 <= first <= start < end <= len(text) or call is None or (call.start, call.end) != (start, end):
            yield "a call lies outside of the text"


def _wrong_statements(text: str, kind: str) -> Iterator[str]:
    found = split_statements(text, kind)
    end = 0
    for start, stop in zip(found.starts.tolist(), found.ends.tolist(), strict=True):
        if not end <= start < stop <= len(text):
            yield "statements overlap or are empty"
        elif text[end:start].strip():
            yield "text between two statements"
        end = stop
    if text[end:].strip():
        yield "text behind the last statement"


def main() -> None:
    """Read files and report on each in a line of JSON: its number, its seconds, what is wrong."""
    seed, first, last, step = map(int, sys.argv[1:5])
    sources = read_sources([Path(folder) for folder in sys.argv[5:]])
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, all_threads=False, chain=True)  # says where it is, and ends
    for number in range(first, last, step):
        name, data = mutate(Random(f"{seed} {number}"), sources)
        started = time.perf_counter()
        problems = sorted(set(problems_of(name, data)))
        sys.stdout.write(json.dumps([number, time.perf_counter() - started, problems]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
