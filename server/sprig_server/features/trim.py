"""The command `sprig.trim`: which tokens a model reads of the function at a position."""

from __future__ import annotations

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInternalError, JsonRpcInvalidParams

from sprig_server.code.functions import enclosing_function
from sprig_server.code.lines import Lines, PositionEncoding
from sprig_server.errors import InvalidInput, SprigError
from sprig_server.features.snapshot import take_snapshot
from sprig_server.protocol import TRIM, TrimmedToken, TrimParams, TrimResult
from sprig_server.server import SprigServer
from sprig_server.trim_view import explain, open_reader
from sprig_server.types import Definition, Task

_TASKS: dict[str, Task] = {"search": "search", "summarize": "summarize"}


def register(server: SprigServer) -> None:
    """Register the command."""

    @server.command(TRIM)
    async def trim(ls: SprigServer, params: TrimParams) -> TrimResult | None:
        if params.task not in _TASKS:
            raise JsonRpcInvalidParams(f'unknown task "{params.task}": give one of {", ".join(_TASKS)}')
        snapshot = take_snapshot(ls, params.text_document.uri, params.position)
        if snapshot is None:
            return None
        place = await ls.parse_cache.locate(snapshot.document, snapshot.offset)
        function = enclosing_function(place.source.functions, place.offset) if place is not None else None
        if function is None:
            return None
        try:
            return await ls.questions.run(lambda stop: _answer(ls, function, snapshot.encoding, params))
        except InvalidInput as error:
            raise JsonRpcInvalidParams(str(error)) from None
        except SprigError as error:
            raise JsonRpcInternalError(str(error)) from None


def _answer(server: SprigServer, function: Definition, encoding: PositionEncoding, params: TrimParams) -> TrimResult:
    reader = open_reader(server.models, _TASKS[params.task], function.language, params.method, params.ratio)
    found, lines = explain(reader, function), Lines(function.code)
    columns = found.tokens.starts, found.tokens.ends, found.kept, found.importance
    tokens = [
        TrimmedToken(
            range=lsp.Range(
                lsp.Position(*lines.position(start, encoding)), lsp.Position(*lines.position(end, encoding))
            ),
            kept=kept,
            importance=round(importance, 4),
        )
        for start, end, kept, importance in zip(*(column.tolist() for column in columns), strict=True)
    ]
    return TrimResult(
        name=function.qualified_name,
        language=function.language,
        code=function.code,
        method=reader.trim.method,
        ratio=reader.trim.ratio,
        least=reader.trim.least,
        tokens=tokens,
    )
