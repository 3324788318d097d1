"""Messages that no client should send: valid ones with random but repeatable mistakes. Pure."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

from reliability.connection import encoded, framed

DOCUMENTS = {
    "a.py": 'def load(path):\n    """Read a file."""\n    return open(path).read()\n\n\nload("x")\n',
    "B.java": "class B {\n  /** Adds. */\n  int add(int a, int b) { return a + b; }\n  int two = add(1, 1);\n}\n",
    "c.cpp": "// Twice a number.\nint twice(int n) { return 2 * n; }\nint four = twice(2);\n",
    "d.tsx": "/** A box. */\nexport const Box = ({ size }: P) => <div>{size}</div>;\nconst use = () => Box({});\n",
}
_METHODS = (
    "textDocument/didOpen", "textDocument/didChange", "textDocument/didSave", "textDocument/didClose",
    "workspace/didChangeWatchedFiles", "workspace/didChangeWorkspaceFolders", "workspace/didChangeConfiguration",
    "$/cancelRequest", "$/setTrace", "window/workDoneProgress/cancel", "$/progress",
    "textDocument/hover", "workspace/symbol", "workspace/executeCommand", "initialize", "textDocument/definition",
)  # fmt: skip
_REQUESTS = frozenset(_METHODS[_METHODS.index("textDocument/hover") :])
_STRINGS = (
    "", "\0", "\ud800", "a\udfffb", "\U0001f600" * 50, "x" * 100_000, "\r\n\r\n", "../../etc/passwd", "null", "-1",
    "untitled:Untitled-1", "git:/a.py?x", "file:", "file://host/a.py", "file:///%00", "file:///%ff%fe.py", "C:\\a.py",
    "file:///" + "d/" * 3000 + "a.py", "\u202e\u0000\ufeff", "%", "' OR 1=1 --", "NEAR(a b) * ^ \" AND", "<script>",
)  # fmt: skip
_NUMBERS: tuple[Any, ...] = (
    -1, 0, 1, 2**31 - 1, 2**31, -(2**31) - 1, 2**63, -(2**63) - 1, 10**400, 1e308, -0.0, 0.5, float("nan"),
    float("inf"),
)  # fmt: skip
_DEEP = 200  # brackets
_SURROGATE = re.compile("[\ud800-\udfff]")
_OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], {"": None}, {"jsonrpc": "2.0"}, "text", 7)


@dataclass(frozen=True, slots=True)
class Message:
    """What is written to the server, and the id whose answer the protocol then owes; None where it owes none."""

    data: bytes
    owed: int | str | None = None


class Fuzzer:
    """Makes messages about the documents of one folder."""

    def __init__(self, random: Random, folder: str) -> None:
        self._random = random
        self._folder = folder
        self._number = 0
        self._versions = 0

    def next(self) -> Message:
        """Another message: one in ten is as it should be, the others have one or two things wrong."""
        message = self._valid()
        dice = self._random.random()
        if dice < 0.1:
            return self._whole(message)
        if dice < 0.7:
            for _ in range(self._random.choice((1, 1, 1, 2))):
                message = self._random.choice(_CHANGES)(self, message)
            return self._whole(message)
        body = json.dumps(message).encode("utf-8")
        if dice < 0.85:
            return _body(self._random.choice(_BODIES)(self, body))
        # What is wrong with a header may take the next message with it: that is one that nobody misses.
        return Message(self._random.choice(_FRAMES)(self, body) + encoded({"method": "$/lost"}))

    def _below(self, end: int) -> int:
        """A number below another one; unlike `randrange` it leaves the generator in the same state for every `end`, so
        that messages depend on the length of the folder's name in nothing but these numbers."""
        return int(self._random.random() * end)

    def _whole(self, message: Any) -> Message:
        return _body(json.dumps(message).encode("utf-8"))

    def _valid(self) -> dict[str, Any]:
        method = self._random.choice(_METHODS)
        message = {"jsonrpc": "2.0", "method": method, "params": self._params(method)}
        if method in _REQUESTS:
            self._number += 1
            message["id"] = self._number if self._random.random() < 0.9 else f"s{self._number}"
        return message

    def _params(self, method: str) -> Any:
        name = self._random.choice(list(DOCUMENTS))
        uri = f"{self._folder}/{name}"
        line = self._random.randrange(8)
        position = {"line": line, "character": self._random.randrange(40)}
        document = {"uri": uri}
        self._versions += 1
        if method == "textDocument/didOpen":
            return {"textDocument": {**document, "languageId": "x", "version": 1, "text": DOCUMENTS[name]}}
        if method == "textDocument/didChange":
            end = {"line": line + self._random.randrange(2), "character": self._random.randrange(40)}
            change = {"range": {"start": position, "end": end}, "text": self._random.choice(("", "x", "\n", "{", '"'))}
            whole = {"text": DOCUMENTS[name]}
            changes = [self._random.choice((change, whole))]
            return {"textDocument": {**document, "version": self._versions}, "contentChanges": changes}
        if method == "workspace/executeCommand":
            place = {"textDocument": document, "position": position, "task": "search"}
            arguments = self._random.choice(
                (
                    ("sprig.search", [{"query": "read a file", "limit": 3}]),
                    ("sprig.status", []),
                    ("sprig.trim", [place]),
                )
            )
            return dict(zip(("command", "arguments"), arguments, strict=True))
        values: dict[str, Any] = {
            "workspace/didChangeWatchedFiles": {"changes": [{"uri": uri, "type": self._random.randrange(1, 4)}]},
            "workspace/didChangeWorkspaceFolders": {
                "event": {"added": [{"uri": f"{self._folder}/sub", "name": "sub"}], "removed": []}
            },
            "workspace/didChangeConfiguration": {"settings": {"sprig": {"threads": 1, "hover": {"generate": "never"}}}},
            "$/cancelRequest": {"id": self._random.randrange(1, self._number + 2)},
            "$/setTrace": {"value": "off"},
            "window/workDoneProgress/cancel": {"token": "t"},
            "$/progress": {"token": "t", "value": {"kind": "begin", "title": "x"}},
            "workspace/symbol": {"query": self._random.choice(("load", "add", "*", ""))},
            "initialize": {"processId": None, "rootUri": self._folder, "capabilities": {}},
        }
        return values.get(method, {"textDocument": document, "position": position})


