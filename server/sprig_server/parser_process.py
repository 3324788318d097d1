"""A separate process that parses large texts. The parser holds the interpreter's lock, so in the server's process it
would delay every other answer.

The process starts with the first text, ends after a minute without texts, and is killed when nobody wants the text that
it is parsing. Run as a program, this module is that process: it reads texts from standard input and writes their
definitions to standard output, both pickled.
"""

from __future__ import annotations

import faulthandler
import itertools
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO

from sprig_server.code.parsed_source import ParsedSource, parse_source
from sprig_server.code.scopes import Scope
from sprig_server.errors import Cancelled, NotParsed
from sprig_server.types import Definition

PARSING_SECONDS = 30.0
"""Parsing is given up after this time."""

_IDLE_SECONDS = 60.0
_VALUES_A_MESSAGE = 500  # unpickling holds the interpreter's lock: some milliseconds for this many
_MOST_MEMORY = 4 << 30  # bytes

_Key = tuple[str, str, str]


class ParserProcess:
    """Parses texts one after another. Safe to use from several threads."""

    def __init__(self) -> None:
        self._jobs: queue.PriorityQueue[tuple[int, int, _Key, Future[ParsedSource]]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._wanted: dict[_Key, Future[ParsedSource]] = {}
        self._waiting: Counter[Future[ParsedSource]] = Counter()  # number of callers that want it
        self._lock = threading.Lock()  # guards everything below
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._running: Future[ParsedSource] | None = None
        self._closed = False

    def submit(self, text: str, language: str, module: str, urgent: bool) -> Future[ParsedSource]:
        """Parse a text, urgent ones first. A text that is being parsed already is not parsed twice.

        The future raises NotParsed if parsing takes too long or too much memory.

        Raises:
            Cancelled: the process was closed.
        """
        key = text, language, module
        with self._lock:
            if self._closed:
                raise Cancelled
            known = self._wanted.get(key)
            if known is not None and not known.cancelled():
                self._waiting[known] += 1
                return known
            job: Future[ParsedSource] = Future()
            self._wanted[key] = job
            self._waiting[job] = 1
            self._jobs.put((not urgent, next(self._numbers), key, job))
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="sprig-parser", daemon=True)
                self._thread.start()
            return job

    def abandon(self, job: Future[ParsedSource]) -> None:
        """A caller does not want a submitted text any more. When no caller does, parsing it stops."""
        with self._lock:
            self._waiting[job] -= 1
            if self._waiting[job] > 0:
                return
            if not job.cancel() and job is self._running and self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """End the process. Texts that are not parsed yet are cancelled."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
            for job in self._wanted.values():
                job.cancel()

    def _serve(self) -> None:
        while not self._closed:
            try:
                _, _, key, job = self._jobs.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                self._end()
                continue
            if job.set_running_or_notify_cancel():
                try:
                    source = self._parse(key, job)
                except Exception as error:
                    job.set_exception(error)
                else:
                    job.set_result(source)
            with self._lock:
                self._waiting.pop(job, None)
                if self._wanted.get(key) is job:
                    del self._wanted[key]

    def _parse(self, key: _Key, job: Future[ParsedSource]) -> ParsedSource:
        process = self._start(job)
        assert process.stdin and process.stdout
        began = time.monotonic()
        definitions: list[Definition] = []
        scopes: list[Scope] = []
        try:
            pickle.dump(key, process.stdin, pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()
            defined, scoped, calls, whole, comments = pickle.load(process.stdout)
            while len(definitions) < defined:
                definitions += pickle.load(process.stdout)
            while len(scopes) < scoped:
                scopes += pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            self._end()
            if time.monotonic() - began >= PARSING_SECONDS:
                raise NotParsed(f"parsing it takes longer than {PARSING_SECONDS:.0f} s") from None
            raise NotParsed("parsing it takes too much memory, or was stopped") from None
        finally:
            with self._lock:
                self._running = None
        return ParsedSource(*key, tuple(definitions), calls, whole, comments, scopes=tuple(scopes))

    def _start(self, job: Future[ParsedSource]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise Cancelled
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", __name__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    # `-m` looks for modules in the current folder first, so that must not be a folder of the user.
                    cwd=Path(__file__).resolve().parents[1],
                )
            self._running = job
            return self._process

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def main(requests: BinaryIO, answers: BinaryIO) -> None:
    """Parse texts until there are no more."""
    while True:
        try:
            text, language, module = pickle.load(requests)
        except EOFError:
            return
        # Ends the process without the interpreter, whose lock the parser holds; also if the server is gone.
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            faulthandler.dump_traceback_later(PARSING_SECONDS, exit=True, file=nowhere)
            source = parse_source(text, language, module)
            numbers = len(source.definitions), len(source.scopes)
            pickle.dump((*numbers, source.calls, source.whole, source.comments), answers, pickle.HIGHEST_PROTOCOL)
            parts: tuple[Sequence[object], ...] = (source.definitions, source.scopes)
            for values in parts:
                for start in range(0, len(values), _VALUES_A_MESSAGE):
                    pickle.dump(values[start : start + _VALUES_A_MESSAGE], answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()
            faulthandler.cancel_dump_traceback_later()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))


if __name__ == "__main__":
    _limit_memory()
    own_output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # other output must not get between the answers
    main(sys.stdin.buffer, own_output)
