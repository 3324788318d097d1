"""The features over a real process, as the capabilities of real editors ask for them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytest_lsp
from lsprotocol import types as lsp
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

from .conftest import MAIL, SHAPES, position


def make_client() -> LanguageClient:
    client = pytest_lsp.make_test_lsp_client()

    @client.feature(lsp.CLIENT_REGISTER_CAPABILITY)
    def register(params: lsp.RegistrationParams) -> None:
        client.registrations = params.registrations

    client.registrations = []
    return client


@pytest_lsp.fixture(
    params=["visual-studio-code", "neovim@0.11.0"],
    config=ClientServerConfig(
        server_command=[sys.executable, "-m", "sprig_server", "serve", "--stdio"],
        client_factory=make_client,
        server_env=dict(os.environ),
    ),
)
async def client(request: pytest.FixtureRequest, lsp_client: LanguageClient, project: Path):
    capabilities = client_capabilities(request.param)
    await lsp_client.initialize_session(
        lsp.InitializeParams(
            capabilities=capabilities,
            workspace_folders=[lsp.WorkspaceFolder(project.as_uri(), "project")],
        )
    )
    await wait_until_indexed(lsp_client, functions=7)
    yield lsp_client
    await asyncio.wait_for(lsp_client.shutdown_session(), 10)


async def execute(client: LanguageClient, command: str, *arguments: dict):
    """The result of a command, its keys as attributes."""
    result = await client.workspace_execute_command_async(lsp.ExecuteCommandParams(command, list(arguments)))
    return json.loads(json.dumps(result), object_hook=lambda fields: SimpleNamespace(**fields))


async def status(client: LanguageClient):
    return await execute(client, "sprig.status")


async def wait_until_indexed(client: LanguageClient, functions: int) -> None:
    for _ in range(600):
        folders = (await status(client)).folders
        if folders and all(not f.indexing and f.functions == functions and f.encoded == f.definitions for f in folders):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the index never held {functions} functions: {await status(client)}")


def open_document(client: LanguageClient, path: Path) -> str:
    uri = path.as_uri()
    item = lsp.TextDocumentItem(uri, "python", 1, path.read_text())
    client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
    return uri


async def hover(client: LanguageClient, uri: str, text: str, marker: str, offset: int = 0) -> lsp.Hover | None:
    place = lsp.Position(**position(text, marker, offset))
    return await client.text_document_hover_async(lsp.HoverParams(lsp.TextDocumentIdentifier(uri), place))


async def search(client: LanguageClient, query: str, **more):
    return await execute(client, "sprig.search", {"query": query, **more})


async def test_it_presents_itself(client: LanguageClient):
    found = await status(client)
    assert found.version
    assert {bundle.task for bundle in found.bundles} == {"search", "summarize"}
    assert found.folders[0].files == 2


async def test_it_shows_what_a_model_is_given(client: LanguageClient, project: Path):
    uri = open_document(client, project / "shapes.py")
    asked = {"textDocument": {"uri": uri}, "position": position(SHAPES, "if value < low", 3)}
    found = await execute(client, "sprig.trim", {**asked, "method": "tail", "ratio": 0.5})
    assert (found.name, found.language, found.method, found.ratio) == ("clamp_number", "python", "tail", 0.5)
    assert found.code.startswith("def clamp_number(value, low, high):")
    lines = found.code.split("\n")
    words = [lines[t.range.start.line][t.range.start.character : t.range.end.character] for t in found.tokens]
    assert "".join(words) == "".join(found.code.split())
    kept = [token.kept for token in found.tokens]
    assert kept == [True] * (len(kept) // 2) + [False] * (len(kept) - len(kept) // 2)
    outside = {"textDocument": {"uri": uri}, "position": {"line": 1, "character": 0}}
    assert await client.workspace_execute_command_async(lsp.ExecuteCommandParams("sprig.trim", [outside])) is None
    read = await execute(
        client, "sprig.trim", {**asked, "task": "summarize", "method": "tail", "ratio": 0.5}
    )  # in the prompt of a language model
    assert read.code == found.code
    lines = read.code.split("\n")
    words = [lines[t.range.start.line][t.range.start.character : t.range.end.character] for t in read.tokens]
    assert "".join("".join(words).split()) == "".join(read.code.split())
    assert sum(token.kept for token in read.tokens) == len(read.tokens) // 2


async def test_a_functions_own_documentation_wins(client: LanguageClient, project: Path):
    uri = open_document(client, project / "shapes.py")
    found = await hover(client, uri, SHAPES, "circle_area", 3)
    assert found is not None
    assert found.contents.kind == lsp.MarkupKind.Markdown
    assert (
        found.contents.value
        == "`circle_area`\n\n```python\ndef circle_area(radius)\n```\n\nReturn the area of a circle."
    )
    assert found.range == lsp.Range(lsp.Position(4, 4), lsp.Position(4, 15))


async def test_a_called_name_is_explained_from_another_file(client: LanguageClient, project: Path):
    uri = open_document(client, project / "mail.py")
    found = await hover(client, uri, MAIL, "circle_area(2)", 3)
    assert found is not None
    first, _, rest = found.contents.value.partition("\n\n")
    assert first == f"`circle_area` in [shapes.py:5](<{(project / 'shapes.py').as_uri()}#L5>)"
    assert "Return the area of a circle" in rest


@pytest.mark.parametrize("marker", ["import Basket", "login(sender)", "text):", "finally", "receiver, text)"])
async def test_there_is_nothing_to_say_elsewhere(client: LanguageClient, project: Path, marker: str):
    uri = open_document(client, project / "mail.py")
    assert await hover(client, uri, MAIL, marker) is None


async def test_a_question_finds_the_function(client: LanguageClient, project: Path):
    found = await search(client, "limit a number to a range", limit=3)
    assert found.complete
    assert found.hits[0].name == "clamp_number"
    assert found.hits[0].location.uri == (project / "shapes.py").as_uri()
    assert (found.hits[0].location.range.start.line, found.hits[0].location.range.end.line) == (9, 15)
    assert len(found.hits) == 3


async def test_workspace_symbols_answer_questions_too(client: LanguageClient):
    found = await client.workspace_symbol_async(lsp.WorkspaceSymbolParams("deliver an e-mail"))
    assert found[0].name == "send_mail"
    assert found[0].kind == lsp.SymbolKind.Function
    assert await client.workspace_symbol_async(lsp.WorkspaceSymbolParams("")) is None


async def test_an_edit_is_found_before_it_is_saved(client: LanguageClient, project: Path):
    uri = open_document(client, project / "shapes.py")
    added = "\n\ndef roman_numeral(number):\n    return to_letters(number)\n"
    end = lsp.Position(SHAPES.count("\n"), 0)
    client.text_document_did_change(
        lsp.DidChangeTextDocumentParams(
            lsp.VersionedTextDocumentIdentifier(version=2, uri=uri),
            [lsp.TextDocumentContentChangePartial(range=lsp.Range(end, end), text=added)],
        )
    )
    await wait_until_indexed(client, functions=8)
    assert (await search(client, "roman numerals")).hits[0].name == "roman_numeral"


async def test_files_that_come_and_go_are_noticed(client: LanguageClient, project: Path):
    watched = project / "stack.py"
    watched.write_text("def pop_stack(stack):\n    return stack.pop()\n")
    change = lsp.FileEvent(watched.as_uri(), lsp.FileChangeType.Created)
    client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([change]))
    await wait_until_indexed(client, functions=8)
    watched.unlink()
    change = lsp.FileEvent(watched.as_uri(), lsp.FileChangeType.Deleted)
    client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([change]))
    await wait_until_indexed(client, functions=7)


async def test_indexing_shows_progress(client: LanguageClient):
    reports = list(client.progress_reports.values())
    assert reports, "both editors show progress"
    assert isinstance(reports[0][0], lsp.WorkDoneProgressBegin)
    assert isinstance(reports[0][-1], lsp.WorkDoneProgressEnd)
    assert "7 functions in 2 files" in reports[0][-1].message


async def test_a_folder_can_be_added_and_removed(client: LanguageClient, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "queue.py").write_text("def drain_queue(queue):\n    queue.clear()\n")
    folder = lsp.WorkspaceFolder(other.as_uri(), "other")
    event = lsp.WorkspaceFoldersChangeEvent(added=[folder], removed=[])
    client.workspace_did_change_workspace_folders(lsp.DidChangeWorkspaceFoldersParams(event))
    for _ in range(100):
        hits = (await search(client, "drain queue")).hits
        if hits and hits[0].name == "drain_queue":
            break
        await asyncio.sleep(0.1)
    assert hits[0].name == "drain_queue"
    event = lsp.WorkspaceFoldersChangeEvent(added=[], removed=[folder])
    client.workspace_did_change_workspace_folders(lsp.DidChangeWorkspaceFoldersParams(event))
    assert all(hit.name != "drain_queue" for hit in (await search(client, "drain queue")).hits)


async def test_changed_settings_take_effect(client: LanguageClient, project: Path):
    uri = open_document(client, project / "shapes.py")
    assert await hover(client, uri, SHAPES, "circle_area", 3) is not None
    client.set_configuration({"sprig": {"hover": {"enabled": False}}})
    settings = {"sprig": {"hover": {"enabled": False}}}
    client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams(settings=settings))
    for _ in range(50):
        if await hover(client, uri, SHAPES, "circle_area", 3) is None:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("hovers are still answered")
