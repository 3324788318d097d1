"""The command `sprig.search` and `workspace/symbol`: searching all workspace folders."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInternalError, JsonRpcInvalidParams

from sprig_server.concurrency import Stop
from sprig_server.errors import Cancelled, DamagedIndex, InvalidInput
from sprig_server.features import indexing
from sprig_server.folder import Folder
from sprig_server.index.folder_index import check_question
from sprig_server.protocol import SEARCH, SearchHit, SearchParams, SearchResult
from sprig_server.server import SprigServer
from sprig_server.settings import MAX_LIMIT
from sprig_server.types import Hit

_SYMBOL_KINDS = {
    "function": lsp.SymbolKind.Function,
    "method": lsp.SymbolKind.Method,
    "constructor": lsp.SymbolKind.Constructor,
    "class": lsp.SymbolKind.Class,
    "module": lsp.SymbolKind.Module,
}


def register(server: SprigServer) -> None:
    """Register the command and the request."""

    @server.command(SEARCH)
    async def search(ls: SprigServer, params: SearchParams) -> SearchResult:
        if not 1 <= params.limit <= MAX_LIMIT:
            raise JsonRpcInvalidParams(f"the limit {params.limit} is out of range: give 1 to {MAX_LIMIT}")
        found = await _search(ls, params.query, params.limit, params.language)
        hits = [_to_search_hit(folder, hit) for folder, hit in found]
        return SearchResult(hits=hits, complete=ls.incomplete is None, message=ls.incomplete)

    @server.feature(lsp.WORKSPACE_SYMBOL)
    async def symbols(ls: SprigServer, params: lsp.WorkspaceSymbolParams) -> list[lsp.SymbolInformation] | None:
        if not params.query.strip():
            return None
        return [_to_symbol(folder, hit) for folder, hit in await _search(ls, params.query, ls.settings.limit, None)]


async def _search(server: SprigServer, query: str, limit: int, language: str | None) -> Sequence[tuple[Folder, Hit]]:
    folders = list(server.folders.values())

    def ask(folder: Folder, stop: Stop) -> list[tuple[Folder, Hit]]:
        return [(folder, hit) for hit in folder.index.search(query, limit, language, stop=stop)]

    try:
        check_question(query, language)
        answers = await asyncio.gather(
            *(server.questions.run(lambda stop, folder=folder: ask(folder, stop)) for folder in folders)  # type: ignore[misc]
        )
    except InvalidInput as error:
        raise JsonRpcInvalidParams(str(error)) from None
    except DamagedIndex as error:
        indexing.reindex(server)
        raise JsonRpcInternalError(str(error)) from None
    except Cancelled:
        return []
    ranked = sorted((pair for answer in answers for pair in answer), key=lambda pair: -pair[1].score)
    return _once_each(ranked)[:limit]


def _once_each(hits: Iterable[tuple[Folder, Hit]]) -> list[tuple[Folder, Hit]]:
    """The hits, without duplicates from folders inside other folders."""
    seen: dict[tuple[Path, int, str], tuple[Folder, Hit]] = {}
    for folder, hit in hits:
        seen.setdefault((folder.index.root / hit.path, hit.start_line, hit.name), (folder, hit))
    return list(seen.values())


def _location(folder: Folder, hit: Hit) -> lsp.Location:
    start = lsp.Position(hit.name_line - 1, hit.name_column)
    return lsp.Location(folder.uri_of(hit.path), lsp.Range(start, lsp.Position(hit.end_line, 0)))


def _to_search_hit(folder: Folder, hit: Hit) -> SearchHit:
    return SearchHit(
        location=_location(folder, hit), name=hit.name, kind=hit.kind, language=hit.language, score=hit.score
    )


def _to_symbol(folder: Folder, hit: Hit) -> lsp.SymbolInformation:
    return lsp.SymbolInformation(
        name=hit.name, kind=_SYMBOL_KINDS[hit.kind], location=_location(folder, hit), container_name=hit.path
    )
