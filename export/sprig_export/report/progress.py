"""Reporting the progress of long work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Announce = Callable[[str, int, int], None]
"""Called with a stage, the number of its texts that are done, and their total."""

Tick = Callable[[int], None]
"""Called with the number of a stage's texts that are done."""


def stage(announce: Announce, name: str, total: int) -> Tick:
    """Announce a stage over `total` texts. Returns the function to call when texts are done."""
    announce(name, 0, total)
    return lambda done: announce(name, done, total)


@contextmanager
def shown_progress(console: Console) -> Iterator[Announce]:
    """Show a bar for the running stage, if the console is a terminal, and a line for each finished stage."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    running = bar.add_task("", total=1)
    started = time.perf_counter()

    def announce(stage: str, done: int, total: int) -> None:
        nonlocal started
        if not done:
            started = time.perf_counter()
            bar.reset(running, description=stage, total=total)
        bar.update(running, completed=done)
        if done == total:
            console.print(f"[dim]·[/dim] {stage} [dim]{total} in {time.perf_counter() - started:.0f} s[/dim]")

    with bar:
        yield announce
