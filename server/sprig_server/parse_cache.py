"""Parsed documents: each version is parsed once, without delaying other answers.

A short text is parsed on a thread within some milliseconds, so answers always come from its current version. A long or
slow text is parsed by a separate process; until that is done, answers come from the previous version. The unchanged
parts of an unfinished version are taken from the last whole version.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from time import thread_time

from sprig_server.code.difference import old_offset
from sprig_server.code.last_good_parse import keep_last_good
from sprig_server.code.parsed_source import ParsedSource, parse_source
from sprig_server.concurrency import Stop, Tasks, Worker
from sprig_server.errors import Cancelled, NotParsed
from sprig_server.parser_process import ParserProcess

LONGEST = 10_000_000
"""Longer texts, in characters, are not parsed."""

_SHORT = 50_000  # characters: 5 to 30 ms
_SHORT_SECONDS = 0.05
_WAITING_SECONDS = 2.0  # for a version that is needed for an answer
_TYPING_SECONDS = 0.2
_MOST_DOCUMENTS = 64
_MOST_CHARACTERS = 30_000_000


@dataclass(frozen=True, slots=True)
class DocumentText:
    """A version of a document. `module` is the file name without its extension."""

    uri: str
    text: str
    language: str
    module: str


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a parsed text, which may be the previous version. In the current version, the same code is `shift`
    characters further on.
    """

    source: ParsedSource
    offset: int
    shift: int


@dataclass(slots=True)
class _Document:
    """The newest requested version of a document, the last parsed one, and the parsing task.

    Until a version is parsed, the `first` one is kept, because it may be whole while later ones are not.
    """

    wanted: DocumentText
    first: DocumentText | None = None
    last: ParsedSource | None = None
    parsing: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    slow: bool = False
    problem: str = ""
    problem_length: int = 0

    @property
    def is_parsed(self) -> bool:
        return self.last is not None and _is_of(self.last, self.wanted)


