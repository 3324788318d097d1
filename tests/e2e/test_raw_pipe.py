"""What only a strict client sees: framing, purity of stdout, exit codes, no lost replies."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import SHAPES, position
from .raw_client import COMMAND, RawClient


@pytest.fixture
def start() -> Iterator[Callable[..., RawClient]]:
    clients: list[RawClient] = []

    def make(*arguments: str, **options: dict[str, str]) -> RawClient:
        clients.append(RawClient(*arguments, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.kill()


def open_document(client: RawClient, uri: str, text: str, language: str = "python") -> None:
    document = {"uri": uri, "languageId": language, "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": document})


def ask_hover(client: RawClient, uri: str, place: dict[str, int]) -> int:
    return client.request("textDocument/hover", {"textDocument": {"uri": uri}, "position": place})


def wait_until_indexed(client: RawClient) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        reply = client.wait(client.request("workspace/executeCommand", {"command": "sprig.status", "arguments": []}))
        folders = reply["result"]["folders"]
        if folders and all(not f["indexing"] and f["encoded"] == f["definitions"] > 0 for f in folders):
            return
        time.sleep(0.1)
    raise AssertionError("the workspace was not indexed in time")


def test_it_leaves_with_0_after_shutdown_and_exit(start):
    client = start("--stdio")
    client.initialize()
    assert client.leave() == 0


def test_it_leaves_with_1_without_shutdown(start):
    client = start()
    client.initialize()
    client.send({"method": "exit"})
    assert client.exit_code() == 1


def test_it_leaves_when_its_input_ends(start):
    client = start()
    client.initialize()
    client.process.stdin.close()
    assert client.exit_code() == 1


def test_it_leaves_quickly_and_quietly_with_work_in_flight(start, project: Path):
    client = start()
    uri = (project / "shapes.py").as_uri()
    client.initialize(project.as_uri())
    open_document(client, uri, SHAPES)
    for _ in range(3):
        ask_hover(client, uri, position(SHAPES, "clamp_number"))
    began = time.monotonic()
    assert client.leave() == 0
    assert time.monotonic() - began < 5
    assert b"Traceback" not in client.stderr


def test_what_others_write_to_stdout_lands_on_stderr(start, tmp_path: Path):
    noise = tmp_path / "sitecustomize.py"
    noise.write_text(
        "import atexit, os, sys\n"
        "def shout():\n"
        "    import sprig_server.stdio as stdio\n"
        "    claim = stdio.claim_stdout\n"
        "    def noisy():\n"
        "        stream = claim()\n"
        "        print('a stray print', flush=True)\n"
        "        os.write(1, b'a native line\\n')\n"
        "        return stream\n"
        "    stdio.claim_stdout = noisy\n"
        "shout()\n"
    )
    client = start(env={"PYTHONPATH": str(tmp_path)})
    client.initialize()
    assert client.leave() == 0
    assert b"a stray print" in client.stderr
    assert b"a native line" in client.stderr


def test_every_request_of_a_burst_is_answered(start, project: Path):
    client = start()
    uri = (project / "shapes.py").as_uri()
    client.initialize(project.as_uri())
    open_document(client, uri, SHAPES)
    for asked in [ask_hover(client, uri, {"line": line, "character": 5}) for line in range(30)]:
        client.wait(asked, timeout=60)
    assert client.leave() == 0


def test_a_cancelled_request_is_answered_as_cancelled(start, project: Path):
    client = start()
    uri = (project / "shapes.py").as_uri()
    client.initialize(project.as_uri(), initializationOptions={"index": False})
    open_document(client, uri, SHAPES)
    wanted = ask_hover(client, uri, position(SHAPES, "clamp_number"))
    client.notify("$/cancelRequest", {"id": wanted})
    assert client.wait(wanted)["error"]["code"] == -32800
    assert client.leave() == 0


PLACE = {"textDocument": {"uri": "file:///shapes.py"}, "position": position(SHAPES, "if value < low")}


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("sprig.search", [{"query": "  "}], 'the query "" is empty'),
        ("sprig.search", [{"query": "x", "limit": 0}], "the limit 0 is out of range"),
        ("sprig.search", [{"query": "x", "language": "cobol"}], 'unknown language "cobol"'),
        ("sprig.search", [], ""),
        ("sprig.trim", [{**PLACE, "task": "play"}], 'unknown task "play": give one of search, summarize'),
        ("sprig.trim", [{**PLACE, "method": "magic"}], 'unknown method "magic": give one of none, '),
        ("sprig.trim", [{**PLACE, "method": "tail", "ratio": 1.0}], "the ratio 1 is not a share of tokens"),
        ("sprig.trim", [{"position": {"line": 0, "character": 0}}], ""),
    ],
)
def test_bad_arguments_are_invalid_params(start, project: Path, command, arguments, says):
    client = start()
    client.initialize(project.as_uri())
    wait_until_indexed(client)
    open_document(client, PLACE["textDocument"]["uri"], SHAPES)
    reply = client.wait(client.request("workspace/executeCommand", {"command": command, "arguments": arguments}))
    assert reply["error"]["code"] == -32602
    assert says in reply["error"]["message"]
    assert client.leave() == 0


def test_edits_around_separators_that_are_no_line_ends_keep_the_buffer_right(start, project: Path):
    """A form feed, a lone carriage return and an astral character above an edit must not shift it."""
    text = 'x = "\f\u2028😀"\r\n\rdef first_thing(a):\n    """Doc of first."""\n    return a\n'
    uri = (project / "odd.py").as_uri()
    client = start()
    client.initialize(project.as_uri(), initializationOptions={"index": False})
    open_document(client, uri, text)
    change = {
        "range": {"start": {"line": 2, "character": 4}, "end": {"line": 2, "character": 15}},
        "text": "second_thing",
    }
    client.notify("textDocument/didChange", {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [change]})
    reply = client.wait(ask_hover(client, uri, {"line": 2, "character": 6}))
    assert "second_thing(a)" in reply["result"]["contents"]["value"]
    assert reply["result"]["range"] == {
        "start": {"line": 2, "character": 4},
        "end": {"line": 2, "character": 16},
    }
    assert client.leave() == 0


def test_requests_before_initialize_are_refused(start):
    client = start()
    reply = client.wait(client.request("workspace/symbol", {"query": "x"}))
    assert reply["error"]["code"] == -32002
    client.initialize()
    assert client.leave() == 0


def test_settings_that_cannot_be_used_are_named_in_one_message(start):
    client = start()
    client.initialize(initializationOptions={"threads": "many", "limits": 3, "hover": {"enabled": False}})
    client.execute("sprig.status")
    (shown,) = client.shown
    assert 'sprig.threads is "many", not a whole number from 0 to 1024' in shown
    assert "there is no setting sprig.limits (limit?)" in shown
    assert client.leave() == 0


def test_a_request_with_unreadable_parameters_is_answered(start):
    client = start()
    client.initialize()
    reply = client.wait(client.request("textDocument/hover", {"textDocument": 3}))
    assert reply["error"]["code"] == -32602
    assert client.leave() == 0


def test_a_request_after_shutdown_is_refused(start):
    client = start()
    client.initialize()
    client.wait(client.request("shutdown", None))
    assert client.wait(client.request("workspace/symbol", {"query": "x"}))["error"]["code"] == -32600
    client.send({"method": "exit"})
    assert client.exit_code() == 0


def test_it_listens_on_a_port_for_debugging():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([*COMMAND, "--tcp", str(port)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                connection = socket.create_connection(("127.0.0.1", port), timeout=10)
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        with connection, connection.makefile("rwb") as stream:
            params = {"processId": None, "rootUri": None, "capabilities": {}}
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).encode()
            stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            stream.flush()
            length = int(stream.readline().split(b":")[1])
            while stream.readline() != b"\r\n":
                pass
            assert b'"serverInfo"' in stream.read(length)
    finally:
        process.kill()
        process.wait()
