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
        (folder,) = client.execute("sprig.status")["folders"]
        if holds(folder):
            return folder
        time.sleep(0.05)
    raise AssertionError(folder)


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
