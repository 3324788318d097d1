"""kill -9 while indexing: the index opens, contains all that it did before, and the next run completes it."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from reliability.project import (
    Contents,
    copy_files,
    difference,
    environment,
    index_of,
    index_words,
    lost,
    read_contents,
    run,
)
from reliability.results import Outcome, Watch, timed
from sprig_server.errors import SprigError
from sprig_server.index.store import Store

_SUMMARY = ("content", "bundle", "A sentence that took a second to write.", -0.5)
_PATIENCE = 60.0  # seconds


def kill_indexing(count: int, seed: int, folder: Path, jobs: int, watch: Watch) -> Outcome:
    """Kill `sprig index` at `count` random moments, each time on an index that knows half of the project."""
    outcome = Outcome("kill -9 while indexing")
    lock = threading.Lock()
    late = [0]
    with timed(outcome):
        project = copy_files(folder / "project", slice(None, None, 2))
        half, whole = folder / "half", folder / "whole"
        run(index_words(project), half).complaint()
        store = Store(index_of(half))
        store.put_summary(*_SUMMARY)
        store.close()
        before = read_contents(half)
        copy_files(project)
        shutil.copytree(half, whole)
        undisturbed = max(_until(project, whole, None), 0.1)
        expected = read_contents(whole)

        def strike(number: int) -> None:
            if watch.over():
                return
            random = Random(f"{seed} {number}")
            cache = folder / f"killed-{number}"
            while True:
                shutil.copytree(half, cache)
                moment = random.uniform(0, undisturbed)
                if _until(project, cache, moment) >= 0:
                    break
                with lock:
                    late[0] += 1
                shutil.rmtree(cache)
            problem = _examine(project, cache, before, expected)
            with lock:
                outcome.tried += 1
                if problem:
                    outcome.fail(problem, f"--seed {seed}, kill {number}, after {moment:.3f} s")
                watch.show(outcome.tried)
            if not problem:
                shutil.rmtree(cache)

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(strike, range(count)))
    outcome.figures = {"indexing takes": f"{undisturbed:.1f} s", "ended before the kill, drawn again": str(late[0])}
    return outcome


def _until(project: Path, cache: Path, moment: float | None) -> float:
    """Index, and kill that `moment` seconds after it first wrote; without a moment let it end.

    Returns:
        How long it went on after it first wrote; -1 where it ended before the moment.
    """
    log = index_of(cache)
    log = log.with_name(log.name + "-wal")
    with subprocess.Popen(
        index_words(project), env=environment(cache), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + _PATIENCE
        while process.poll() is None and not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.002)
        started = time.perf_counter()
        if moment is None:
            process.wait(_PATIENCE)
            return time.perf_counter() - started
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return time.perf_counter() - started
        return -1.0


def _examine(project: Path, cache: Path, before: Contents, expected: Contents) -> str | None:
    """What is wrong with an index after a kill."""
    try:
        if problem := lost(read_contents(cache), before):
            return problem
        if problem := run(index_words(project), cache).complaint():
            return f"sprig index: {problem}"
        store = Store(index_of(cache))
        kept = store.summary(*_SUMMARY[:2])
        store.close()
        if kept != _SUMMARY[2:]:
            return "a summary is lost"
        return difference(read_contents(cache), expected)
    except SprigError as error:
        return f"the index does not open: {error}"
