"""A strict client over pipes: it refuses whatever is not a message of JSON-RPC that it can expect."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

COMMAND = [sys.executable, "-m", "sprig_server", "serve"]


def frame(body: bytes, length: int | None = None) -> bytes:
    """A message of the base protocol; with another length than its own where one is given."""
    return b"Content-Length: %d\r\n\r\n%s" % (len(body) if length is None else length, body)


def check_message(message: Any) -> None:
    """Refuse what is not a request, a notification or a response in plain JSON-RPC 2.0."""
    assert isinstance(message, dict), message
    assert message["jsonrpc"] == "2.0", message
    json.dumps(message, ensure_ascii=False).encode()  # a lone surrogate is no text
    if "method" in message:
        assert message.keys() <= {"jsonrpc", "id", "method", "params"}, message
        assert isinstance(message["method"], str), message
        return
    assert message.keys() in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"}), message
    if "error" in message:
        assert message["error"].keys() == {"code", "message"}, message
        assert isinstance(message["error"]["code"], int), message
        assert "\n" not in message["error"]["message"], "a refusal is one sentence"
        assert "Traceback" not in message["error"]["message"], message


class RawClient:
    """Starts the server as a process; every byte of its stdout must belong to a message."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None, command: Sequence[str] = COMMAND) -> None:
        paths = [path for path in ((env or {}).get("PYTHONPATH"), os.environ.get("PYTHONPATH")) if path]
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {}), "PYTHONPATH": os.pathsep.join(paths)},
        )
        self.messages: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue()
        self.shown: list[str] = []
        self.logged: list[str] = []
        self.progress: list[dict[str, Any]] = []
        self.edits: list[dict[str, Any]] = []
        self.stderr = b""
        self._next_id = 0
        self._unanswered: set[int] = set()
        self._replies: dict[int, dict[str, Any]] = {}
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._drain)]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        try:
            while header := self.process.stdout.readline():
                length = re.fullmatch(rb"Content-Length: ([0-9]+)\r\n", header)
                assert length, f"not a header line: {header!r}"
                end = self.process.stdout.readline()
                assert end == b"\r\n", f"not the end of a header: {end!r}"
                body = self.process.stdout.read(int(length[1]))
                assert len(body) == int(length[1])
                message = json.loads(body.decode("utf-8"), parse_constant=lambda name: 1 / 0)
                check_message(message)
                self.messages.put(message)
        except Exception as error:
            self.messages.put(error)
        self.messages.put(None)

    def _drain(self) -> None:
        assert self.process.stderr
        self.stderr = self.process.stderr.read()

    def send_bytes(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message: dict[str, Any]) -> None:
        self.send_bytes(frame(json.dumps({"jsonrpc": "2.0", **message}).encode()))

    def notify(self, method: str, params: Any) -> None:
        self.send({"method": method, "params": params})

    def request(self, method: str, params: Any) -> int:
        self._next_id += 1
        self._unanswered.add(self._next_id)
        self.send({"id": self._next_id, "method": method, "params": params})
        return self._next_id

    def execute(self, command: str, *arguments: Any) -> Any:
        """The result of a command."""
        reply = self.wait(self.request("workspace/executeCommand", {"command": command, "arguments": list(arguments)}))
        assert "result" in reply, reply
        return reply["result"]

    def receive(self, timeout: float = 30) -> dict[str, Any]:
        """The next response; answers the server's own requests, and keeps what it shows, logs and edits, on the way."""
        while True:
            message = self.messages.get(timeout=timeout)
            if isinstance(message, Exception):
                raise message
            assert message is not None, f"the server closed its output: {self.stderr.decode(errors='replace')[-2000:]}"
            if "method" not in message:
                return message
            if message["method"] == "workspace/applyEdit":
                self.edits.append(message["params"]["edit"])
                self.send({"id": message["id"], "result": {"applied": True}})
            elif "id" in message:
                self.send({"id": message["id"], "result": None})
            elif message["method"] == "window/showMessage":
                self.shown.append(message["params"]["message"])
            elif message["method"] == "window/logMessage":
                self.logged.append(message["params"]["message"])
            elif message["method"] == "$/progress":
                self.progress.append(message["params"])

    def wait(self, wanted: int, timeout: float = 30) -> dict[str, Any]:
        """The reply to a request; every other reply must be to a request as well."""
        while wanted not in self._replies:
            message = self.receive(timeout)
            assert message["id"] in self._unanswered, f"a reply to nothing: {message}"
            self._unanswered.discard(message["id"])
            self._replies[message["id"]] = message
        return self._replies.pop(wanted)

    def exchange(self, data: bytes, expected: int) -> list[dict[str, Any]]:
        """What is answered to these bytes, and before a request of ours that follows them: so many, or more."""
        self.send_bytes(data)
        end = self.request("sprig/noSuchMethod", None)
        answers = []
        while end in self._unanswered or len(answers) < expected:
            message = self.receive(30)
            if message["id"] == end:
                self._unanswered.discard(end)
            else:
                answers.append(message)
        return answers

    def initialize(self, root_uri: str | None = None, **options: Any) -> dict[str, Any]:
        params = {"processId": os.getpid(), "rootUri": root_uri, "capabilities": {}, **options}
        reply = self.wait(self.request("initialize", params))
        self.notify("initialized", {})
        return reply["result"]

    def leave(self, timeout: float = 10) -> int:
        """Say goodbye properly; the exit code."""
        assert self.process.stdin
        self.wait(self.request("shutdown", None))
        self.send({"method": "exit"})
        return self.exit_code(timeout)

    def exit_code(self, timeout: float = 10) -> int:
        """Wait for the process, and check that nothing but messages came before its end."""
        code = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        while True:
            message = self.messages.get(timeout=1)
            if isinstance(message, Exception):
                raise message
            if message is None:
                assert b"Traceback" not in self.stderr, self.stderr.decode(errors="replace")
                return code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