def _body(body: bytes) -> Message:
    return Message(framed(body), owed_id(body))


def owed_id(body: bytes) -> int | str | None:
    """The id that must be answered: that of a JSON object with a method and a valid id; None of anything else.

    A message that is nested deeply may be refused as a whole, with a null id.
    """

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON")

    if body.count(b"{") + body.count(b"[") > _DEEP:
        return None
    try:
        message = json.loads(body.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0" or not isinstance(message.get("method"), str):
        return None
    number = message.get("id")
    if isinstance(number, str):
        return None if _SURROGATE.search(number) else number  # which cannot be written as UTF-8
    return number if type(number) is int and abs(number) < 2**31 else None


# Changes of the JSON value.


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with each of its keys."""
    found = []
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        found.append((value, key))
        found += _places(value[key])
    return found


def _replace(fuzzer: Fuzzer, message: Any, values: tuple[Any, ...]) -> Any:
    places = [place for place in _places(message) if place[1] != "jsonrpc"]
    if places:
        container, key = fuzzer._random.choice(places)
        container[key] = deepcopy(fuzzer._random.choice(values))
    return message


def _delete(fuzzer: Fuzzer, message: Any) -> Any:
    places = _places(message)
    if places:
        container, key = fuzzer._random.choice(places)
        del container[key]
    return message


def _add(fuzzer: Fuzzer, message: Any) -> Any:
    objects = [message, *(c[k] for c, k in _places(message) if isinstance(c[k], dict))]
    key = fuzzer._random.choice(("id", "method", "params", "result", "error", "jsonrpc", "__class__", "", "x-y"))
    target = fuzzer._random.choice(objects)
    if isinstance(target, dict):
        target[key] = deepcopy(fuzzer._random.choice((*_OTHERS, *_NUMBERS, *_STRINGS)))
    return message


def _nest(fuzzer: Fuzzer, message: Any) -> Any:
    value: Any = "x"
    for _ in range(fuzzer._random.choice((10, 100, 400))):
        value = [value] if fuzzer._random.random() < 0.5 else {"a": value}
    return _replace(fuzzer, message, (value,))


def _repeat(fuzzer: Fuzzer, message: Any) -> Any:
    if isinstance(message, dict) and "id" in message:
        message["id"] = fuzzer._random.randrange(max(1, fuzzer._number - 3), fuzzer._number + 1)
    return message


def _to_response(fuzzer: Fuzzer, message: Any) -> Any:
    answer = {"result": deepcopy(fuzzer._random.choice(_OTHERS)), "error": {"code": -1, "message": "no"}}
    kind = fuzzer._random.choice(("result", "error"))
    return {"jsonrpc": "2.0", "id": fuzzer._random.choice((1, "t", None, 10**20)), kind: answer[kind]}


def _rename(fuzzer: Fuzzer, message: Any) -> Any:
    if isinstance(message, dict):
        message["method"] = fuzzer._random.choice(
            (
                *_METHODS,
                "",
                "\ud800",
                "$/x",
                "sprig.search",
                "workspace/didRenameFiles",
                "textDocument/completion",
                "__init__",
            )
        )
    return message


_CHANGES: tuple[Callable[[Fuzzer, Any], Any], ...] = (
    lambda fuzzer, message: _replace(fuzzer, message, _OTHERS),
    lambda fuzzer, message: _replace(fuzzer, message, _NUMBERS),
    lambda fuzzer, message: _replace(fuzzer, message, _STRINGS),
    _delete, _add, _nest, _repeat, _to_response, _rename,
    lambda fuzzer, message: [message] * fuzzer._random.randrange(3),
)  # fmt: skip


# Changes of the bytes of a message.


def _flip(fuzzer: Fuzzer, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(fuzzer._random.randrange(1, 4)):
        changed[fuzzer._below(len(changed))] ^= 1 << fuzzer._random.randrange(8)
    return bytes(changed)


def _cut(fuzzer: Fuzzer, body: bytes) -> bytes:
    return body[: 1 + fuzzer._below(len(body) - 1)]


def _noise(fuzzer: Fuzzer, body: bytes) -> bytes:
    return fuzzer._random.randbytes(fuzzer._random.randrange(1, 400))


def _deep(fuzzer: Fuzzer, body: bytes) -> bytes:
    depth = fuzzer._random.choice((300, 20_000))
    return body[:-1] + b', "x": ' + b"[" * depth + b"]" * depth + b"}"


_BODIES: tuple[Callable[[Fuzzer, bytes], bytes], ...] = (
    _flip, _flip, _flip, _cut, _noise, _deep,
    lambda fuzzer, body: body.replace(b'"', b'"\xff\xfe', 3),
    lambda fuzzer, body: body.decode().encode("utf-16"),
    lambda fuzzer, body: body[:-1] + b', "id": 1' + b"0" * fuzzer._random.choice((20, 5000)) + b"}",
)  # fmt: skip


# Changes of the frame around it.


def _header(fuzzer: Fuzzer, body: bytes) -> bytes:
    length = str(len(body)).encode()
    letters = string.ascii_letters.encode()
    return fuzzer._random.choice(
        (
            b"content-length: %s\r\n\r\n" % length,
            b"CONTENT-LENGTH:%s\r\n\r\n" % length,
            b"Content-Length: %s\n\n" % length,
            b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %s\r\n\r\n" % length,
            b"Content-Length: %s\r\nContent-Length: %s\r\n\r\n" % (length, length),
            b"X-%s: %s\r\nContent-Length: %s\r\n\r\n" % (letters, letters * 2000, length),
            b"Content-Length: -%s\r\n\r\n" % length,
            b"Content-Length: x\r\n\r\n",
            b"Content-Length: 0\r\n\r\n",
            b"Content-Length: %s\r\n\r\n" % (b"9" * 5000),
            b"Content-Type: x\r\n\r\n",
            b"\r\n\r\n",
        )
    )


_FRAMES: tuple[Callable[[Fuzzer, bytes], bytes], ...] = (
    lambda fuzzer, body: _header(fuzzer, body) + body + b"\r\n",
    lambda fuzzer, body: _header(fuzzer, body) + b"\r\n" * len(body),
    lambda fuzzer, body: body + b"\r\n\r\n",
    lambda fuzzer, body: b"Content-Length: %d\r\n\r\n%s\r\n" % (1 + fuzzer._below(len(body) - 1), body),
    lambda fuzzer, body: b"Content-Length: %d\r\n\r\n%s" % (len(body) + 20, body + b" " * 20),
    lambda fuzzer, body: fuzzer._random.randbytes(fuzzer._random.randrange(1, 200)) + b"\r\n",
)  # fmt: skip
