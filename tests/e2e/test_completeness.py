"""What the answers say of the folders that are open: none, several, half indexed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import position
from .raw_client import RawClient


@pytest.fixture
def client() -> Iterator[RawClient]:
    client = RawClient()
    yield client
    client.kill()


def folder(path: Path, **files: str) -> dict[str, str]:
    """A workspace folder with these files; `a_py` stands for a.py."""
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / name.replace("_", ".")).write_text(text)
    return {"uri": path.as_uri(), "name": path.name}


def change_folders(client: RawClient, added: list[Any] = [], removed: list[Any] = []) -> None:  # noqa: B006
    client.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": added, "removed": removed}})


def wait_for(client: RawClient, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """The folders in the status, once something holds of them."""
    for _ in range(600):
        folders: list[dict[str, Any]] = client.execute("sprig.status")["folders"]
        if holds(folders):
            return folders
        time.sleep(0.05)
    raise AssertionError(folders)


def wait_until_complete(client: RawClient, count: int) -> None:
    wait_for(client, lambda folders: len(folders) == count and all(f["complete"] for f in folders))


def names(client: RawClient, query: str) -> list[str]:
    return [hit["name"] for hit in client.execute("sprig.search", {"query": query})["hits"]]


def test_without_a_folder_an_empty_result_says_why(client: RawClient):
    client.initialize()
    found = client.execute("sprig.search", {"query": "alpha"})
    assert (found["hits"], found["complete"]) == ([], False)
    assert "no folder is open" in found["message"]
    empty = {"command": "sprig.search", "arguments": [{"query": " "}]}
    assert client.wait(client.request("workspace/executeCommand", empty))["error"]["code"] == -32602


def test_so_it_does_where_indexing_is_switched_off(client: RawClient, tmp_path: Path):
    client.initialize(tmp_path.as_uri(), initializationOptions={"index": False})
    assert "sprig.index" in client.execute("sprig.search", {"query": "alpha"})["message"]


def test_a_complete_answer_says_nothing(client: RawClient, tmp_path: Path):
    client.initialize(folder(tmp_path, a_py="def alpha_beta():\n    return 1\n")["uri"])
    wait_until_complete(client, 1)
    found = client.execute("sprig.search", {"query": "alpha beta"})
    assert found["complete"]
    assert "message" not in found
    assert found["hits"][0]["name"] == "alpha_beta"


def test_a_cancelled_indexing_is_not_complete_and_says_how_far_it_came(client: RawClient, tmp_path: Path):
    body = "".join(f"def function_{number}(a, b):\n    return a * {number} + b\n\n" for number in range(20))
    files = {f"module{number}_py": body.replace("function", f"function_{number}") for number in range(300)}
    client.initialize(folder(tmp_path, **files)["uri"], capabilities={"window": {"workDoneProgress": True}})

    def has_come_far_enough_to_count(folders: list[dict[str, Any]]) -> bool:
        return bool(folders and client.progress) and " of " in folders[0]["message"]

    (found,) = wait_for(client, has_come_far_enough_to_count)
    assert not found["complete"]
    assert "is being indexed" in found["message"]
    client.notify("window/workDoneProgress/cancel", {"token": client.progress[0]["token"]})
    (found,) = wait_for(client, lambda folders: not folders[0]["indexing"])
    assert not found["complete"]
    assert "was cancelled" in found["message"]
    assert " of " in found["message"]
    searched = client.execute("sprig.search", {"query": "function"})
    assert (searched["complete"], searched["message"]) == (False, found["message"])


def test_a_folder_is_opened_once_and_closed_under_any_spelling_of_its_uri(client: RawClient, tmp_path: Path):
    one = folder(tmp_path / "one ä", a_py="def alpha_beta():\n    return 1\n")
    two = folder(tmp_path / "two", b_py="def gamma_delta():\n    return 2\n")
    again = {"uri": one["uri"].replace("%C3%A4", "ä") + "/", "name": "again"}
    client.initialize(workspaceFolders=[one, one, again])
    wait_until_complete(client, 1)
    change_folders(client, added=[two, two, one])
    wait_until_complete(client, 2)
    assert {"alpha_beta", "gamma_delta"} <= {*names(client, "alpha beta"), *names(client, "gamma delta")}
    change_folders(client, removed=[again])
    wait_until_complete(client, 1)
    assert "alpha_beta" not in names(client, "alpha beta")
    change_folders(client, removed=[one, two, two])
    assert "no folder is open" in client.execute("sprig.search", {"query": "alpha"})["message"]


def hover(client: RawClient, path: Path, text: str, marker: str) -> str | None:
    """What a hover on the marker says, of a document that is not saved yet."""
    languages = {".py": "python", ".js": "javascript", ".ts": "typescript"}
    document = {"uri": path.as_uri(), "languageId": languages[path.suffix], "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": document})
    asked = {"textDocument": {"uri": document["uri"]}, "position": position(text, marker)}
    found = client.wait(client.request("textDocument/hover", asked))["result"]
    return found and found["contents"]["value"]


def test_a_call_is_explained_from_another_folder_unless_its_own_has_the_name(client: RawClient, tmp_path: Path):
    one = folder(tmp_path / "one", own_py='def both(a):\n    """Of the same folder."""\n    return a\n')
    library = "".join(f'def {name}(a):\n    """Of another folder."""\n    return a\n' for name in ("both", "elsewhere"))
    two = folder(tmp_path / "two", library_py=library)
    client.initialize(workspaceFolders=[one, two])
    wait_until_complete(client, 2)
    text = "def caller(x):\n    return elsewhere(both(x))\n"
    assert "Of another folder" in (hover(client, tmp_path / "one" / "new.py", text, "elsewhere") or "")
    assert "Of the same folder" in (hover(client, tmp_path / "one" / "new.py", text, "both") or "")


@pytest.mark.parametrize(("calling", "called"), [("js", "ts"), ("ts", "js")])
def test_a_call_is_explained_across_javascript_and_typescript(
    client: RawClient, tmp_path: Path, calling: str, called: str
):
    files = {f"twice_{called}": "/** Doubles it. */\nexport function twice(n) {\n  return n * 2;\n}\n"}
    client.initialize(folder(tmp_path, **files, twice_py="def twice(n):\n    return n + n\n")["uri"])
    wait_until_complete(client, 1)
    text = "export function four() {\n  return twice(2);\n}\n"
    assert "Doubles it" in (hover(client, tmp_path / f"new.{calling}", text, "twice(2)") or "")
