"""Commands on generated sentences: write another one, hide one, insert one as documentation; and the code action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInternalError, JsonRpcInvalidParams

from sprig_server.code.functions import enclosing_function
from sprig_server.code.lines import Lines, PositionEncoding
from sprig_server.code.written_documentation import write_documentation
from sprig_server.concurrency import Stop
from sprig_server.errors import Cancelled, SprigError
from sprig_server.features.hover import cache_for
from sprig_server.features.snapshot import take_snapshot
from sprig_server.hover_content import SummaryCache, hide, summarize
from sprig_server.protocol import HIDE, INSERT, REGENERATE, SummaryParams, SummaryResult
from sprig_server.server import SprigServer
from sprig_server.types import Definition

TITLE = "Insert summary as documentation"
T = TypeVar("T")


def register(server: SprigServer) -> None:
    """Register the commands and the code action."""

    @server.command(REGENERATE)
    async def regenerate(ls: SprigServer, params: SummaryParams) -> SummaryResult:
        found = await _find(ls, params)
        written = await _run(ls, lambda stop: summarize(found.function, ls.models, found.cache, stop, again=True))
        if written is None:
            raise JsonRpcInvalidParams(f"there is no sentence about {found.function.qualified_name}: {_reason(ls)}")
        return SummaryResult(
            name=found.function.qualified_name, text=written.text, probability=round(written.probability, 4)
        )

    @server.command(HIDE)
    async def hide_summary(ls: SprigServer, params: SummaryParams) -> None:
        found = await _find(ls, params)
        await _run(ls, lambda stop: hide(found.function, ls.models, found.cache))

    @server.command(INSERT)
    async def insert(ls: SprigServer, params: SummaryParams) -> bool:
        found = await _find(ls, params)
        return await _insert(ls, found)

    @server.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.RefactorRewrite])
    )
    async def actions(ls: SprigServer, params: lsp.CodeActionParams) -> list[lsp.CodeAction] | None:
        wanted = params.context.only
        if wanted is not None and not any(lsp.CodeActionKind.RefactorRewrite.value.startswith(kind) for kind in wanted):
            return None
        return await _offer(ls, params)


@dataclass(frozen=True, slots=True)
class _Found:
    """A function without documentation in a version of a document, and where its sentence is kept."""

    uri: str
    version: int | None
    text: str
    language: str
    encoding: PositionEncoding
    function: Definition
    cache: SummaryCache


async def _locate(server: SprigServer, uri: str, position: lsp.Position) -> _Found | None:
    snapshot = take_snapshot(server, uri, position)
    if snapshot is None:
        return None
    version = server.workspace.get_text_document(uri).version
    place = await server.parse_cache.locate(snapshot.document, snapshot.offset)
    function = enclosing_function(place.source.functions, place.offset) if place is not None else None
    if place is None or place.shift or function is None or place.source.text != snapshot.document.text:
        return None
    folder = server.folder_of(uri)
    cache = cache_for(server, folder[0].index if folder is not None else None)
    document = snapshot.document
    return _Found(uri, version, document.text, document.language, snapshot.encoding, function, cache)


async def _find(server: SprigServer, params: SummaryParams) -> _Found:
    found = await _locate(server, params.text_document.uri, params.position)
    if found is None:
        raise JsonRpcInvalidParams("there is no function at this position: give a position in a function")
    if found.function.documentation:
        raise JsonRpcInvalidParams(f"{found.function.qualified_name} has documentation, so no sentence is generated")
    return found


async def _run(server: SprigServer, work: Callable[[Stop], T]) -> T:
    try:
        return await server.summaries.run(work)
    except Cancelled:
        raise
    except SprigError as error:
        raise JsonRpcInternalError(str(error)) from None


def _reason(server: SprigServer) -> str:
    if not any(bundle.manifest.task == "summarize" for bundle in server.models.bundles):
        return 'install the pack of summaries with pip install "sprig-lsp[summaries]"'
    return "the function is too long, or the model writes nothing about it"


async def _offer(server: SprigServer, params: lsp.CodeActionParams) -> list[lsp.CodeAction] | None:
    """The action, on a function without documentation that has a place for it."""
    uri = params.text_document.uri
    found = await _locate(server, uri, params.range.start)
    if found is None or found.function.documentation or server.models.summary_bundle(found.function.language) is None:
        return None
    if write_documentation(found.text, found.language, found.function, "") is None:
        return None
    argument = {
        "textDocument": {"uri": uri},
        "position": {"line": params.range.start.line, "character": params.range.start.character},
    }
    command = lsp.Command(title=TITLE, command=INSERT, arguments=[argument])
    return [lsp.CodeAction(title=TITLE, kind=lsp.CodeActionKind.RefactorRewrite, command=command)]


async def _insert(server: SprigServer, found: _Found) -> bool:
    """Have the client insert the sentence; False if it does not, for example because the document changed meanwhile."""
    written = await _run(server, lambda stop: summarize(found.function, server.models, found.cache, stop))
    if written is None:
        raise JsonRpcInvalidParams(f"there is no sentence about {found.function.qualified_name}: {_reason(server)}")
    insertion = write_documentation(found.text, found.language, found.function, written.text)
    if insertion is None:
        raise JsonRpcInvalidParams(f"{found.function.qualified_name} has no place for documentation: write it by hand")
    if server.workspace.get_text_document(found.uri).source != found.text:
        return False
    place = lsp.Position(*Lines(found.text).position(insertion.offset, found.encoding))
    edit = lsp.TextEdit(lsp.Range(place, place), insertion.text)
    params = lsp.ApplyWorkspaceEditParams(edit=_workspace_edit(server, found, edit), label=TITLE)
    answer = await server.ask_client(server.workspace_apply_edit_async(params), None)
    return answer is not None and answer.applied


def _workspace_edit(server: SprigServer, found: _Found, edit: lsp.TextEdit) -> lsp.WorkspaceEdit:
    """The edit for the version that was read, if the client can tell versions apart."""
    workspace = server.client_capabilities.workspace
    able = workspace.workspace_edit if workspace is not None else None
    if able is not None and able.document_changes:
        identifier = lsp.OptionalVersionedTextDocumentIdentifier(uri=found.uri, version=found.version)
        return lsp.WorkspaceEdit(document_changes=[lsp.TextDocumentEdit(identifier, [edit])])
    return lsp.WorkspaceEdit(changes={found.uri: [edit]})
