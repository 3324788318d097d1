"""Hostile input and faults of the machine: the figures of docs/results/reliability.md, except those of the soak test.

    python benchmarks/fuzz.py [--only messages files ...] [--messages 100000] [--files 10000] [--seed 0] ...

Each part can be repeated with its seed, uses real processes, and leaves the inputs of its failures in OUTPUT. The exit
code is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reliability.damage import damage_pages
from reliability.environment import (
    Setting,
    can_mount,
    full_disk,
    read_only,
    two_at_once,
    vanishing_cache,
    wrong_clock,
)
from reliability.files import fuzz_files, own_sources
from reliability.kills import kill_indexing
from reliability.memory import use_memory
from reliability.results import (
    Outcome,
    Watch,
    as_json,
    describe,
    outcome_table,
    progress,
    stamp,
    write_result,
    write_tables,
)
from reliability.sessions import fuzz_messages
from rich.console import Console

PARTS = ("messages", "files", "kills", "damage", "environment", "memory")


@dataclass(frozen=True, slots=True)
class Part:
    """One row of the table, and the length of its progress bar."""

    name: str
    total: int
    run: Callable[[Watch], Outcome]


def parts(arguments: argparse.Namespace) -> Iterator[Part]:
    """The selected parts, in order. Each works in its own folder."""
    seed, jobs = arguments.seed, arguments.jobs
    sources = own_sources() + arguments.sources

    def folder(name: str) -> Path:
        made: Path = arguments.output.resolve() / name
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        return made

    if "messages" in arguments.only:
        count = arguments.messages
        yield Part("messages", count, lambda watch: fuzz_messages(count, seed, folder("messages"), jobs, watch))
    if "files" in arguments.only:
        count = arguments.files
        yield Part("files", count, lambda watch: fuzz_files(count, seed, sources, folder("files"), jobs, watch))
    if "kills" in arguments.only:
        count = arguments.kills
        yield Part("kills", count, lambda watch: kill_indexing(count, seed, folder("kills"), jobs, watch))
    if "damage" in arguments.only:
        count = arguments.damages
        yield Part("damage", count, lambda watch: damage_pages(count, seed, folder("damage"), jobs, watch))
    if "environment" in arguments.only:
        setting = Setting(folder("environment"), seed)
        mounted = (full_disk, read_only) if can_mount(setting.folder) else ()
        for trial in (*mounted, vanishing_cache, wrong_clock, two_at_once):
            yield Part(trial.__name__.replace("_", " "), 1, lambda watch, trial=trial: trial(setting))  # type: ignore[misc]
    if "memory" in arguments.only:
        count = arguments.requests
        yield Part("memory", count, lambda watch: use_memory(count, seed, folder("memory"), watch))


def main() -> int:
    """Run the parts, write their results, and print the number of failures."""
    arguments = _parser().parse_args()
    console = Console(stderr=True, highlight=False)
    stamped = stamp(arguments.seed)
    outcomes: list[Outcome] = []
    with progress(console) as bars:
        for part in parts(arguments):
            bar = bars.add_task(part.name, total=part.total)
            watch = Watch(
                lambda done, bar=bar: bars.update(bar, completed=done),  # type: ignore[misc]
                time.monotonic() + 60 * arguments.minutes,
            )
            outcome = part.run(watch)
            if watch.over():
                outcome.figures["stopped after"] = f"{arguments.minutes:g} minutes"
            bars.update(bar, completed=part.total)
            outcomes.append(outcome)
            console.print(f"{outcome.name}: {outcome.tried:,} tried, {len(outcome.failures)} failures", markup=False)
            write_result(arguments.output / "fuzz.json", {**stamped, "outcomes": [as_json(one) for one in outcomes]})
    table = f"{describe(stamped)}\n\n{outcome_table(outcomes)}"
    if arguments.document:
        write_tables(arguments.document, {"fuzz": table})
    sys.stdout.write(table + "\n")
    return 1 if any(outcome.failures for outcome in outcomes) else 0


def _parser() -> argparse.ArgumentParser:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--messages", type=int, default=100_000, metavar="N")
    parser.add_argument("--files", type=int, default=10_000, metavar="N")
    parser.add_argument("--kills", type=int, default=200, metavar="N")
    parser.add_argument("--damages", type=int, default=100, metavar="N")
    parser.add_argument("--requests", type=int, default=10_000, metavar="N", help="of the memory test")
    parser.add_argument("--sources", type=Path, nargs="+", default=[], metavar="DIR", help="more code to mutate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=min(4, cores), metavar="N", help="processes at once")
    parser.add_argument("--minutes", type=float, default=10, metavar="N", help="at most for each part (default: 10)")
    parser.add_argument("--output", type=Path, default=Path("build/fuzz"), metavar="DIR")
    parser.add_argument("--document", type=Path, metavar="FILE", help="write the table there too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
