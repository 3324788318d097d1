"""The connection to one client. Every message is answered as the protocol demands, whatever it contains."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, get_type_hints

from cattrs import Converter
from lsprotocol import types as lsp
from lsprotocol.converters import get_converter
from pygls import uris
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInternalError,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcMethodNotFound,
    JsonRpcParseError,
    JsonRpcRequestCancelled,
    JsonRpcServerNotInitialized,
)
from pygls.protocol import LanguageServerProtocol, lsp_method

from sprig_server.code.lines import well_formed
from sprig_server.errors import Cancelled, InvalidInput, SprigError
from sprig_server.framing import Fault, Framing
from sprig_server.logs import log_unexpected

if TYPE_CHECKING:
    from sprig_server.server import SprigServer

_log = logging.getLogger(__name__)

# A faulty client is faulty in every message; a few log lines are enough.
_FAULTS_LOGGED = 20


class Writer(Protocol):
    """Where messages go."""

    def write(self, data: bytes) -> None:
        """Write all of `data`. Raises OSError if nobody reads any more."""

    def close(self) -> None:
        """Nothing more is written."""


async def receive(server: SprigServer, read: Callable[[], Awaitable[bytes]]) -> None:
    """Handle a client's messages until it sends `exit` or its stream ends."""
    framing, faults = Framing(), 0
    protocol: SprigProtocol = server.protocol  # type: ignore[assignment]
    while not protocol.left and (data := await read()):
        for found in framing.feed(data):
            if isinstance(found, Fault):
                faults += 1
                if faults <= _FAULTS_LOGGED:
                    _log.warning("the client's stream is faulty: %s", found.reason)
                if found.answer:
                    protocol.refuse(None, JsonRpcParseError(found.reason))
            else:
                protocol.handle(found.value)
                server.noticed()
            await asyncio.sleep(
                0
            )  # a handler must see the documents as they are now, so it starts before the next message is read
            if protocol.left:
                return


