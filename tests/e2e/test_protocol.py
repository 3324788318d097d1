"""What a strict client is answered, whatever it sends: one server gets all of it, one after the other."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .raw_client import RawClient, frame

# Stands for what a user writes: nobody but the user may see it again.
SECRET = "s3cr3t"

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
TOO_EARLY = -32002

DOCUMENT = {"uri": f"file:///{SECRET}.py", "languageId": "python", "version": 1, "text": f"def {SECRET}(): pass\n"}
PLACE = {"textDocument": {"uri": DOCUMENT["uri"]}, "position": {"line": 0, "character": 5}}


@pytest.fixture(scope="module")
def client() -> Iterator[RawClient]:
    client = RawClient()
    client.initialize()
    yield client
    assert client.leave() == 0
    told = client.stderr.decode(errors="replace") + "".join(client.logged) + "".join(client.shown)
    assert SECRET not in told, "what a message holds is nobody's business"


def message(value: Any) -> bytes:
    return frame(json.dumps(value).encode())


def request(method: Any, params: Any = ..., identifier: Any = "x") -> bytes:
    body = {"jsonrpc": "2.0", "id": identifier, "method": method} | ({} if params is ... else {"params": params})
    return message(body)


def notification(method: Any, params: Any = ...) -> bytes:
    return message({"jsonrpc": "2.0", "method": method} | ({} if params is ... else {"params": params}))


def command(name: Any, *arguments: Any) -> bytes:
    return request("workspace/executeCommand", {"command": name, "arguments": list(arguments)})


def hover(**changed: Any) -> bytes:
    return request("textDocument/hover", PLACE | changed)


def check(client: RawClient, data: bytes, *expected: tuple[Any, int | None]) -> None:
    """These bytes are answered with these ids and error codes, and with nothing else."""
    answers = client.exchange(data, len(expected))
    assert [(answer["id"], answer.get("error", {}).get("code")) for answer in answers] == list(expected)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(frame(b'{"' + SECRET.encode()), PARSE_ERROR, id="broken JSON"),
        pytest.param(frame(b'{"a": "\xff"}'), PARSE_ERROR, id="not UTF-8"),
        pytest.param(frame(b""), PARSE_ERROR, id="empty"),
        pytest.param(frame(b"[" * 50_000), PARSE_ERROR, id="nested too deeply"),
        pytest.param(frame(b'{"jsonrpc": "2.0"}', 9), PARSE_ERROR, id="cut off"),
        pytest.param(message([]), INVALID_REQUEST, id="an empty batch"),
        pytest.param(message([{"jsonrpc": "2.0", "id": 1, "method": "shutdown"}]), INVALID_REQUEST, id="a batch"),
        pytest.param(message(3), INVALID_REQUEST, id="a number"),
        pytest.param(message(None), INVALID_REQUEST, id="null"),
        pytest.param(message(SECRET), INVALID_REQUEST, id="a text"),
        pytest.param(message({}), INVALID_REQUEST, id="an empty object"),
        pytest.param(message({"jsonrpc": "2.0"}), INVALID_REQUEST, id="neither request nor response"),
        pytest.param(message({"method": "shutdown"}), INVALID_REQUEST, id="no version"),
        pytest.param(message({"jsonrpc": "1.0", "method": "shutdown"}), INVALID_REQUEST, id="another version"),
        pytest.param(notification(5), INVALID_REQUEST, id="a method that is a number"),
        pytest.param(request("shutdown", None, None), INVALID_REQUEST, id="the id null"),
        pytest.param(request("shutdown", None, 1.5), INVALID_REQUEST, id="the id a fraction"),
        pytest.param(request("shutdown", None, True), INVALID_REQUEST, id="the id a boolean"),
        pytest.param(request("shutdown", None, [SECRET]), INVALID_REQUEST, id="the id a list"),
    ],
)
def test_what_is_no_request_is_refused_with_a_null_id(client: RawClient, data: bytes, code: int):
    check(client, data, (None, code))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(message({"id": "x", "method": "shutdown"}), INVALID_REQUEST, id="no version"),
        pytest.param(message({"jsonrpc": "2.0", "id": "x"}), INVALID_REQUEST, id="no method"),
        pytest.param(message({"jsonrpc": "2.0", "id": "x", "method": None}), INVALID_REQUEST, id="a method null"),
        pytest.param(
            request("initialize", {"processId": None, "rootUri": None, "capabilities": {}}),
            INVALID_REQUEST,
            id="initialize again",
        ),
        pytest.param(request("sprig/nothing"), NO_METHOD, id="no such method"),
        pytest.param(request("sprig/nothing", {"a": SECRET}), NO_METHOD, id="no such method, with parameters"),
        pytest.param(request("sprig/nothing", [SECRET]), NO_METHOD, id="no such method, with a list"),
        pytest.param(
            request("textDocument/didClose", {"textDocument": {"uri": "file:///a.py"}}), NO_METHOD, id="a notification"
        ),
        pytest.param(request("textDocument/definition", PLACE), NO_METHOD, id="a method that Sprig does not have"),
        pytest.param(request("$/nothing", {}), NO_METHOD, id="an optional request"),
        pytest.param(request(""), NO_METHOD, id="an empty method"),
        pytest.param(request("textDocument/hover"), INVALID_PARAMS, id="no parameters"),
        pytest.param(request("textDocument/hover", None), INVALID_PARAMS, id="parameters null"),
        pytest.param(request("textDocument/hover", SECRET), INVALID_PARAMS, id="parameters a text"),
        pytest.param(request("textDocument/hover", [PLACE]), INVALID_PARAMS, id="parameters a list"),
        pytest.param(hover(position={"line": SECRET, "character": 0}), INVALID_PARAMS, id="a line that is a text"),
        pytest.param(hover(position={"line": "1", "character": 0}), INVALID_PARAMS, id="a line in quotes"),
        pytest.param(hover(position={"line": -1, "character": 0}), INVALID_PARAMS, id="a negative line"),
        pytest.param(hover(position={"line": 1.5, "character": 0}), INVALID_PARAMS, id="half a line"),
        pytest.param(hover(position={"line": 1e300, "character": 0}), INVALID_PARAMS, id="an endless line"),
        pytest.param(hover(position={"line": True, "character": 0}), INVALID_PARAMS, id="a line that is true"),
        pytest.param(hover(position={}), INVALID_PARAMS, id="an empty position"),
        pytest.param(hover(textDocument={"uri": 3}), INVALID_PARAMS, id="a URI that is a number"),
        pytest.param(hover(textDocument=SECRET), INVALID_PARAMS, id="a document that is a text"),
        pytest.param(request("workspace/symbol", {"query": None}), INVALID_PARAMS, id="a query null"),
        pytest.param(request("workspace/symbol", {"query": [SECRET]}), INVALID_PARAMS, id="a query that is a list"),
        pytest.param(command(SECRET), INVALID_PARAMS, id="no such command"),
        pytest.param(command(["sprig.search"]), INVALID_PARAMS, id="a command that is a list"),
        pytest.param(command("sprig.search"), INVALID_PARAMS, id="no argument"),
        pytest.param(
            request("workspace/executeCommand", {"command": "sprig.search"}), INVALID_PARAMS, id="no arguments"
        ),
        pytest.param(command("sprig.search", {"query": "a"}, {"query": "b"}), INVALID_PARAMS, id="two arguments"),
        pytest.param(command("sprig.search", SECRET), INVALID_PARAMS, id="an argument that is a text"),
        pytest.param(command("sprig.search", {"query": None}), INVALID_PARAMS, id="a query null to the command"),
        pytest.param(command("sprig.search", {"query": {"a": SECRET}}), INVALID_PARAMS, id="a query that is an object"),
        pytest.param(
            command("sprig.search", {"query": "a", "limit": "many"}), INVALID_PARAMS, id="a limit that is a text"
        ),
        pytest.param(command("sprig.search", {"query": "a", "limit": True}), INVALID_PARAMS, id="a limit that is true"),
        pytest.param(
            command("sprig.search", {"query": "a", "language": 3}), INVALID_PARAMS, id="a language that is a number"
        ),
        pytest.param(command("sprig.status", {}), INVALID_PARAMS, id="an argument to sprig.status"),
        pytest.param(command("sprig.trim", {"textDocument": {"uri": "x"}}), INVALID_PARAMS, id="half an argument"),
        pytest.param(hover(position={"line": 1.0, "character": 0.0}), None, id="whole numbers written as fractions"),
        pytest.param(hover(), None, id="a document that is not open"),
        pytest.param(hover(textDocument={"uri": SECRET}), None, id="a document that has no URI"),
        pytest.param(hover(textDocument={"uri": "file://[" + SECRET}), None, id="a URI that is none"),
        pytest.param(hover(textDocument={"uri": "file:///a%00b.py"}), None, id="a URI with a null byte"),
        pytest.param(hover(textDocument={"uri": "file:///dev/zero"}), None, id="a URI of what has no end"),
        pytest.param(hover(textDocument={"uri": "git:/etc/passwd.py?x"}), None, id="a URI of another scheme"),
        pytest.param(request("workspace/symbol", {"query": ""}), None, id="an empty query"),
        pytest.param(request("workspace/symbol", {"query": "a\ud800b"}), None, id="a query with a lone surrogate"),
        pytest.param(command("sprig.search", {"query": "\udc00", "unknown": 1}), None, id="more keys than are known"),
        pytest.param(command("sprig.status"), None, id="a command without arguments"),
        pytest.param(request("workspace/executeCommand", {"command": "sprig.status"}), None, id="arguments left out"),
        pytest.param(
            request("workspace/executeCommand", {"command": "sprig.status", "arguments": None}),
            None,
            id="arguments null",
        ),
    ],
)
def test_a_request_is_answered_under_its_id(client: RawClient, data: bytes, code: int | None):
    check(client, data, ("x", code))


@pytest.mark.parametrize("identifier", [0, -1, 2**40, "", "7", SECRET, "\U0001f600"])
def test_an_id_comes_back_as_it_was(client: RawClient, identifier: int | str):
    check(client, request("workspace/symbol", {"query": ""}, identifier), (identifier, None))


def test_two_requests_of_one_id_are_both_answered(client: RawClient):
    check(client, command("sprig.status") * 2 + hover(), *[("x", None)] * 3)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(notification("sprig/nothing", {"a": SECRET}), id="no such notification"),
        pytest.param(notification("workspace/symbol", {"query": SECRET}), id="a request without an id"),
        pytest.param(notification("$/nothing", {"a": SECRET}), id="an optional one"),
        pytest.param(notification("$/nothing"), id="an optional one without parameters"),
        pytest.param(notification("$/cancelRequest"), id="cancel nothing"),
        pytest.param(notification("$/cancelRequest", {"id": SECRET}), id="cancel what was never asked"),
        pytest.param(notification("$/cancelRequest", {"id": None}), id="cancel null"),
        pytest.param(notification("$/setTrace", {"value": SECRET}), id="a trace that is none"),
        pytest.param(notification("textDocument/didOpen"), id="open nothing"),
        pytest.param(notification("textDocument/didOpen", {"textDocument": {"text": SECRET}}), id="open half"),
        pytest.param(notification("textDocument/didOpen", {"textDocument": DOCUMENT | {"text": None}}), id="open null"),
        pytest.param(
            notification("textDocument/didOpen", {"textDocument": DOCUMENT | {"uri": "file://[x"}}), id="open no URI"
        ),
        pytest.param(
            notification(
                "textDocument/didChange",
                {"textDocument": {"uri": "file:///x.py", "version": 2}, "contentChanges": [{"text": SECRET}]},
            ),
            id="change what is not open",
        ),
        pytest.param(
            notification("textDocument/didChange", {"textDocument": {"uri": "file:///x.py"}}), id="change nothing"
        ),
        pytest.param(
            notification("textDocument/didClose", {"textDocument": {"uri": "file:///x.py"}}),
            id="close what is not open",
        ),
        pytest.param(
            notification("textDocument/didSave", {"textDocument": {"uri": SECRET}}), id="save what is not open"
        ),
        pytest.param(
            notification("workspace/didChangeWatchedFiles", {"changes": [{"uri": "file:///x", "type": 9}]}),
            id="a change that is none",
        ),
        pytest.param(notification("workspace/didChangeConfiguration"), id="no settings"),
        pytest.param(notification("workspace/didChangeConfiguration", {"settings": None}), id="settings null"),
        pytest.param(
            notification("workspace/didChangeConfiguration", {"settings": {"python": {"a": SECRET}}}),
            id="settings of others",
        ),
        pytest.param(
            notification("workspace/didChangeWorkspaceFolders", {"event": {"added": None, "removed": None}}),
            id="folders null",
        ),
        pytest.param(
            notification(
                "workspace/didChangeWorkspaceFolders",
                {
                    "event": {
                        "added": [{"uri": "vscode-vfs://x/y", "name": ""}],
                        "removed": [{"uri": SECRET, "name": ""}],
                    }
                },
            ),
            id="folders elsewhere",
        ),
        pytest.param(notification("window/workDoneProgress/cancel", {"token": SECRET}), id="cancel no progress"),
        pytest.param(notification("initialized", {}), id="initialized again"),
        pytest.param(message({"jsonrpc": "2.0", "id": 99, "result": SECRET}), id="a response to nothing"),
        pytest.param(
            message({"jsonrpc": "2.0", "id": SECRET, "error": {"code": 1, "message": SECRET}}), id="an error to nothing"
        ),
        pytest.param(
            message({"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": SECRET}}), id="an error to null"
        ),
        pytest.param(b"CONTENT-LENGTH: 2\r\n\r\n", id="a header in upper case, and too long"),
        pytest.param(frame(b"", -5), id="a negative length"),
        pytest.param(frame(b"", 2**31), id="2 GB"),
        pytest.param(b"Content-Type: x\r\n\r\n" + SECRET.encode(), id="a header without a length"),
        pytest.param(SECRET.encode() * 10_000, id="no header"),
    ],
)
def test_what_is_not_asked_is_not_answered(client: RawClient, data: bytes):
    refusals = [(None, PARSE_ERROR)] if data.startswith(b"CONTENT") else []
    check(client, data, *refusals)


def test_requests_before_initialize_and_after_shutdown_are_refused():
    client = RawClient()
    try:
        early = hover() + notification("textDocument/didOpen", {"textDocument": DOCUMENT})
        check(client, early, ("x", TOO_EARLY))
        broken = request("initialize", {"processId": SECRET, "rootUri": None, "capabilities": {}})
        check(client, broken + request("shutdown"), ("x", INVALID_PARAMS), ("x", TOO_EARLY))
        client.initialize()
        client.wait(client.request("shutdown", None))
        again = request("shutdown") + request("initialize", {}) + notification("initialized", {})
        check(client, again, *[("x", INVALID_REQUEST)] * 2)
        client.send({"method": "exit"})
        assert client.exit_code() == 0
    finally:
        client.kill()


@pytest.mark.parametrize(
    "parameters",
    [
        {"workspaceFolders": None},
        {"workspaceFolders": []},
        {"workspaceFolders": [{"uri": "file://[x", "name": "x"}, {"uri": "untitled:x", "name": "x"}]},
        {"rootUri": "file://[x"},
        {"rootUri": "vscode-vfs://github/x"},
        {"rootUri": "file:///c%3A/Users/x"},
        {"rootPath": None, "rootUri": None},
        {"initializationOptions": None},
        {"initializationOptions": [1]},
        {"initializationOptions": {"sprig": {"limit": 7}}},
        {"processId": None, "capabilities": {"workspace": None, "window": None, "general": None}},
        {"capabilities": {"general": {"positionEncodings": ["utf-7", "utf-8"]}}},
    ],
)
def test_whatever_initialize_says_the_server_works(parameters: dict[str, Any]):
    client = RawClient()
    try:
        client.initialize(**parameters)
        assert client.execute("sprig.status")["folders"] == []
        assert client.leave() == 0
    finally:
        client.kill()


@pytest.mark.parametrize("name", ["a folder with blanks", "ünï", "100% (really) +1", "#1;2"])
def test_a_root_is_found_under_its_uri_and_its_path(tmp_path: Path, name: str):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "a.py").write_text("def alpha_beta():\n    return 1\n")
    for root in ({"rootUri": folder.as_uri()}, {"rootPath": str(folder)}):
        client = RawClient()
        try:
            client.initialize(**root)
            (found,) = client.execute("sprig.status")["folders"]
            assert "error" not in found
            assert client.leave() == 0
        finally:
            client.kill()


@pytest.mark.parametrize("wrong", ["x" * 100_000, [5] * 100_000], ids=["a long text", "a long list"])
def test_a_hundred_thousand_wrong_values_hold_up_nobody(client: RawClient, wrong: Any):
    data = notification("workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": wrong}})
    started = time.perf_counter()
    check(client, data + request("workspace/symbol", {"query": ""}), ("x", None))
    assert time.perf_counter() - started < 2


def open_text(client: RawClient, uri: str, language: str, text: str) -> None:
    document = {"uri": uri, "languageId": language, "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": document})


def hover_in(client: RawClient, uri: str, line: int, character: int) -> str:
    """What a hover says; "" where there is none."""
    asked = {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}
    found = client.wait(client.request("textDocument/hover", asked))["result"]
    return found["contents"]["value"] if found else ""


JSX = "/** Doubles it. */\nfunction twice(n) {\n  return <b>{n * 2}</b>;\n}\n"
TSX = "/** Doubles it. */\nfunction twice(n: number) {\n  return <b>{n * 2}</b>;\n}\n"


@pytest.mark.parametrize(
    ("name", "language", "text"),
    [
        *(("app.jsx", name, JSX) for name in ("javascript.jsx", "jsx", "js", "JavaScriptReact", "", "no-such")),
        *(("app.tsx", name, TSX) for name in ("typescript", "typescript.tsx", "tsx", "typescriptreact", "no-such")),
        ("noextension", "javascriptreact", JSX),
        ("app.py", "javascriptreact", JSX),
        ("app.hh", "cxx", "/** Doubles it. */\nint twice(int n) { return n * 2; }\n"),
        ("app.cu", "cuda-cpp", "/** Doubles it. */\nint twice(int n) { return n * 2; }\n"),
        ("app.h", "objective-c", "/** Doubles it. */\nint twice(int n) { return n * 2; }\n"),
    ],
)
def test_a_known_identifier_wins_and_another_leaves_the_language_to_the_extension(
    client: RawClient, name: str, language: str, text: str
):
    uri = f"file:///languages/{language}/{name}"
    open_text(client, uri, language, text)
    assert "Doubles it" in hover_in(client, uri, 1, 10 if "function" in text else 5)


@pytest.mark.parametrize(
    "uri",
    [
        "untitled:Untitled-1",
        "vscode-vfs://github/a/b/app.py",
        "git:/a/app.py?%7B%22ref%22%3A%22~%22%7D",
        "file:///c%3A/Users/me/app.py",
        "file:///with%20blank/%C3%BC%23%25.py",
    ],
)
def test_a_document_is_one_whatever_its_uri_is(client: RawClient, uri: str):
    open_text(client, uri, "python", 'def first(a):\n    """Says \\ud800."""\n\nfirst(1)\n')
    assert "def first" in hover_in(client, uri, 3, 2)
    client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    assert hover_in(client, uri, 3, 2) == ""


def test_a_text_with_lone_surrogates_is_a_text(client: RawClient):
    text = 'x = "\ud800\udc00\ud800"; # \udfff\n\ndef first(a):\n    """Says \ud800."""\n    return a\n'
    open_text(client, "file:///odd.py", "python", text)
    assert "Says \ufffd" in hover_in(client, "file:///odd.py", 2, 5)


def test_edits_that_make_no_sense_leave_the_document_right(client: RawClient):
    uri, text = "file:///edited.py", 'def first(a):\n    """Doc of first."""\n'

    def edit(version: int, *changes: Any) -> None:
        identifier = {"uri": uri, "version": version}
        client.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": list(changes)})

    def insertion(line: int, character: int, text: str, end: tuple[int, int] | None = None) -> dict[str, Any]:
        last = end or (line, character)
        places = {"line": line, "character": character}, {"line": last[0], "character": last[1]}
        return {"range": {"start": places[0], "end": places[1]}, "text": text}

    edit(1, insertion(0, 0, "lost"))  # before it is open
    open_text(client, uri, "python", text)
    edit(9, insertion(900, 7, "# behind the end\n"))
    edit(3, insertion(0, 9000, "  # behind the line"))  # an older version
    edit(4, insertion(0, 4, "the_", end=(0, 0)))  # the end before the start
    edit(5)
    found = hover_in(client, uri, 0, 6)
    assert "def the_first(a)" in found
    assert "Doc of first" in found
    edit(6, {"text": text.replace("first", "second")})
    assert "def second" in hover_in(client, uri, 0, 6)
    for _ in range(2):
        client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    edit(7, insertion(0, 0, "lost"))
    assert hover_in(client, uri, 0, 6) == ""
