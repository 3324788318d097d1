"""Generated sentences in hovers: shown when they are likely right, always, or never; and marked as what they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import SHAPES, position
from .raw_client import RawClient

PROBABLY, GUESS = "*Written by Sprig's model, probably right*", "*A guess of Sprig's model*"
NAMES = ("def clamp_number", "def add_price", "def total")  # none has documentation


@pytest.fixture
def clients() -> Iterator[list[RawClient]]:
    started: list[RawClient] = []
    yield started
    for client in started:
        client.kill()


def open_with(clients: list[RawClient], path: Path, **hover: Any) -> tuple[RawClient, str]:
    """A server with these settings for hovers, and the document SHAPES opened in it."""
    client = RawClient()
    clients.append(client)
    client.initialize(initializationOptions={"threads": 1, "hover": hover})
    document = {"uri": (path / "shapes.py").as_uri(), "languageId": "python", "version": 1, "text": SHAPES}
    client.notify("textDocument/didOpen", {"textDocument": document})
    return client, document["uri"]


def hover(client: RawClient, uri: str, marker: str) -> str | None:
    asked = {"textDocument": {"uri": uri}, "position": position(SHAPES, marker, marker.index(" ") + 1)}
    found = client.wait(client.request("textDocument/hover", asked))["result"]
    return found and found["contents"]["value"]


def test_only_what_is_likely_right_is_shown_unless_all_is_asked_for(clients: list[RawClient], tmp_path: Path):
    always, uri = open_with(clients, tmp_path, generate="always")
    likely, _ = open_with(clients, tmp_path)
    for marker in NAMES:
        everything = hover(always, uri, marker)
        assert everything is not None
        name, code, text, note = everything.split("\n\n")
        assert marker.split()[1] in name
        assert marker in code
        assert len(text.split()) >= 2
        assert note in (PROBABLY, GUESS)
        assert hover(always, uri, marker) == everything, "it is written once"
        assert hover(likely, uri, marker) == (everything if note == PROBABLY else None)


def test_nothing_is_generated_where_that_is_switched_off(clients: list[RawClient], tmp_path: Path):
    client, uri = open_with(clients, tmp_path, generate="never")
    assert [hover(client, uri, marker) for marker in NAMES] == [None] * len(NAMES)
    assert "Return the area" in (hover(client, uri, "def circle_area") or "")


def test_beside_a_server_that_shows_documentation_only_sentences_are_shown(clients: list[RawClient], tmp_path: Path):
    client, uri = open_with(clients, tmp_path, documentation=False, generate="always")
    assert hover(client, uri, "def circle_area") is None
    assert GUESS in (found := hover(client, uri, "def clamp_number") or "") or PROBABLY in found


def summary_of(uri: str, marker: str) -> dict[str, Any]:
    return {"textDocument": {"uri": uri}, "position": position(SHAPES, marker, 6)}


def refusal(client: RawClient, command: str, argument: dict[str, Any]) -> str:
    asked = {"command": command, "arguments": [argument]}
    reply = client.wait(client.request("workspace/executeCommand", asked))
    assert reply["error"]["code"] == -32602
    return str(reply["error"]["message"])


def test_a_hidden_sentence_stays_hidden_until_it_is_written_again(clients: list[RawClient], tmp_path: Path):
    client, uri = open_with(clients, tmp_path, generate="always")
    assert hover(client, uri, "def clamp_number") is not None
    client.execute("sprig.hideSummary", summary_of(uri, "def clamp_number"))
    assert hover(client, uri, "def clamp_number") is None
    assert hover(client, uri, "def total") is not None, "the others are shown"
    again = client.execute("sprig.regenerateSummary", summary_of(uri, "def clamp_number"))
    assert again["name"] == "clamp_number"
    assert 0 <= again["probability"] <= 1
    shown = hover(client, uri, "def clamp_number") or ""
    assert set(again["text"].rstrip(".").split()) <= set(shown.replace("\\", "").replace(".", "").split())
    assert "circle_area has documentation" in refusal(client, "sprig.hideSummary", summary_of(uri, "def circle_area"))
    outside = {"textDocument": {"uri": uri}, "position": {"line": 1, "character": 0}}
    assert "no function at this position" in refusal(client, "sprig.insertSummary", outside)


def test_a_sentence_is_inserted_as_documentation(clients: list[RawClient], tmp_path: Path):
    client, uri = open_with(clients, tmp_path, generate="always")

    def actions(marker: str, **context: Any) -> Any:
        place = position(SHAPES, marker, 6)
        asked = {"textDocument": {"uri": uri}, "range": {"start": place, "end": place}}
        asked["context"] = {"diagnostics": [], **context}
        return client.wait(client.request("textDocument/codeAction", asked))["result"]

    assert not actions("def circle_area"), "it has documentation"
    assert not actions("def clamp_number", only=["quickfix"])
    (action,) = actions("def clamp_number", only=["refactor"])
    assert (action["title"], action["kind"]) == ("Insert summary as documentation", "refactor.rewrite")
    assert client.execute(action["command"]["command"], *action["command"]["arguments"]) is True
    ((edit,),) = (edits["changes"][uri] for edits in client.edits)
    below = position(SHAPES, "    if value < low")
    assert edit["range"] == {"start": {**below, "character": 0}, "end": {**below, "character": 0}}
    assert edit["newText"].startswith('    """')
    assert edit["newText"].endswith('."""\n')
    change = {"range": edit["range"], "text": edit["newText"]}
    identifier = {"uri": uri, "version": 2}
    client.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": [change]})
    shown = hover(client, uri, "def clamp_number") or ""
    assert edit["newText"].strip().strip('"').rstrip(".") in shown.replace("\\", "")
    assert PROBABLY not in shown, "it is documentation now"
    assert GUESS not in shown
    assert not actions("def clamp_number")
