"""A strict client over pipes: it refuses whatever is not a framed JSON-RPC message, which other clients overlook."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from typing import Any

COMMAND = [sys.executable, "-m", "sprig_server", "serve"]


class RawClient:
    """Starts the server as a process; every byte of its stdout must belong to a message."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
        )
        self.messages: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue()
        self.shown: list[str] = []
        self.stderr = b""
        self._next_id = 0
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._drain)]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        try:
            while header := self.process.stdout.readline():
                length = None
                while header != b"\r\n":
                    name, _, value = header.partition(b": ")
                    assert name in (b"Content-Length", b"Content-Type"), f"not a header: {header!r}"
                    assert header.endswith(b"\r\n"), f"not a header line: {header!r}"
                    length = int(value) if name == b"Content-Length" else length
                    header = self.process.stdout.readline()
                assert length is not None
                body = self.process.stdout.read(length)
                assert len(body) == length
                self.messages.put(json.loads(body))
        except Exception as error:
            self.messages.put(error)
        self.messages.put(None)

    def _drain(self) -> None:
        assert self.process.stderr
        self.stderr = self.process.stderr.read()

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def notify(self, method: str, params: Any) -> None:
        self.send({"method": method, "params": params})

    def request(self, method: str, params: Any) -> int:
        self._next_id += 1
        self.send({"id": self._next_id, "method": method, "params": params})
        return self._next_id

    def wait(self, wanted: int, timeout: float = 30) -> dict[str, Any]:
        """The reply to a request; answers the server's own requests on the way."""
        while True:
            message = self.messages.get(timeout=timeout)
            if isinstance(message, Exception):
                raise message
            assert message is not None, f"the server closed its output: {self.stderr.decode(errors='replace')[-2000:]}"
            if "method" in message and "id" in message:
                self.send({"id": message["id"], "result": None})
            elif message.get("id") == wanted:
                return message
            elif message.get("method") == "window/showMessage":
                self.shown.append(message["params"]["message"])

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
                return code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
