"""What there is to say about the code at a position: whose definition it is, and a sentence about it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from sprig_server.code.functions import called_name, parse_functions
from sprig_server.code.lines import Lines
from sprig_server.code.text import summary_input
from sprig_server.index.store import digest_of
from sprig_server.inference.models import Models
from sprig_server.types import Definition, Span, Summary

_MEMORY_ENTRIES = 2000


@dataclass(frozen=True, slots=True)
class Description:
    """A function, its own documentation or else a generated summary, and the name in the text that was asked about."""

    function: Definition
    summary: Summary | None
    name: Span


class SummaryCache(Protocol):
    """Where generated summaries are kept: the index of a workspace, or memory."""

    def summary(self, content: str, bundle: str) -> tuple[str, float] | None:
        """A summary that was generated before, with its confidence."""

    def put_summary(self, content: str, bundle: str, text: str, confidence: float) -> None:
        """Keep a generated summary."""


class MemoryCache:
    """Summaries of documents outside every workspace folder: the most recently used ones."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()

    def summary(self, content: str, bundle: str) -> tuple[str, float] | None:
        """A summary that was generated before, with its confidence."""
        found = self._kept.get((content, bundle))
        if found is not None:
            self._kept.move_to_end((content, bundle))
        return found

    def put_summary(self, content: str, bundle: str, text: str, confidence: float) -> None:
        """Keep a generated summary."""
        self._kept[content, bundle] = (text, confidence)
        while len(self._kept) > _MEMORY_ENTRIES:
            self._kept.popitem(last=False)


Resolve = Callable[[str], Iterable[Definition]]
"""Gives the functions of other files with a bare name."""


def function_at(text: str, language: str, offset: int, resolve: Resolve) -> tuple[Definition, Span] | None:
    """The function whose name stands at `offset`, as its definition or as a call, and the span of that name.

    A called name is looked up in the same text first, then through `resolve`. A name that several functions of other
    files have says nothing certain, and gives None.
    """
    functions = parse_functions(text, language)
    for function in functions:
        if function.name_span.start <= offset <= function.name_span.end:
            return function, function.name_span
    called = called_name(text, language, offset)
    if called is None:
        return None
    here = _span_of_name(text, offset, called)
    same_file = [f for f in functions if f.name == called]
    candidates = same_file or [f for f in resolve(called) if f.name == called]
    if len(candidates) == 1 or same_file:
        return candidates[0], here
    return None


def summarize(function: Definition, models: Models, cache: SummaryCache, stop: Callable[[], bool]) -> Summary | None:
    """A sentence about a function, from the cache or generated; None where no bundle speaks its language.

    Raises:
        Cancelled: `stop` returned True.
        InvalidBundle: the bundle cannot be loaded.
    """
    bundle = models.summary_bundle(function.language)
    if bundle is None:
        return None
    content = digest_of(summary_input(function.code, function.language).encode("utf-8", errors="replace"))
    kept = cache.summary(content, bundle.manifest.digest)
    if kept is not None:
        return Summary(*kept)
    summary = models.summarizer(bundle).summarize(function.code, function.language, stop)
    cache.put_summary(content, bundle.manifest.digest, summary.text, summary.confidence)
    return summary


def _span_of_name(text: str, offset: int, name: str) -> Span:
    start = text.rfind(name, 0, offset + len(name))
    line = Lines(text).line_of(start)
    return Span(start, start + len(name), line, line)
