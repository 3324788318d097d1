"""What the editor is told where a language pack is missing."""

from __future__ import annotations

import time
from pathlib import Path

from tests.sites import PYTHON, environment_of, make_site

from .raw_client import RawClient

JAVA = "class Reader {\n  int readBytes(int n) { return n + 1; }\n}\n"


def test_a_missing_pack_is_named_once_and_its_language_is_found_by_words(tmp_path: Path):
    """In two folders, through a change, and beside a language whose pack is there."""
    environment = environment_of(make_site(tmp_path / "site", without=["java"]))
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        (folder / "Reader.java").write_text(JAVA)
        (folder / "text.py").write_text("def read_text(path):\n    return path.read_text()\n")
    client = RawClient(env=environment, command=[*PYTHON, "-m", "sprig_server", "serve"])
    try:
        client.initialize(
            workspaceFolders=[{"uri": folder.as_uri(), "name": folder.name} for folder in folders],
            capabilities={"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}}},
        )
        wait_until_complete(client, 2)
        (folders[0] / "Writer.java").write_text(JAVA.replace("Reader", "Writer").replace("readBytes", "writeBytes"))
        created = {"uri": (folders[0] / "Writer.java").as_uri(), "type": 1}
        client.notify("workspace/didChangeWatchedFiles", {"changes": [created]})
        assert name_found(client, "write bytes", wanted="Writer.writeBytes")
        assert name_found(client, "read bytes", wanted="Reader.readBytes")
        assert name_found(client, "read the text of a file", wanted="read_text")
        (shown,) = client.shown
        assert "no language pack for java is installed" in shown
        assert 'pip install "sprig-lsp[java]"' in shown
        status = client.execute("sprig.status")
        assert status["missingPacks"] == ["java"]
        assert {pack["name"] for pack in status["packs"]} == {
            "sprig-lsp-python",
            "sprig-lsp-javascript",
            "sprig-lsp-cpp",
            "sprig-lsp-summaries",
        }
        assert status["failures"] == []
        assert client.leave() == 0
    finally:
        client.kill()


def test_the_pack_of_summaries_is_named_once_too(tmp_path: Path):
    environment = environment_of(make_site(tmp_path / "site", without=["summaries"]))
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "text.py").write_text("def read_text(path):\n    return path.read_text()\n")
    client = RawClient(env=environment, command=[*PYTHON, "-m", "sprig_server", "serve"])
    try:
        client.initialize(workspaceFolders=[{"uri": (tmp_path / "one").as_uri(), "name": "one"}])
        wait_until_complete(client, 1)
        assert name_found(client, "read the text of a file", wanted="read_text")
        (shown,) = client.shown
        assert 'pip install "sprig-lsp[summaries]"' in shown
        assert client.execute("sprig.status")["missingPacks"] == ["summaries"]
        assert client.leave() == 0
    finally:
        client.kill()


def wait_until_complete(client: RawClient, count: int) -> None:
    for _ in range(300):
        folders = client.execute("sprig.status")["folders"]
        if len(folders) == count and all(folder["complete"] for folder in folders):
            return
        time.sleep(0.1)
    raise AssertionError(folders)


def name_found(client: RawClient, query: str, wanted: str) -> bool:
    """Whether a search finds it first, within some seconds."""
    for _ in range(100):
        hits = client.execute("sprig.search", {"query": query})["hits"]
        if hits and hits[0]["name"] == wanted:
            return True
        time.sleep(0.1)
    return False
