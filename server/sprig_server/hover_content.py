"""The content of a hover: the name that it is about, and a summary of its function."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from sprig_server.code.languages import find_language
from sprig_server.code.parsed_source import Call, ParsedSource
from sprig_server.code.references import Reference, reference_at
from sprig_server.code.text import summary_input
from sprig_server.index.store import digest_of
from sprig_server.inference.likelihood import LIKELY, most_likely
from sprig_server.inference.models import Models
from sprig_server.types import Definition

_MEMORY_ENTRIES = 2000
_LONGEST_CODE = 100_000  # characters
_BEAMS_AGAIN = 8


class SummaryCache(Protocol):
    """Storage for generated summaries: the index of a workspace, or memory."""

    def summary(self, content: str, bundle: str) -> tuple[str, float] | None:
        """A summary that was generated before, and the probability that it is right."""

    def put_summary(self, content: str, bundle: str, text: str, probability: float) -> None:
        """Keep a generated summary."""


class MemoryCache:
    """The most recently used summaries of documents outside every workspace folder."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()

    def summary(self, content: str, bundle: str) -> tuple[str, float] | None:
        """A summary that was generated before, and the probability that it is right."""
        found = self._kept.get((content, bundle))
        if found is not None:
            self._kept.move_to_end((content, bundle))
        return found

    def put_summary(self, content: str, bundle: str, text: str, probability: float) -> None:
        """Keep a generated summary."""
        self._kept[content, bundle] = (text, probability)
        while len(self._kept) > _MEMORY_ENTRIES:
            self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Written:
    """A sentence that a model wrote about a function, the probability that it is right, and whether that is enough to
    show it unasked.
    """

    text: str
    probability: float
    is_likely: bool


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a text, characters [start, end): what is defined or called there, or else what stands for something."""

    start: int
    end: int
    definition: Definition | None = None
    call: Call | None = None
    reference: Reference | None = None


def name_at(source: ParsedSource, offset: int) -> Name | None:
    """The name at `offset`: of a function or class in its definition, of a call, or of anything else. None for
    keywords, literals and comments.
    """
    for definition in source.definitions:
        start, end = _own_name(definition, source)
        if start <= offset <= end and definition.kind != "module":
            return Name(start, end, definition=documented(definition, source))
    call = source.call_at(offset)
    if call is not None:
        return Name(call.start, call.end, call=call)
    reference = reference_at(source.text, source.language, source.scopes, offset)
    return Name(reference.start, reference.end, reference=reference) if reference is not None else None


def _own_name(definition: Definition, source: ParsedSource) -> tuple[int, int]:
    """Where the name of a definition stands; in C++, without the class or namespace that qualifies it."""
    start, end = definition.name_span.start, definition.name_span.end
    qualified = source.text.rfind("::", start, end) if definition.language == "cpp" else -1
    return (start if qualified < 0 else qualified + 2), end


def documented(function: Definition, source: ParsedSource) -> Definition:
    """A function with its documentation, which may stand at another definition of the same name, such as the getter of
    a property or one branch of a condition. Where functions are told apart by their parameters, only at its own."""
    if function.documentation or not find_language(source.language).docstrings:
        return function
    others = (f for f in source.functions if f.qualified_name == function.qualified_name and f.documentation)
    other = next(others, None)
    return replace(function, documentation=other.documentation) if other is not None else function


def summarize(
    function: Definition, models: Models, cache: SummaryCache, stop: Callable[[], bool], again: bool = False
) -> Written | None:
    """A sentence about a function, cached or generated; None if no bundle serves its language, if it is too long for a
    useful sentence, or if its sentence is hidden.

    Args:
        again: generate it in any case, with a wider search than before.

    Raises:
        Cancelled: `stop` returned True.
        InvalidBundle: the bundle cannot be loaded.
    """
    bundle = models.summary_bundle(function.language)
    if bundle is None or len(function.code) > _LONGEST_CODE:
        return None
    content, calibration = _content(function), bundle.manifest.calibration
    kept = cache.summary(content, bundle.manifest.digest) if not again else None
    if kept is None:
        summarizer = models.summarizer(bundle)
        candidates = summarizer.candidates(function.code, function.language, stop, _BEAMS_AGAIN if again else None)
        best, chance = most_likely(candidates, function, models, calibration)
        kept = best.text, chance
        cache.put_summary(content, bundle.manifest.digest, *kept)
    text, likelihood = kept
    likely = calibration.likely if calibration is not None else LIKELY
    return Written(text, likelihood, likelihood >= likely) if text else None


def is_written(function: Definition, models: Models, cache: SummaryCache) -> bool:
    """Whether `summarize` needs no model: the sentence is cached or hidden, or there will be none."""
    bundle = models.summary_bundle(function.language)
    if bundle is None or len(function.code) > _LONGEST_CODE:
        return True
    return cache.summary(_content(function), bundle.manifest.digest) is not None


def hide(function: Definition, models: Models, cache: SummaryCache) -> None:
    """Hide the sentence about a function until its code changes or another one is generated."""
    bundle = models.summary_bundle(function.language)
    if bundle is not None:
        cache.put_summary(_content(function), bundle.manifest.digest, "", 0.0)


def _content(function: Definition) -> str:
    return digest_of(summary_input(function.code, function.language).encode("utf-8", errors="replace"))
