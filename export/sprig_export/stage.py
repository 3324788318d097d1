"""An export under way: where its stages report to, and what they have found out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Run:
    """The stages so far: each with its name, its seconds, and what it found."""

    announce: Callable[[str], None]
    stages: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a stage; what the caller puts into the dictionary is reported with it."""
        self.announce(name)
        facts: dict[str, Any] = {}
        started = time.perf_counter()
        yield facts
        self.stages.append({"stage": name, "seconds": round(time.perf_counter() - started, 2), **facts})