class ParseCache:
    """The most recently used documents, parsed. Use it on the event loop, except for `parse`."""

    def __init__(self, tasks: Tasks) -> None:
        self._documents: OrderedDict[str, _Document] = OrderedDict()
        self._tasks = tasks
        self._worker = Worker("sprig-parse", 1)
        self._process = ParserProcess()

    async def read(self, text: DocumentText) -> ParsedSource | None:
        """The parsed current version of a text; None if a newer version came meanwhile.

        Raises:
            NotParsed: it is too large.
        """
        document = self._want(text)
        if not document.is_parsed:
            if document.parsing is None:
                document.parsing = asyncio.get_running_loop().create_task(self._follow(document))
                document.parsing.add_done_callback(_mark_seen)
            await asyncio.shield(document.parsing)
        return document.last if document.last is not None and _is_of(document.last, text) else None

    async def locate(self, text: DocumentText, offset: int) -> Place | None:
        """A position in a text, in the version that is available soonest; None if that takes too long."""
        document = self._want(text)
        last = document.last
        if last is not None and not document.is_parsed and (document.slow or len(text.text) > _SHORT):
            before = old_offset(last.text, text.text, offset) if last.language == text.language else None
            if before is not None:
                self._tasks.start(self._read_behind(document), f"parsing {text.uri}")
                return Place(last, before, offset - before)
        try:
            source = await asyncio.wait_for(self.read(text), _WAITING_SECONDS)
        except (NotParsed, asyncio.TimeoutError):
            return None
        return Place(source, offset, 0) if source is not None else None

    def expect(self, text: DocumentText) -> None:
        """A document was opened or edited: parse it when typing pauses."""
        document = self._want(text)
        if document.timer is not None:
            document.timer.cancel()

        def start() -> None:
            self._tasks.start(self._read_behind(document), f"parsing {text.uri}")

        document.timer = asyncio.get_running_loop().call_later(_TYPING_SECONDS, start)

    def forget(self, uri: str) -> None:
        """A document was closed."""
        document = self._documents.pop(uri, None)
        if document is None:
            return
        if document.timer is not None:
            document.timer.cancel()
        if document.parsing is not None:
            document.parsing.cancel()

    def parse(self, text: str, language: str, module: str) -> ParsedSource:
        """The parsed text of a file. It waits, so do not call it on the event loop.

        Raises:
            NotParsed: the text is too large.
            Cancelled: the server ends.
        """
        for document in list(self._documents.values()):
            last = document.last
            if last is not None and (last.language, last.module) == (language, module) and last.text == text:
                return last
        if len(text) > LONGEST:
            raise NotParsed(_too_long(text))
        if len(text) <= _SHORT:
            try:
                return parse_source(text, language, module, _within(_SHORT_SECONDS))
            except Cancelled:
                pass
        try:
            return self._process.submit(text, language, module, urgent=False).result()
        except CancelledError:
            raise Cancelled from None

    def problems(self) -> dict[str, str]:
        """Why documents have no hovers, by URI."""
        return {uri: document.problem for uri, document in self._documents.items() if document.problem}

    def close(self) -> None:
        """Stop all parsing."""
        self._worker.close()
        self._process.close()

    def _want(self, text: DocumentText) -> _Document:
        document = self._documents.setdefault(text.uri, _Document(text))
        if document.last is None and document.first is None and document.wanted.text != text.text:
            document.first = document.wanted
        document.wanted = text
        self._documents.move_to_end(text.uri)
        held = sum(len(d.last.text) for d in self._documents.values() if d.last is not None)
        for uri, other in list(self._documents.items())[:-1]:
            if held <= _MOST_CHARACTERS and len(self._documents) <= _MOST_DOCUMENTS:
                break
            if other.parsing is None:
                del self._documents[uri]
                held -= len(other.last.text) if other.last is not None else 0
        return document

    async def _read_behind(self, document: _Document) -> None:
        with suppress(NotParsed):  # reported by `problems`
            await self.read(document.wanted)

    async def _follow(self, document: _Document) -> None:
        """Parse a document until its newest version is parsed."""
        try:
            while not document.is_parsed:
                document.last = await self._read_on(document, document.wanted)
                document.problem, document.first = "", None
        except NotParsed as error:
            document.problem, document.problem_length, document.last = str(error), len(document.wanted.text), None
            raise
        finally:
            document.parsing = None

    async def _read_on(self, document: _Document, text: DocumentText) -> ParsedSource:
        """A parsed version, with the unchanged parts of the previous one."""
        source, last = await self._parse(document, text), document.last
        if not source.whole and last is None and document.first is not None:
            with suppress(NotParsed):
                last = await self._parse(document, document.first)
        if source.whole or last is None:
            return source
        before = last
        return await self._worker.run(lambda stop: keep_last_good(before, source))

    async def _parse(self, document: _Document, text: DocumentText) -> ParsedSource:
        if len(text.text) > LONGEST:
            raise NotParsed(_too_long(text.text))
        if document.problem and len(text.text) >= document.problem_length:
            raise NotParsed(document.problem)  # not for every typed letter
        if len(text.text) <= _SHORT and not document.slow:
            try:
                return await self._worker.run(lambda stop: _parse_soon(text, stop))
            except Cancelled:
                document.slow = True
        job = self._process.submit(text.text, text.language, text.module, urgent=True)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            self._process.abandon(job)
            raise


def _parse_soon(text: DocumentText, stop: Stop) -> ParsedSource:
    late = _within(_SHORT_SECONDS)
    return parse_source(text.text, text.language, text.module, lambda: stop() or late())


def _within(seconds: float) -> Stop:
    """Returns True once the calling thread has used this many seconds of processor time."""
    deadline = thread_time() + seconds
    return lambda: thread_time() > deadline


def _mark_seen(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # whoever waits gets it, and nobody may


def _is_of(source: ParsedSource, text: DocumentText) -> bool:
    return source.language == text.language and source.text == text.text


def _too_long(text: str) -> str:
    return f"it has {len(text)} characters; texts of more than {LONGEST} are not parsed"
