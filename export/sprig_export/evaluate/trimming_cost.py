"""What trimming costs: the time that it takes beside the inference that it saves."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sprig_server.bundle.manifest import Trim
from sprig_server.bundle.store import Bundle
from sprig_server.code.text import Passage
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.reader import Reader


@dataclass(frozen=True, slots=True)
class Cost:
    """Of functions that were trimmed, all of them together.

    Attributes:
        tokens: how many the model would have read, and `read` how many it read.
        trimming: milliseconds that trimming takes: what turning text into tokens takes longer.
        saved: milliseconds of inference that it saves.
    """

    tokens: int
    read: int
    trimming: float
    saved: float


def measure_cost(bundle: Bundle, passages: Sequence[Passage], rounds: int) -> Cost:
    """What trimming costs and saves for a search bundle on one thread: medians over rounds that take turns.

    Args:
        bundle: trims as its manifest says.
        passages: functions, encoded one by one, as the server does with what was just edited.
    """
    readers, encoders = [], []
    for trim in (Trim(), bundle.manifest.trim):
        trimming = replace(bundle, manifest=replace(bundle.manifest, trim=trim))
        readers.append(Reader(trimming))
        encoders.append(Encoder(trimming, 1))

    def read(reader: Reader) -> list[int]:
        return [len(reader.read([passage])[0]) for passage in passages]

    def encode(encoder: Encoder) -> None:
        for passage in passages:
            encoder.encode([passage])

    works: list[Callable[[], object]] = [lambda r=r: read(r) for r in readers]  # type: ignore[misc]
    works += [lambda e=e: encode(e) for e in encoders]  # type: ignore[misc]
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds + 1):
        for work, own in zip(works, times, strict=True):
            started = time.perf_counter()
            work()
            own.append(1000 * (time.perf_counter() - started))
    whole, trimmed, whole_all, trimmed_all = (statistics.median(own[1:]) for own in times)  # the first warms up
    inference = whole_all - whole - (trimmed_all - trimmed)
    before, after = (sum(read(reader)) for reader in readers)
    return Cost(before, after, trimmed - whole, inference)
