"""Fuzzed messages to real servers: whatever arrives, they answer the next valid hover within five seconds."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

from reliability.connection import HANG_SECONDS, Broken, Connection, encoded
from reliability.messages import DOCUMENTS, Fuzzer
from reliability.results import Outcome, Watch, timed

_SESSION = 2500  # messages to one server
_BATCH = 100  # messages between two checkpoints
_MEMORY = 1000.0  # MB; more than that for a folder of four small files is a leak
_MOST_FAILURES = 200  # enough to see what is wrong

_ANCHOR = 'def anchor():\n    """Still here."""\n'


def fuzz_messages(count: int, seed: int, folder: Path, jobs: int, watch: Watch) -> Outcome:
    """Send `count` messages, in sessions that depend on nothing but the seed and their number.

    The input of every failure is left in `folder` as session-NUMBER.bin: all that was written to that server.
    """
    outcome = Outcome("fuzzed messages")
    lock = threading.Lock()
    peaks: list[float] = []

    def run(number: int, messages: int) -> None:
        if len(outcome.failures) >= _MOST_FAILURES or watch.over():
            return
        session = _Session(number, seed, folder / f"session-{number}")
        session.run(messages)
        with lock:
            outcome.tried += session.sent
            peaks.append(session.peak)
            for failure in session.failures:
                outcome.fail(failure, f"--seed {seed}, session {number}")
            watch.show(outcome.tried)

    with timed(outcome), ThreadPoolExecutor(jobs) as pool:
        sizes = [min(_SESSION, count - start) for start in range(0, count, _SESSION)]
        list(pool.map(run, range(len(sizes)), sizes))
    outcome.figures = {"servers": str(len(peaks)), "most memory": f"{max(peaks, default=0):.0f} MB"}
    return outcome


class _Session:
    """One server from its start to its end."""

    def __init__(self, number: int, seed: int, folder: Path) -> None:
        self.sent, self.peak = 0, 0.0
        self.failures: list[str] = []
        self._random = Random(f"{seed} {number}")
        self._folder = folder
        self._written = bytearray()

    def run(self, messages: int) -> None:
        project = self._folder / "project"
        (project / "sub").mkdir(parents=True, exist_ok=True)
        for name, text in DOCUMENTS.items():
            (project / name).write_text(text, encoding="utf-8")
        (project / "sub" / "e.py").write_text(_ANCHOR, encoding="utf-8")
        fuzzer = Fuzzer(self._random, project.as_uri())
        with Connection({"SPRIG_CACHE_DIR": str(self._folder / "cache")}, self._folder) as server:
            try:
                if self._random.random() < 0.2:  # too early
                    self._send(server, fuzzer, 20)
                server.initialize(project, threads=1, hover={"generate": "never"})
                uri = (project / "anchor.py").as_uri()
                anchor = {"uri": uri, "languageId": "python", "version": 1, "text": _ANCHOR}
                self._keep(server, encoded({"method": "textDocument/didOpen", "params": {"textDocument": anchor}}))
                while self.sent < messages:
                    owed = self._send(server, fuzzer, min(_BATCH, messages - self.sent))
                    self._check(server, uri, owed)
                self._leave(server)
            except Broken as problem:
                self.failures.append(str(problem))
            self.failures += server.complaints
        if self.failures:
            self._folder.with_suffix(".bin").write_bytes(self._written)

    def _send(self, server: Connection, fuzzer: Fuzzer, count: int) -> dict[int | str, bytes]:
        """Write a batch without waiting; the messages that must be answered, by id."""
        batch = [fuzzer.next() for _ in range(count)]
        self._keep(server, b"".join(message.data for message in batch))
        self.sent += count
        return {message.owed: message.data for message in batch if message.owed is not None}

    def _keep(self, server: Connection, data: bytes) -> None:
        self._written += data
        server.write(data)

    def _check(self, server: Connection, uri: str, owed: dict[int | str, bytes]) -> None:
        """An honest client's hover, after setting right what a fuzzed message may have set."""
        settings: dict[str, Any] = {"settings": {"sprig": {"threads": 1, "hover": {"generate": "never"}}}}
        self._keep(server, encoded({"method": "workspace/didChangeConfiguration", "params": settings}))
        position = {"line": 0, "character": 5}
        try:
            reply = server.request("textDocument/hover", {"textDocument": {"uri": uri}, "position": position})
        except Broken as problem:
            raise Broken(f"hover at a checkpoint: {problem}") from None
        if "Still here" not in str(reply.get("result")):
            self.failures.append(f"hover at a checkpoint: {str(reply.get('error') or reply.get('result'))[:200]}")
        for number, data in owed.items():
            if not _answered(server, number):
                self.failures.append(f"not answered within {HANG_SECONDS:g} s: {data.partition(b'{')[2][:150]!r}")
        server.replies.clear()
        self.peak = max(self.peak, server.memory())
        if self.peak > _MEMORY:
            raise Broken(f"takes more than {_MEMORY:.0f} MB")

    def _leave(self, server: Connection) -> None:
        """Go in one of the ways that clients go."""
        way = self._random.randrange(3)
        if way == 0:
            code, expected = server.leave(), 0
        elif way == 1:
            self._keep(server, encoded({"method": "exit"}))
            code, expected = server.end(), 1
        else:
            self._keep(server, b'Content-Length: 500\r\n\r\n{"jsonrpc": "2.0", "id": 1')
            code, expected = server.end(), 1
        if code != expected:
            self.failures.append(f"exit code {code} where {expected} is right")


def _answered(server: Connection, number: int | str) -> bool:
    try:
        server.wait(number)
    except Broken:
        return False
    return True
