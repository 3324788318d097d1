"""A small client for the language servers that hovers are compared with: questions and answers, over their pipes."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

_PATIENCE = 600.0  # seconds for an answer
_TOKEN_KINDS = (
    *(
        "namespace",
        "type",
        "class",
        "enum",
        "interface",
        "struct",
        "typeParameter",
        "parameter",
        "variable",
        "property",
    ),
    *("enumMember", "event", "function", "method", "macro", "keyword", "modifier", "comment", "string", "number"),
    *("regexp", "operator", "decorator"),
)

Location = tuple[Path, int]
"""A file and a 0-based line."""


class LanguageServer:
    """A running language server."""

    def __init__(self, command: Sequence[str], root: Path) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=root
        )
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._last = 0
        self._kinds: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        self._start(root)

    def open(self, path: Path, language: str) -> None:
        """Open a file."""
        text = path.read_text(encoding="utf-8", errors="replace")
        document = {"uri": path.as_uri(), "languageId": language, "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})

    def close_file(self, path: Path) -> None:
        """Close a file."""
        self._send({"method": "textDocument/didClose", "params": {"textDocument": {"uri": path.as_uri()}}})

    def kinds(self, path: Path) -> dict[tuple[int, int], str]:
        """What the names of a file are, by line and column: "method", "class" and so on."""
        answer = self.ask("textDocument/semanticTokens/full", {"textDocument": {"uri": path.as_uri()}})
        return dict(_tokens((answer or {}).get("data", []), self._kinds))

    def places(self, path: Path, line: int, column: int) -> list[Location]:
        """Where the name at a place is defined, or declared if that is not known."""
        place = {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": column}}
        answer = self.ask("textDocument/definition", place)
        found: list[Location] = []
        for one in answer if isinstance(answer, list) else [answer] if answer else []:
            span = one.get("targetSelectionRange") or one.get("range")
            uri = str(one.get("targetUri") or one.get("uri"))
            found.append((Path(unquote(urlparse(uri).path)), span["start"]["line"]))
        return found

    def ask(self, method: str, params: Any) -> Any:
        """The answer to a request; None if the server has none or refuses."""
        self._last += 1
        self._send({"id": self._last, "method": method, "params": params})
        while True:
            answer = self._answers.get(timeout=_PATIENCE)
            if answer.get("id") == self._last:
                return answer.get("result")

    def close(self) -> None:
        """Stop the server."""
        self._process.kill()
        self._process.wait()

    def _start(self, root: Path) -> None:
        folder = {"uri": root.as_uri(), "name": root.name}
        tokens = {
            "requests": {"full": True}, "tokenTypes": list(_TOKEN_KINDS), "tokenModifiers": [], "formats": ["relative"]
        }  # fmt: skip
        able = {
            "textDocument": {"semanticTokens": tokens},
            "workspace": {"workspaceFolders": True},
        }
        more = {"extendedClientCapabilities": {"classFileContentsSupport": True}}  # jdtls
        given = {
            "processId": None,
            "rootUri": root.as_uri(),
            "workspaceFolders": [folder],
            "capabilities": able,
            "initializationOptions": more,
        }
        answer = self.ask("initialize", given)
        provider = answer["capabilities"].get("semanticTokensProvider") or {}
        self._kinds = provider.get("legend", {}).get("tokenTypes", [])
        self._send({"method": "initialized", "params": {}})

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> None:
        """Sort what the server says: its own requests are answered with nothing, what it tells is not heard."""
        assert self._process.stdout is not None
        while True:
            length = 0
            while line := self._process.stdout.readline().strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            if not length:
                return
            message = json.loads(self._process.stdout.read(length))
            if "method" not in message:
                self._answers.put(message)
            elif "id" in message:
                items = message.get("params", {}).get("items") if "configuration" in message["method"] else None
                self._send({"id": message["id"], "result": [None] * len(items) if items else None})


def _tokens(data: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[tuple[int, int], str]]:
    line = column = 0
    for start in range(0, len(data), 5):
        down, along, _, kind, _ = data[start : start + 5]
        column = along if down else column + along
        line += down
        yield (line, column), kinds[kind]
