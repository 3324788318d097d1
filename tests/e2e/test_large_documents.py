"""Large and deep documents in a running server: they answer, and nobody waits for them. The limits are generous: they
catch seconds, not milliseconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from .raw_client import RawClient
from .test_raw_pipe import ask_hover, open_document, wait_until_indexed

OTHER = 'def other():\n    """Doc of other."""\n    return other()\n'
PLACE = {"line": 0, "character": 5}
FUNCTION = 'def f{}(x):\n    """Doc of {}."""\n    return g(x, [1, 2, 3], other=None)\n\n\n'

DEEP = {
    "1 MB": ("python", "".join(FUNCTION.format(n, n) for n in range(14_000))),
    "one line of 3 MB": ("javascript", "var f=function(a){return 1};" * 110_000),
    "nested functions": ("javascript", "".join(f"function f{n}() {{ " for n in range(3000)) + "}" * 3000),
    "opening brackets": ("python", "x = " + "[" * 100_000),
}


@pytest.fixture
def client() -> Iterator[RawClient]:
    client = RawClient()
    yield client
    client.kill()


def hover(client: RawClient, uri: str, place: dict[str, int] = PLACE) -> tuple[float, str | None]:
    """How long a hover took, in seconds, and what it shows."""
    began = time.perf_counter()
    result = client.wait(ask_hover(client, uri, place))["result"]
    return time.perf_counter() - began, result["contents"]["value"] if result else None


def wait_until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start_without_index(client: RawClient) -> None:
    client.initialize(initializationOptions={"index": False})
    open_document(client, "file:///other.py", OTHER)
    wait_until(lambda: hover(client, "file:///other.py")[1] is not None)


def edit(client: RawClient, uri: str, version: int, text: str) -> None:
    start = {"line": 0, "character": 0}
    changes = [{"range": {"start": start, "end": start}, "text": text}]
    document = {"uri": uri, "version": version}
    client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": changes})


@pytest.mark.parametrize("shape", DEEP)
def test_no_other_document_waits(client: RawClient, shape: str):
    language, text = DEEP[shape]
    start_without_index(client)
    open_document(client, "file:///large", text, language)
    for version in range(2, 5):
        cancelled = ask_hover(client, "file:///large", PLACE)
        client.notify("$/cancelRequest", {"id": cancelled})
        edit(client, "file:///large", version, " " if language == "javascript" else "\n")
    slowest = 0.0
    for _ in range(60):
        took, shown = hover(client, "file:///other.py")
        assert shown is not None
        slowest = max(slowest, took)
        time.sleep(0.02)
    assert slowest < 0.5
    assert client.leave() == 0


def test_a_large_document_is_answered_from_the_version_before_while_it_is_typed_in(client: RawClient):
    uri, text = "file:///large.py", DEEP["1 MB"][1]
    start_without_index(client)
    open_document(client, uri, text)
    wait_until(lambda: hover(client, uri)[1] is not None)
    assert sorted(hover(client, uri)[0] for _ in range(5))[2] < 0.2
    edit(client, uri, 2, "\n\n")
    took, shown = hover(client, uri, {"line": 5 * 7000 + 2, "character": 5})
    assert shown is not None
    assert "f7000" in shown
    assert took < 0.5
    result = client.wait(ask_hover(client, uri, {"line": 2, "character": 5}))["result"]
    assert result["range"] == {"start": {"line": 2, "character": 4}, "end": {"line": 2, "character": 6}}
    assert client.leave() == 0


def test_a_document_that_is_too_large_has_no_hovers_and_the_status_says_so(client: RawClient):
    start_without_index(client)
    open_document(client, "file:///huge.py", "x = 1\n" * 1_700_000)
    assert hover(client, "file:///huge.py")[1] is None
    took, _ = hover(client, "file:///huge.py")
    assert took < 0.5
    status = client.wait(client.request("workspace/executeCommand", {"command": "sprig.status", "arguments": []}))
    (document,) = status["result"]["documents"]
    assert document["uri"] == "file:///huge.py"
    assert "10200000 characters" in document["problem"]
    client.notify("textDocument/didClose", {"textDocument": {"uri": "file:///huge.py"}})
    status = client.wait(client.request("workspace/executeCommand", {"command": "sprig.status", "arguments": []}))
    assert status["result"]["documents"] == []
    assert client.leave() == 0


def test_closing_a_document_frees_it(client: RawClient):
    """Many large documents, one after another, take no more memory than a few."""
    start_without_index(client)
    process = psutil.Process(client.process.pid)
    used: list[int] = []
    for number in range(8):
        uri = f"file:///{number}.py"
        open_document(client, uri, DEEP["1 MB"][1][:500_000])
        wait_until(lambda uri=uri: hover(client, uri)[1] is not None)
        client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        used.append(process.memory_info().rss)
    assert used[-1] < used[2] + 15_000_000
    assert client.leave() == 0


def test_a_name_that_several_files_define_means_nothing_certain(client: RawClient, tmp_path: Path):
    (tmp_path / "one.py").write_text('def twice():\n    """One."""\n\n\ndef once():\n    """Once."""\n')
    (tmp_path / "two.py").write_text('def twice():\n    """Two."""\n')
    client.initialize(tmp_path.as_uri())
    wait_until_indexed(client)
    uri = (tmp_path / "main.py").as_uri()
    open_document(client, uri, "twice()\nonce()\n")
    assert hover(client, uri, {"line": 0, "character": 1})[1] is None
    shown = hover(client, uri, {"line": 1, "character": 1})[1]
    assert shown is not None
    assert "Once" in shown
    assert client.leave() == 0


def test_large_files_are_indexed_without_holding_anybody_up(client: RawClient, tmp_path: Path):
    (tmp_path / "large.py").write_text("x = [" + "1, " * 330_000 + "]\n")
    client.initialize(tmp_path.as_uri())
    open_document(client, "file:///other.py", OTHER)
    slowest = 0.0
    for _ in range(100):
        slowest = max(slowest, hover(client, "file:///other.py")[0])
        time.sleep(0.02)
    assert slowest < 0.5
