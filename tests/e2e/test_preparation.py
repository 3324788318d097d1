"""While the client asks nothing, the sentences of open documents are written, so that a hover finds them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .conftest import SHAPES, position
from .raw_client import RawClient

UNDOCUMENTED = 4  # functions in SHAPES


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    clients: list[RawClient] = []

    def started(**hover: Any) -> RawClient:
        project = tmp_path / "project"
        project.mkdir()
        (project / "shapes.py").write_text(SHAPES)
        client = RawClient(env={"SPRIG_CACHE_DIR": str(tmp_path / "cache")})
        clients.append(client)
        client.initialize(project.as_uri(), initializationOptions={"threads": 1, "hover": hover})
        document = {"uri": (project / "shapes.py").as_uri(), "languageId": "python", "version": 1, "text": SHAPES}
        client.notify("textDocument/didOpen", {"textDocument": document})
        return client

    yield started
    for client in clients:
        client.kill()


def kept(cache: Path) -> int:
    """The number of sentences in the index; the server is asked nothing."""
    found = list(cache.rglob("*.sqlite3"))
    if not found:
        return 0
    with closing(sqlite3.connect(f"file:{found[0]}?mode=ro", uri=True)) as database:
        try:
            return int(database.execute("SELECT count(*) FROM summaries").fetchone()[0])
        except sqlite3.OperationalError:  # the tables are not there yet
            return 0


def test_sentences_are_written_in_idle_time_and_found_by_hovers(start: Any, tmp_path: Path):
    client = start(generate="always")
    deadline = time.monotonic() + 90
    while kept(tmp_path / "cache") < UNDOCUMENTED:
        assert time.monotonic() < deadline, "the sentences were never written"
        time.sleep(0.2)
    uri = (tmp_path / "project" / "shapes.py").as_uri()
    asked = {"textDocument": {"uri": uri}, "position": position(SHAPES, "def total", 5)}
    found = client.wait(client.request("textDocument/hover", asked))["result"]
    assert "total" in found["contents"]["value"]
    assert kept(tmp_path / "cache") == UNDOCUMENTED


def test_nothing_is_prepared_where_nothing_is_generated(start: Any, tmp_path: Path):
    start(generate="never")
    time.sleep(8)
    assert kept(tmp_path / "cache") == 0


def test_a_client_that_says_nothing_after_a_wrong_beginning_is_told_nothing(tmp_path: Path):
    client = RawClient(env={"SPRIG_CACHE_DIR": str(tmp_path / "cache")})
    try:
        assert client.wait(client.request("textDocument/hover", {}))["error"]["code"] == -32002
        time.sleep(5)
        client.initialize(tmp_path.as_uri())
        assert client.execute("sprig.status")["failures"] == []
        assert client.shown == []
    finally:
        client.kill()
