"""The results of a run: a JSON file stamped with the commit, and tables in a document."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tables import markdown, replace_table

ROOT = Path(__file__).resolve().parents[2]
_NUMBER = re.compile(r"0x[0-9a-f]+|(?<![\w.])-?\d{2,}(?:\.\d+)?")  # what differs between failures of one kind
_EXAMPLES = 200  # failures that a result keeps in full


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that must not happen: of which kind, and the input or moment that shows it."""

    kind: str
    where: str


@dataclass(slots=True)
class Outcome:
    """What one part of a run did; `figures` are what it measured beside failures, ready to be shown."""

    name: str
    tried: int = 0
    failures: list[Failure] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def fail(self, kind: str, where: str) -> None:
        """Note a failure; its kind in one line."""
        self.failures.append(Failure(_NUMBER.sub("N", " ".join(kind.split()))[:200], where))

    def kinds(self) -> Counter[str]:
        """How often each kind of failure was seen."""
        return Counter(failure.kind for failure in self.failures)


@dataclass(frozen=True, slots=True)
class Watch:
    """Shows how far a part is, and says when its time is over."""

    show: Callable[[int], None]
    deadline: float  # of time.monotonic()

    def over(self) -> bool:
        """Whether nothing new may be begun."""
        return time.monotonic() > self.deadline


@contextmanager
def timed(outcome: Outcome) -> Iterator[Outcome]:
    """Add the time of a block to an outcome."""
    started = time.perf_counter()
    try:
        yield outcome
    finally:
        outcome.seconds += time.perf_counter() - started


def progress(console: Console) -> Progress:
    """The bars of a run."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console, disable=not console.is_terminal)


def stamp(seed: int) -> dict[str, Any]:
    """What a result is of: commit, day, machine and seed."""
    return {"commit": _commit(), "date": time.strftime("%Y-%m-%d"), "machine": _machine(), "seed": seed}


def write_result(path: Path, data: Mapping[str, Any]) -> None:
    """Write a result, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(data, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
    part.replace(path)


def write_tables(document: Path, blocks: Mapping[str, str]) -> None:
    """Replace the named blocks of a document."""
    text = document.read_text(encoding="utf-8")
    for name, block in blocks.items():
        text = replace_table(text, name, block)
    document.write_text(text, encoding="utf-8")


def as_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome for the JSON file: every kind of failure counted, the first ones in full."""
    found = asdict(outcome)
    return found | {"failures": found["failures"][:_EXAMPLES], "kinds": dict(outcome.kinds().most_common())}


def describe(stamped: Mapping[str, Any]) -> str:
    """The line above a table."""
    return "Commit {commit}, {date}, seed {seed}; {machine}.".format(**stamped)


def outcome_table(outcomes: Sequence[Outcome]) -> str:
    """A row for each part, and below it the kinds of failures with an example of each."""
    rows = [
        [
            outcome.name,
            f"{outcome.tried:,}",
            f"**{len(outcome.failures):,}**" if outcome.failures else "0",
            "; ".join(f"{name} {value}" for name, value in outcome.figures.items()),
            f"{outcome.seconds:.0f}",
        ]
        for outcome in outcomes
    ]
    parts = [markdown(["part", "tried", "failures", "measured", "seconds"], rows)]
    failed = [
        f"- {outcome.name}, {count:,} times: {_code(kind)} (first: {_code(_first(outcome, kind))})"
        for outcome in outcomes
        for kind, count in outcome.kinds().most_common()
    ]
    return "\n\n".join([*parts, "\n".join(["What failed:", "", *failed])] if failed else parts)


def _first(outcome: Outcome, kind: str) -> str:
    return next(failure.where for failure in outcome.failures if failure.kind == kind)


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39)).replace('|', '/')}`"


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "server", "benchmarks/reliability")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if changed else "")


def _machine() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{cores} cores ({model}), {memory:.0f} GiB, {system}, Python {platform.python_version()}"
