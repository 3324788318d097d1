"""The log of a running export: its stages, and their results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Say = Callable[[str], None]


def say_nothing(text: str) -> None:
    """Ignore a message."""


@dataclass(slots=True)
class StageLog:
    """The stages so far, each with its name, its seconds, and its results.

    `announce` is called with the name of every stage when it begins, `say` with its results and with every decision.
    """

    announce: Say = say_nothing
    say: Say = say_nothing
    stages: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a stage. The caller puts its results into the dictionary."""
        self.announce(name)
        facts: dict[str, Any] = {}
        started = time.perf_counter()
        yield facts
        if facts:
            self.say(describe_facts(facts))
        self.stages.append({"stage": name, "seconds": round(time.perf_counter() - started, 2), **facts})


def describe_facts(facts: Mapping[str, Any]) -> str:
    """The results of a stage, in words."""
    return ", ".join(f"{key.replace('_', ' ')} {describe_value(value)}" for key, value in facts.items())


def describe_value(value: object) -> str:
    """A number with few digits; any other value as it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
