"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Announce = Callable[[str, int, int], None]
"""Called with a stage, how many of its texts are done, and how many there are."""

Tick = Callable[[int], None]
"""Called with how many texts of one stage are done."""


def stage(announce: Announce, name: str, total: int) -> Tick:
    """Announce the start of a stage over `total` texts; the function to call as they get done."""
    announce(name, 0, total)
    return lambda done: announce(name, done, total)
