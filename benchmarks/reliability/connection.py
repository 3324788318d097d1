"""A server in a process of its own, spoken to over pipes, with a deadline for everything and no mercy for framing."""

from __future__ import annotations

import json
import os
import queue
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

SERVE = (sys.executable, "-m", "sprig_server", "serve")
HANG_SECONDS = 5.0
START_SECONDS = 60.0
TRACEBACK = "Traceback (most recent call last)"
_LOG_LINE = re.compile(r"(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
_TAIL = 20_000  # bytes of stderr that are kept


class Broken(Exception):
    """The server died, hung, or wrote what is no message; the text says which."""


def framed(body: bytes) -> bytes:
    """A message with its header."""
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def encoded(message: Mapping[str, Any]) -> bytes:
    """A JSON-RPC message as bytes, with its header."""
    return framed(json.dumps({"jsonrpc": "2.0", **message}).encode())


class Connection:
    """Starts the server and reads all it says; replies are kept by id until they are taken.

    `wrapped` are words of another program that runs the server. Requests of the server itself are answered with
    null, as by a client that knows nothing.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path, wrapped: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [*wrapped, *SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            cwd=folder,
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        os.set_blocking(self.process.stdin.fileno(), False)
        self.replies: dict[int | str, dict[str, Any]] = {}
        self.complaints: list[str] = []
        self.said: list[str] = []
        self._broken = ""
        self._stderr = b""
        self._news = threading.Condition()
        self._writing = threading.Lock()
        self._asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._next = 0
        works = (self._read, self._drain, self._answer)
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def write(self, data: bytes, seconds: float = HANG_SECONDS) -> None:
        """Send bytes as they are.

        Raises:
            Broken: the server does not read for `seconds`, or is gone.
        """
        assert self.process.stdin
        pipe, rest = self.process.stdin.fileno(), memoryview(data)
        with self._writing:
            while rest:
                if not select.select([], [pipe], [], seconds)[1]:
                    raise Broken(f"reads nothing for {seconds:g} s")
                try:
                    rest = rest[os.write(pipe, rest) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    raise Broken(self._death()) from None

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""
        self.write(encoded({"method": method, "params": params}))

    def request(self, method: str, params: Any, seconds: float = HANG_SECONDS) -> dict[str, Any]:
        """Send a request and wait for its reply, with its result or its error.

        Raises:
            Broken: there is none in time.
        """
        self._next += 1
        number = f"harness-{self._next}"
        self.write(encoded({"id": number, "method": method, "params": params}), seconds)
        return self.wait(number, seconds)

    def command(self, name: str, *arguments: Any, seconds: float = HANG_SECONDS) -> dict[str, Any]:
        """Run one of Sprig's commands."""
        return self.request("workspace/executeCommand", {"command": name, "arguments": list(arguments)}, seconds)

    def wait(self, number: int | str, seconds: float = HANG_SECONDS) -> dict[str, Any]:
        """The reply with an id, which is then forgotten.

        Raises:
            Broken: it does not come in time, the server died, or what came is no message.
        """
        with self._news:
            self._news.wait_for(lambda: number in self.replies or self._broken, seconds)
            if number in self.replies:
                return self.replies.pop(number)
            reason = self._broken
        if not reason:
            raise Broken(f"no answer for {seconds:g} s")
        raise Broken(self._death() if reason == "end" else reason)

    def initialize(self, root: Path, capabilities: Any = None, **options: Any) -> None:
        """Open a session on a folder, with these settings."""
        parameters = {
            "processId": os.getpid(),
            "rootUri": root.as_uri(),
            "workspaceFolders": [{"uri": root.as_uri(), "name": root.name}],
            "capabilities": capabilities or {},
            "initializationOptions": options,
        }
        self.request("initialize", parameters, START_SECONDS)
        self.notify("initialized", {})

    def wait_until_indexed(self, seconds: float) -> dict[str, Any]:
        """Wait until the only folder is indexed and encoded; its status.

        Raises:
            Broken: that takes longer.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            folders = (self.command("sprig.status", seconds=seconds).get("result") or {}).get("folders", [])
            done = [f for f in folders if not f["indexing"] and f["definitions"] and f["encoded"] >= f["definitions"]]
            if done:
                return dict(done[0])
            time.sleep(0.1)
        raise Broken(f"not indexed within {seconds:g} s")

    def memory(self) -> float:
        """Resident memory of the server and its children, in MB."""
        try:
            server = psutil.Process(self.process.pid)
            return sum(p.memory_info().rss for p in [server, *server.children(recursive=True)]) / 1e6
        except psutil.Error:
            return 0.0

    def leave(self) -> int:
        """Say goodbye properly; the exit code.

        Raises:
            Broken: the server does not end in time.
        """
        self.request("shutdown", None)
        self.write(encoded({"method": "exit"}))
        return self.end()

    def end(self) -> int:
        """Close the server's input, wait for its end; the exit code.

        Raises:
            Broken: it does not end in time, or wrote what is no message.
        """
        assert self.process.stdin
        self.process.stdin.close()
        try:
            code = self.process.wait(HANG_SECONDS)
        except subprocess.TimeoutExpired:
            raise Broken(f"does not end within {HANG_SECONDS:g} s") from None
        for thread in self._threads:
            thread.join(HANG_SECONDS)
        if self._broken not in ("", "end"):
            raise Broken(self._broken)
        return code

    def kill(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(HANG_SECONDS)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def stderr(self) -> str:
        """The end of what the server wrote to stderr."""
        return self._stderr.decode(errors="replace")

    def _death(self) -> str:
        try:
            code = self.process.wait(1)
        except subprocess.TimeoutExpired:
            return "closed its output"
        for thread in self._threads:
            thread.join(1)
        lines = [line for line in self.stderr().splitlines() if line.strip()]
        return f"ended with code {code}: {lines[-1] if lines else 'without a word'}"

    def _read(self) -> None:
        assert self.process.stdout
        stream, reason = self.process.stdout, "end"
        try:
            while (header := stream.readline()) and not reason.startswith("writes"):
                length = -1
                while header not in (b"\r\n", b""):
                    name, _, value = header.partition(b": ")
                    if name == b"Content-Length" and header.endswith(b"\r\n"):
                        length = int(value)
                    elif name != b"Content-Type":
                        raise ValueError(f"writes {header[:60]!r} to stdout")
                    header = stream.readline()
                if length < 0:
                    raise ValueError("writes a header without a length")
                body = stream.read(length)
                if len(body) < length:
                    break  # killed in the middle of a message
                self._take(json.loads(body.decode("utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            reason = f"wrote what is no message: {error}"
        self._asked.put(None)
        with self._news:
            self._broken = reason
            self._news.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        if "method" in message:
            if "id" in message:
                self._asked.put(message["id"])
            elif message["method"] in ("window/showMessage", "window/logMessage"):
                self.said.append(str(message["params"]["message"]))
                self._note_traceback(self.said[-1])
            return
        self._note_traceback(json.dumps(message.get("error")))
        with self._news:
            if isinstance(message.get("id"), (str, int)):
                self.replies[message["id"]] = message
            elif message.get("id") is not None:
                self.complaints.append("answers with an id that is neither text nor number")
            self._news.notify_all()

    def _answer(self) -> None:
        """Answer the server, on a thread of its own: the one that reads must never wait for the server to read."""
        while (number := self._asked.get()) is not None:
            try:
                self.write(encoded({"id": number, "result": None}))
            except (Broken, ValueError, OSError):
                return

    def _drain(self) -> None:
        assert self.process.stderr
        block: list[str] = []  # a traceback that is being written, with those that it is said to come from
        for raw in self.process.stderr:
            self._stderr = (self._stderr + raw)[-_TAIL:]
            line = raw.decode(errors="replace").rstrip()
            if block and _LOG_LINE.match(line):
                self.complaints.append(_cause(block))
                block = []
            if block or TRACEBACK in line:
                block.append(line)
        if block:
            self.complaints.append(_cause(block))

    def _note_traceback(self, text: str) -> None:
        if TRACEBACK in text:
            self.complaints.append(f"{_cause(text.splitlines())}, sent to the client")


def _cause(block: list[str]) -> str:
    """The error that a traceback ends with."""
    errors = [line for line in block if line.strip() and not line.startswith((" ", "|", "+"))]
    return f"traceback: {re.split('[^ ,:.A-Za-z_]', errors[-1])[0][:80] if errors else 'cut short'}"
