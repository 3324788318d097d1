"""Workspace folders and documents as clients really name them, over a raw pipe with a client that can do the least."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sprig_server.code.functions import parse_functions

from .raw_client import RawClient

READ = 'def read_settings(path):\n    """Read the settings from a file."""\n    return path\n'


@pytest.fixture
def client() -> Iterator[RawClient]:
    made = RawClient()
    yield made
    made.kill()


def execute(client: RawClient, command: str, **argument: Any) -> Any:
    arguments = [argument] if argument else []
    reply = client.wait(client.request("workspace/executeCommand", {"command": command, "arguments": arguments}))
    return reply["result"]


def found(client: RawClient, query: str) -> dict[str, list[str]]:
    """The URIs of the hits of a search by name."""
    uris: dict[str, list[str]] = {}
    for hit in execute(client, "sprig.search", query=query)["hits"]:
        uris.setdefault(hit["name"], []).append(hit["location"]["uri"])
    return uris


def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


def open_folders(client: RawClient, *uris: str) -> None:
    folders = [{"uri": uri, "name": uri.rpartition("/")[2]} for uri in uris]
    client.initialize(uris[0], workspaceFolders=folders)
    until(lambda: bool(idle(client)))


def idle(client: RawClient) -> bool:
    folders = execute(client, "sprig.status")["folders"]
    return bool(folders) and all(not f["indexing"] and f["definitions"] > 0 for f in folders)


def open_document(client: RawClient, uri: str, language: str, text: str) -> None:
    item = {"uri": uri, "languageId": language, "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": item})


def hover(client: RawClient, uri: str, line: int, character: int) -> str:
    params = {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}
    result = client.wait(client.request("textDocument/hover", params))["result"]
    return result["contents"]["value"] if result else ""


def test_locations_lie_under_the_folder_that_the_client_named(client: RawClient, tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a b.py").write_text(READ)
    (tmp_path / "link").symlink_to("real")
    open_folders(client, (tmp_path / "link").as_uri())
    expected = (tmp_path / "link").as_uri() + "/a%20b.py"
    assert found(client, "read settings")["read_settings"] == [expected]
    symbols = client.wait(client.request("workspace/symbol", {"query": "read settings"}))["result"]
    assert {symbol["location"]["uri"] for symbol in symbols} == {expected}
    for folder in ("link", "real"):
        uri = (tmp_path / folder / "a b.py").as_uri()
        open_document(client, uri, "python", READ.replace("read_settings", f"through_{folder}"))
        until(lambda folder=folder: found(client, f"through {folder}").get(f"through_{folder}") == [expected])
        client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        until(lambda: "read_settings" in found(client, "read settings"))


def test_folders_within_each_other_give_one_hit_each(client: RawClient, tmp_path: Path):
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "a.py").write_text(READ)
    (tmp_path / "again").symlink_to("outer")
    folders = [(tmp_path / name).as_uri() for name in ("outer", "outer/inner", "again")]
    open_folders(client, *folders)
    assert len(found(client, "read settings")["read_settings"]) == 1
    uri = (inner / "a.py").as_uri()
    open_document(client, uri, "python", READ.replace("read_settings", "write_settings"))
    until(lambda: "read_settings" not in found(client, "read settings") and idle(client))
    assert len(found(client, "write settings")["write_settings"]) == 1


def test_a_document_that_was_never_saved_is_explained_and_found(client: RawClient, tmp_path: Path):
    (tmp_path / "a.py").write_text("def other():\n    return 1\n")
    open_folders(client, tmp_path.as_uri())
    open_document(client, "untitled:Untitled-1", "python", READ)
    assert "Read the settings" in hover(client, "untitled:Untitled-1", 0, 6)
    open_document(client, (tmp_path / "new" / "draft.ts").as_uri(), "typescript", "function draft() { return 1; }\n")
    until(lambda: "draft" in found(client, "draft"))
    assert "read_settings" not in found(client, "read settings"), "it has no place in the workspace"


UNFINISHED = {
    "reader.py": (
        "class Reader:\n    def first(self, path):\n        with open(path) as file:\n            return list(file)\n"
        '\n    @staticmethod\n    def lost_size():\n        """Says how large."""\n        return 1\n',
        ("path):\n   ", "path):\n   x(y, "),
    ),
    "Reader.java": (
        "class Reader {\n  int first(int a) { return a; }\n\n  /** Says how large. */\n"
        "  static int lost_size() { return 1; }\n}\n",
        ("return a", "{return a"),
    ),
}


@pytest.mark.parametrize("name", UNFINISHED)
def test_a_function_that_the_parser_loses_while_another_is_typed_is_found_and_explained(
    client: RawClient, tmp_path: Path, name: str
):
    text, typed = UNFINISHED[name]
    language = {".py": "python", ".java": "java"}[Path(name).suffix]
    assert "lost_size" not in {f.name for f in parse_functions(text.replace(*typed), language)}
    (tmp_path / name).write_text(text)
    open_folders(client, tmp_path.as_uri())
    uri = (tmp_path / name).as_uri()
    open_document(client, uri, language, "\n\n" + text)
    caller = (tmp_path / f"Caller{Path(name).suffix}").as_uri()
    call = (
        "from reader import Reader\nx = Reader.lost_size()\n"
        if language == "python"
        else "class B { int b() {\n    Reader.lost_size(); } }\n"
    )
    open_document(client, caller, language, call)
    change = {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": "\n\n" + text.replace(*typed)}]}
    client.notify("textDocument/didChange", change)
    for saved in (False, True):
        time.sleep(1)
        until(lambda: idle(client))
        assert found(client, "lost size")["Reader.lost_size"] == [uri]
        symbols = client.wait(client.request("workspace/symbol", {"query": "lost_size"}))["result"]
        line = text[: text.index("lost_size")].count("\n") + 2
        assert [s["location"]["range"]["start"]["line"] for s in symbols if "lost_size" in s["name"]] == [line]
        own = text.splitlines()[line - 2].index("lost_size") + 1
        assert "Says how large" in hover(client, uri, line, own)
        assert "Says how large" in hover(client, caller, 1, 13)
        if not saved:
            (tmp_path / name).write_text("\n\n" + text.replace(*typed))
            client.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
    client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    time.sleep(1)
    assert "Reader.lost_size" in found(client, "lost size")


def test_another_version_of_a_file_does_not_stand_for_it(client: RawClient, tmp_path: Path):
    """Editors show what a file was like in a document of another scheme with the same path."""
    (tmp_path / "a.py").write_text(READ)
    open_folders(client, tmp_path.as_uri())
    open_document(client, (tmp_path / "a.py").as_uri().replace("file:", "git:"), "python", "def old():\n    return 0\n")
    time.sleep(1)
    assert "old" not in found(client, "old")
    assert "read_settings" in found(client, "read settings")


def test_a_client_that_cannot_watch_files_sees_what_changes(client: RawClient, tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.py").write_text(READ)
    open_folders(client, tmp_path.as_uri())
    (tmp_path / "b.py").write_text("def second_thing():\n    return 2\n")
    until(lambda: "second_thing" in found(client, "second thing"))
    (tmp_path / "new" / "deep").mkdir(parents=True)
    (tmp_path / "new" / "deep" / "c.py").write_text("def third_thing():\n    return 3\n")
    until(lambda: "third_thing" in found(client, "third thing"))
    (tmp_path / "new").rename(tmp_path / "moved")
    until(lambda: (found(client, "third thing").get("third_thing") or [""])[0].endswith("/moved/deep/c.py"))
    shutil.rmtree(tmp_path / "sub")
    until(lambda: "read_settings" not in found(client, "read settings"))
    (tmp_path / ".gitignore").write_text("b.py\n")
    until(lambda: "second_thing" not in found(client, "second thing"))
    began = time.monotonic()
    assert client.leave() == 0
    assert time.monotonic() - began < 5


def test_opening_a_folder_runs_nothing_of_it(client: RawClient, tmp_path: Path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.py").write_text(READ)
    marker = folder / "marker.sh"
    marker.write_text(f'#!/bin/sh\ntouch "{folder}/ran"\n')
    marker.chmod(0o755)
    for words in (["init"], ["add", "a.py"], ["config", "core.fsmonitor", str(marker)]):
        subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)
    (folder / "ran").unlink(missing_ok=True)
    open_folders(client, folder.as_uri())
    assert "read_settings" in found(client, "read settings")
    assert not (folder / "ran").exists()


def test_a_failure_that_nobody_foresaw_stands_in_the_status_and_in_one_message(tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sprig_server.index.build as build\n"
        "def fails(*arguments):\n"
        "    raise ZeroDivisionError('secret')\n"
        "build.list_files = fails\n"
    )
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a.py").write_text(READ)
    client = RawClient(env={"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])})
    try:
        client.initialize((tmp_path / "project").as_uri())
        until(lambda: "ZeroDivisionError" in (execute(client, "sprig.status")["folders"][0].get("error") or ""))
        open_document(client, (tmp_path / "project" / "b.py").as_uri(), "python", READ)
        time.sleep(2)
        assert "ZeroDivisionError" in execute(client, "sprig.status")["folders"][0]["error"]
        assert len([text for text in client.shown if "ZeroDivisionError" in text]) == 1
        assert client.leave() == 0
        assert b"secret" not in client.stderr
    finally:
        client.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 exist on Linux only")
@pytest.mark.parametrize("where", ["file", "workspace"])
def test_names_that_are_not_utf_8(client: RawClient, tmp_path: Path, where: str):
    odd = os.fsdecode(b"caf\xe9")
    folder = tmp_path / (odd if where == "workspace" else "plain")
    folder.mkdir()
    (folder / "z.py").write_text("def zeta_last():\n    return 3\n")
    (folder / f"{odd}.py").write_text("def latin_name():\n    return 2\n")
    open_folders(client, folder.as_uri())
    assert found(client, "latin name")["latin_name"] == [folder.as_uri() + "/caf%E9.py"]
    assert found(client, "zeta last")["zeta_last"] == [folder.as_uri() + "/z.py"]
    open_document(client, folder.as_uri() + "/caf%E9.py", "python", "def in_the_buffer():\n    return 2\n")
    until(lambda: found(client, "in the buffer").get("in_the_buffer") == [folder.as_uri() + "/caf%E9.py"])
