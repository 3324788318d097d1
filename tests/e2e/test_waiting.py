"""Nobody waits for what they did not ask for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import position
from .raw_client import RawClient

_WRITTEN = 24


@pytest.fixture
def client() -> Iterator[RawClient]:
    client = RawClient()
    yield client
    client.kill()


def open_text(client: RawClient, path: Path, text: str) -> str:
    item = {"uri": path.as_uri(), "languageId": "python", "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": item})
    return item["uri"]


def until(client: RawClient, holds: Any, seconds: float = 30) -> dict[str, Any]:
    """The status of the only folder, once it is as wanted."""
    for _ in range(int(seconds * 20)):
        folders = client.execute("sprig.status")["folders"]
        if folders and holds(folders[0]):
            return folders[0]
        time.sleep(0.05)
    raise AssertionError(folders)


def test_documentation_and_searches_do_not_wait_for_summaries(client: RawClient, tmp_path: Path):
    """Models that write take seconds to load; two dozen hovers that need one are asked for before all else."""
    (tmp_path / "known.py").write_text('def documented(a):\n    """Says what it does."""\n    return a\n')
    client.initialize(tmp_path.as_uri())
    until(client, lambda folder: folder["complete"])
    text = "".join(f"def sum_{n}(a, b):\n    c = a * {n} + b\n    return [c, a, b]\n\n" for n in range(_WRITTEN))
    text += "def calls():\n    return documented(1)\n"
    uri = open_text(client, tmp_path / "open.py", text)

    def hover(marker: str, offset: int) -> int:
        place = position(text, marker, offset)
        return client.request("textDocument/hover", {"textDocument": {"uri": uri}, "position": place})

    written = [hover(f"sum_{n}(", 1) for n in range(_WRITTEN)]
    documented = hover("documented(1)", 1)
    search = client.request("workspace/symbol", {"query": "says what it does"})
    answered = [client.receive() for _ in range(_WRITTEN + 2)]
    order = [reply["id"] for reply in answered]
    results = {reply["id"]: reply["result"] for reply in answered}
    assert "Says what it does" in results[documented]["contents"]["value"]
    assert results[search][0]["name"] == "documented"
    assert any(results[request] for request in written)
    assert max(order.index(documented), order.index(search)) < _WRITTEN // 2


def many_functions(folder: Path, files: int) -> None:
    """Whose vectors take some seconds."""
    for file in range(files):
        functions = (f"def step_{file}_{n}(a, b):\n    c = a * {n} + b\n    return [c, a]\n" for n in range(20))
        (folder / f"steps_{file}.py").write_text("\n".join(functions))


def found_within(client: RawClient, name: str, seconds: float) -> dict[str, Any]:
    """The answer to a search, once it begins with that function."""
    end = time.monotonic() + seconds
    while True:
        result = client.execute("sprig.search", {"query": name})
        if result["hits"] and result["hits"][0]["name"] == name:
            return result
        assert time.monotonic() < end, f"{name} is not found within {seconds} s: {result['message']}"
        time.sleep(0.05)


def test_what_changes_while_vectors_are_made_is_found_at_once(client: RawClient, tmp_path: Path):
    many_functions(tmp_path, 200)
    client.initialize(
        tmp_path.as_uri(), capabilities={"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}}}
    )
    until(client, lambda folder: folder["encoded"])
    known, new, typed = (tmp_path / name for name in ("steps_149.py", "new.py", "typed.py"))
    known.write_text("def stored_in_a_known_file(a):\n    return a\n")
    client.notify("textDocument/didSave", {"textDocument": {"uri": known.as_uri()}})
    assert not found_within(client, "stored_in_a_known_file", 2)["complete"]
    new.write_text("def stored_in_a_new_file(a):\n    return a\n")
    client.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": new.as_uri(), "type": 1}]})
    assert not found_within(client, "stored_in_a_new_file", 2)["complete"]
    uri = open_text(client, typed, "def opened_before(a):\n    return a\n")
    found_within(client, "opened_before", 2)
    text = "def typed_and_not_saved(a):\n    return a\n"
    changed = {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": text}]}
    client.notify("textDocument/didChange", changed)
    assert not found_within(client, "typed_and_not_saved", 2)["complete"]


def test_after_a_cancelled_indexing_what_changes_is_indexed_and_nothing_else(client: RawClient, tmp_path: Path):
    many_functions(tmp_path, 200)
    client.initialize(
        tmp_path.as_uri(),
        capabilities={
            "window": {"workDoneProgress": True},
            "workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}},
        },
    )
    until(client, lambda folder: folder["encoded"])
    client.notify("window/workDoneProgress/cancel", {"token": client.progress[0]["token"]})
    cancelled = until(client, lambda folder: not folder["indexing"])
    assert "cancelled (encoding: " in cancelled["message"]
    for path in (tmp_path / "steps_149.py", tmp_path / "new.py"):
        path.write_text(f"def stored_in_{path.stem}(a):\n    return a\n")
        client.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": path.as_uri(), "type": 2}]})
        assert not found_within(client, f"stored_in_{path.stem}", 5)["complete"]
    folder = until(client, lambda folder: not folder["indexing"])
    assert folder["message"] == cancelled["message"]
    assert cancelled["encoded"] < folder["encoded"] <= cancelled["encoded"] + 4  # two functions and their modules
