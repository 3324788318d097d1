"""Reading TOML with errors that a user can act on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from sprig_server.errors import InvalidInput

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_T = TypeVar("_T")
_RENAMED = {
    "products": "linear_dtype",
    "recovery_products": "recovery_linear_dtype",
    "tables": "embedding_dtype",
    "learn_tables": "train_embeddings",
}


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        InvalidInput: no such file, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not a TOML file: {error}.") from error


def fill(kind: type[_T], content: dict[str, Any], path: Path, what: str) -> _T:
    """A frozen dataclass from the keys of a TOML table.

    Args:
        kind: the dataclass. Its annotations say which values a key accepts.
        content: the table.
        path: the file, and `what` the table's name, both for errors.

    Raises:
        InvalidInput: a key is unknown, missing or of the wrong type.
    """
    known = get_type_hints(kind)
    for old, new in _RENAMED.items():
        if old in content and new in known:
            raise InvalidInput(f"{path}: {old} of {what} is called {new} now: rename it.")
    unknown = sorted(content.keys() - known.keys())
    if unknown:
        raise InvalidInput(f"{path}: {what} does not know {', '.join(unknown)}; known are {', '.join(known)}.")
    values = {key: _checked(value, known[key], f"{path}: {key} of {what}") for key, value in content.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise InvalidInput(f"{path}: {what} lacks a key ({error}).") from error


def _checked(value: object, kind: Any, where: str) -> object:
    if get_origin(kind) is Literal:
        if value in get_args(kind):
            return value
        raise InvalidInput(f"{where} must be one of {', '.join(map(repr, get_args(kind)))}, not {value!r}.")
    if get_origin(kind) is tuple and isinstance(value, (list, tuple)):
        return tuple(_checked(item, get_args(kind)[0], where) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise InvalidInput(f"{where} must be of type {kind.__name__}, not {value!r}.")
