"""How long work tells how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Announce = Callable[[str, int, int], None]
"""Called with a stage, how many of its texts are done, and how many there are."""

Tick = Callable[[int], None]
"""Called with how many texts of one stage are done."""


def stage(announce: Announce, name: str, total: int) -> Tick:
    """Announce the start of a stage over `total` texts; the function to call as they get done."""
    announce(name, 0, total)
    return lambda done: announce(name, done, total)


@contextmanager
def shown_progress(console: Console) -> Iterator[Announce]:
    """A bar for the stage that is running, where the console is a terminal; a line for each one that is done."""
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