class SprigProtocol(LanguageServerProtocol):
    """pygls's protocol, with an answer to every request, and without the content of messages in the log."""

    left = False
    """The client has said `exit`."""

    def handle(self, message: Any) -> None:
        """Dispatch one JSON value, which may be anything."""
        if not isinstance(message, dict) or message.get("jsonrpc") != self.VERSION:
            self.refuse(_id_of(message), JsonRpcInvalidRequest("this is not a message of JSON-RPC 2.0"))
        elif "method" not in message and ("result" in message or "error" in message or _id_of(message) in self._asked):
            self._receive_answer(message)
        elif not isinstance(message.get("method"), str) or ("id" in message and _id_of(message) is None):
            what = "a request needs a method, and an id that is a string or an integer"
            self.refuse(_id_of(message), JsonRpcInvalidRequest(what))
        elif "id" in message:
            try:
                contextvars.copy_context().run(self._receive_request, message)
            except Exception as error:  # one bad message must not end the connection
                self.refuse(message["id"], _as_answer(error))
        else:
            try:
                contextvars.copy_context().run(self._receive_notification, message)
            except Exception as error:
                log_unexpected("a notification was not handled", error)

    def _receive_request(self, message: dict[str, Any]) -> None:
        method = message["method"]
        if self._shutdown:
            raise JsonRpcInvalidRequest("the server is shutting down")
        if self._workspace is None and method != lsp.INITIALIZE:
            raise JsonRpcServerNotInitialized("initialize the server first")
        if self._workspace is not None and method == lsp.INITIALIZE:
            raise JsonRpcInvalidRequest("the server is initialized already")
        if not self._serves(method, asked=True):
            raise JsonRpcMethodNotFound("there is no such request")
        try:
            request = self._converter.structure(message, self.get_message_type(method) or object)
        except Exception:
            raise JsonRpcInvalidParams(f"the parameters of {method} cannot be read") from None
        self._handle_request(request.id, method, request.params)

    def _receive_notification(self, message: dict[str, Any]) -> None:
        method = message["method"]
        if method == lsp.EXIT:
            self.left = True
        elif self._workspace is not None and not self._shutdown and self._serves(method, asked=False):
            try:
                notification = self._converter.structure(message, self.get_message_type(method) or object)
            except Exception:
                if not method.startswith("$/"):
                    _log.warning("the parameters of %s cannot be read: it is ignored", method)
                return
            self._handle_notification(method, notification.params)

    def _receive_answer(self, message: dict[str, Any]) -> None:
        """Pass the client's response to whoever waits for it. A response without a request is ignored."""
        asked = _id_of(message)
        if asked is None or asked not in self._asked:
            return
        answer_type = self._result_types.pop(asked)
        future = self._request_futures.pop(asked, None)
        if future is None or not future.set_running_or_notify_cancel():
            return
        if "error" in message:
            # The client's text must not be logged.
            future.set_exception(JsonRpcException("the client refused"))
            return
        try:
            future.set_result(self._converter.structure({"result": None, **message}, answer_type).result)
        except Exception:
            future.set_exception(JsonRpcException("the client's answer cannot be read"))

    @property
    def _asked(self) -> dict[Any, Any]:
        """The server's requests that the client has not answered yet, by id."""
        return self._result_types

    def _serves(self, method: str, asked: bool) -> bool:
        """Whether there is a handler for a method: as a request if `asked`, otherwise as a notification."""
        known = method in self.fm.builtin_features or method in self.fm.features or method == lsp.CANCEL_REQUEST
        kind = self.get_message_type(method)
        return known and kind is not None and hasattr(kind, "id") == asked

    def refuse(self, request: int | str | None, error: JsonRpcException) -> None:
        """Answer a request with an error. The id is null if it is unknown which request it was."""
        answer = {"code": error.code, "message": error.message}
        self._send_data({"jsonrpc": self.VERSION, "id": request, "error": answer})

    def _send_handler_result(self, future: Any, *, msg_id: int | str) -> None:
        self._request_futures.pop(msg_id, None)
        if future.cancelled():
            self.refuse(msg_id, JsonRpcRequestCancelled("the request was cancelled"))
            return
        error = future.exception()
        if error is None:
            try:
                self._send_response(msg_id, result=future.result())
                return
            except (TypeError, ValueError) as unexpected:
                error = unexpected
        self.refuse(msg_id, _as_answer(error))

    def _check_handler_result(self, future: Any) -> None:
        if not future.cancelled() and (error := future.exception()) is not None and not isinstance(error, Cancelled):
            log_unexpected("a notification was not handled", error)

    def _send_data(self, data: Any) -> None:
        """Send a message. `left` becomes true if nobody reads it."""
        if self.writer is None or self.left:
            return
        body = json.dumps(data, default=self._serialize_message, ensure_ascii=False, allow_nan=False)
        try:
            encoded = body.encode()
        except UnicodeEncodeError:
            encoded = well_formed(body).encode()
        try:
            self.writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(encoded), encoded))
        except OSError:
            self.left = True

    @lsp_method(lsp.INITIALIZE)
    def lsp_initialize(self, params: lsp.InitializeParams) -> Any:
        """Initialize as pygls does, without roots that are not URIs."""
        params.workspace_folders = [f for f in params.workspace_folders or () if _is_uri(f.uri)]
        if params.root_uri is not None and not _is_uri(params.root_uri):
            params.root_uri = None
        return (yield from super().lsp_initialize(params))

    @lsp_method(lsp.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(  # type: ignore[override]  # so that cancelling reaches the command
        self, params: lsp.ExecuteCommandParams
    ) -> Any:
        """Run one of our commands. Each has at most one argument."""
        handler = self.fm.commands.get(params.command)
        if handler is None:
            raise JsonRpcInvalidParams(f"there is no such command: give one of {', '.join(sorted(self.fm.commands))}")
        wanted = command_argument(handler)
        given: list[Any] = list(params.arguments or ())
        if len(given) != (wanted is not None):
            count = "one argument" if wanted else "no argument"
            raise JsonRpcInvalidParams(f"{params.command} takes {count}, not {len(given)}")
        try:
            arguments = [self._converter.structure(dict(value), wanted) for value in given if wanted]
        except Exception:
            raise JsonRpcInvalidParams(f"the argument of {params.command} cannot be read") from None
        return await handler(*arguments)


def command_argument(handler: Any) -> Any:
    """The type of a command's argument besides the server; None if it has none."""
    hints = get_type_hints(getattr(handler, "func", handler))
    return next((kind for name, kind in hints.items() if name not in ("ls", "return")), None)


def make_converter() -> Converter:
    """A strict converter of the protocol's types: a value of another type is an error.

    The first error ends the conversion. Describing a list of a hundred thousand wrong values took seconds and 400 MB.
    """
    converter = get_converter(Converter(detailed_validation=False))
    for kind in (bool, int, float, str):
        converter.register_structure_hook(kind, _exactly)
    return converter


def _exactly(value: Any, kind: Any) -> Any:
    if type(value) is kind:
        return value
    if issubclass(kind, Enum):  # unions of numbers and strings come here, too
        return kind(value)
    if {type(value), kind} == {int, float} and value == kind(value):  # JSON has only one kind of number
        return kind(value)
    raise TypeError(f"this is not of type {kind.__name__}")


def _as_answer(error: BaseException) -> JsonRpcException:
    """A failure as an error response: one sentence, without internals of the server."""
    if isinstance(error, JsonRpcException):
        return error
    if isinstance(error, InvalidInput):
        return JsonRpcInvalidParams(str(error))
    if isinstance(error, Cancelled):
        return JsonRpcRequestCancelled(str(error))
    if isinstance(error, SprigError):
        return JsonRpcInternalError(str(error))
    place = log_unexpected("a request was not handled", error)
    return JsonRpcInternalError(f"Sprig failed unexpectedly ({place}): please report it")


def _id_of(message: Any) -> int | str | None:
    """The id of a message; None if it has no valid one."""
    found = message.get("id") if isinstance(message, dict) else None
    return found if type(found) in (int, str) else None


def _is_uri(text: str) -> bool:
    try:
        return bool(uris.uri_scheme(text))
    except ValueError:
        return False
