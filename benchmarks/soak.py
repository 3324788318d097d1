"""Twenty minutes of scripted editing, at first during indexing: latencies by kind of request, and memory.

    python benchmarks/soak.py [--minutes 20] [--seed 0] [--output DIR] [--document docs/results/reliability.md]

The exit code is 1 if anything failed: a request took more than five seconds, an answer came from an older text, or
memory grew.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import numpy as np
from reliability.connection import Broken, Connection
from reliability.editing import Editor, Memory, keep_working, make_repository
from reliability.results import (
    Outcome,
    as_json,
    describe,
    outcome_table,
    progress,
    stamp,
    timed,
    write_result,
    write_tables,
)
from rich.console import Console
from tables import markdown

from sprig_export.report.charts import curves
from sprig_export.report.frame import lone_chart

_DRIFT = 0.10  # how much more memory the last tenth of the time may use than the second fifth
_CHARTED = {"hover": "a", "hover while typing": "b", "hover in 1 MB": "c", "search": "d", "symbols": "e"}
_SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


Times = Mapping[str, Sequence[float]]
"""The seconds of every answer, by kind of request."""


def soak(minutes: float, seed: int, folder: Path, console: Console) -> tuple[Outcome, Times, Memory]:
    """Work with a server on an empty cache."""
    outcome = Outcome(f"{minutes:g} minutes of editing")
    random = Random(seed)
    project = make_repository(folder, random)
    memory: Memory = []
    with (
        timed(outcome),
        progress(console) as bars,
        Connection({"SPRIG_CACHE_DIR": str(folder / "cache")}, folder) as server,
    ):
        bar = bars.add_task("editing", total=round(60 * minutes))
        editor = Editor(server, project, random, outcome)
        try:
            server.initialize(project)
            memory = keep_working(editor, server, 60 * minutes, lambda passed: bars.update(bar, completed=int(passed)))
            if (code := server.leave()) != 0:
                outcome.fail(f"exit code {code}", "at the end")
        except Broken as problem:
            outcome.fail(str(problem), f"--seed {seed}, request {outcome.tried}")
        for complaint in server.complaints:
            outcome.fail(complaint, f"--seed {seed}")
    if memory:
        early, late = _mean(memory, 0.2, 0.4), _mean(memory, 0.9, 1.0)
        outcome.figures = {
            "memory in the second fifth": f"{early:.0f} MB",
            "in the last tenth": f"{late:.0f} MB ({late / early - 1:+.1%})",
            "most": f"{max(taken for _, taken in memory):.0f} MB",
        }
        if late > early * (1 + _DRIFT):
            outcome.fail("memory grows by more than a tenth", f"--seed {seed}, from {early:.0f} to {late:.0f} MB")
    return outcome, editor.times, memory


def _mean(memory: Memory, first: float, last: float) -> float:
    """The mean between two shares of the time."""
    end = memory[-1][0]
    found = [taken for minute, taken in memory if first * end <= minute <= last * end]
    return float(np.mean(found or [memory[-1][1]]))


def latency_table(times: Times) -> str:
    """Percentiles in milliseconds, a row for each kind of request."""
    rows = []
    for kind, seconds in sorted(times.items()):
        found = 1000 * np.percentile(seconds, [50, 95, 99, 100])
        rows.append([kind, f"{len(seconds):,}", *(f"{one:,.0f}" for one in found)])
    return markdown(["ms", "n", "p50", "p95", "p99", "longest"], rows)


def latency_chart(times: Times) -> str:
    """The share of requests that are answered within a time."""
    kinds = {kind: css for kind, css in _CHARTED.items() if times.get(kind)}
    lines = {}
    for kind in kinds:
        found = np.maximum(1000 * np.quantile(times[kind], _SHARES), 0.1)
        lines[kind] = [(float(ms), share) for ms, share in zip(found, _SHARES, strict=True)]
    chart = curves("Share of requests answered within so many milliseconds", lines, kinds, 0.95, True)
    return lone_chart(chart, kinds)


def main() -> int:
    """Run the test, write its results, and report whether anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("build/soak"), metavar="DIR")
    parser.add_argument("--document", type=Path, metavar="FILE", help="write the tables and the chart there too")
    arguments = parser.parse_args()
    folder = arguments.output.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stamped = stamp(arguments.seed)
    outcome, times, memory = soak(arguments.minutes, arguments.seed, folder, Console(stderr=True, highlight=False))
    found = {"times": times, "memory": memory, "outcome": as_json(outcome)}
    write_result(folder / "soak.json", {**stamped, **found})
    table = f"{describe(stamped)}\n\n{latency_table(times)}\n\n{outcome_table([outcome])}"
    if arguments.document:
        write_tables(arguments.document, {"soak": table})
        chart = arguments.document.with_name("reliability-latency.svg")
        chart.write_text(latency_chart(times), encoding="utf-8")
    sys.stdout.write(table + "\n")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
