"""Expressions and types as they are written, read as a chain of names: `shop.Basket(3).total` and `List<Item>`.

Whatever is no such chain, an operator or a literal, is not read: nobody can say what it is without evaluating it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

_NAME = re.compile(r"\s*([^\W\d][\w$]*|\$[\w$]*|#[\w$]+)")
_LINK = re.compile(r"\s*(?:\?\.|\.|->|::)\s*(?=[\w$#~])")
_SKIP = re.compile(r"\s*(?:/\*.*?\*/\s*|//[^\n]*\n\s*)*", re.DOTALL)
_STRING = re.compile(r"""("{3}|'{3}).*?\1|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`""", re.DOTALL)
_PREFIX = re.compile(r"\s*(?:new|typename|struct|class|const|readonly|final|mutable|static|volatile|unsigned)\s+")
_AWAIT = re.compile(r"\s*await\s+")
_CAST = re.compile(r"\s+(?:as|satisfies)\s+(.+)$", re.DOTALL)
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_LONGEST = 2000  # characters
_OPTIONAL = re.compile(
    r"^(?:typing\.|t\.)?(?:Optional|Final|ClassVar|Annotated|Required|NotRequired)\s*\[(.+)\]$", re.DOTALL
)
_NOTHING = frozenset({"None", "null", "undefined", "void", "nullptr"})
_PROMISE = re.compile(r"^(?:Promise|Awaitable|Coroutine)\s*[<\[](.+)[>\]]$", re.DOTALL)

StepKind = Literal["name", "member", "call", "index", "cast", "await"]


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a chain: a `name` at its beginning, a `member` of what stands before, a `call`, an `index`, an
    `await` of everything before it, or a `cast` to a type. `text` is the name or the type, and `called` says that a
    call follows. Of a variable, what it holds is meant, or the variable `itself`."""

    kind: StepKind
    text: str = ""
    called: bool = False
    itself: bool = False


def read_chain(text: str) -> tuple[Step, ...]:
    """The steps of an expression in the order in which they are evaluated; () if it is not a chain."""
    text = text.strip()
    if len(text) > _LONGEST:
        return ()
    awaited = _AWAIT.match(text)
    if awaited is not None:
        inner = read_chain(text[awaited.end() :])
        return (*inner, Step("await")) if inner else ()
    if (cast := _CAST.search(text)) is not None and _closes(text[: cast.start()]):
        return (Step("cast", cast[1]),)
    start = _head(text)
    return _rest(text, *start) if start is not None else ()


def _head(text: str) -> tuple[list[Step], int] | None:
    """The first steps and where they end."""
    prefix = _PREFIX.match(text)
    place = prefix.end() if prefix is not None else 0
    if text[place : place + 1] == "(":
        end = closing(text, place)
        if end is None:
            return None
        inner = text[place + 1 : end - 1]
        if _NAME.match(text, end) is not None:  # `(Type) value`
            return ([Step("cast", inner)], len(text)) if read_chain(text[end:]) else None
        steps = list(read_chain(inner))
        return (steps, end) if steps else None
    if text.startswith("::", place):
        place += 2
    name = _NAME.match(text, place)
    return ([Step("name", name[1])], name.end()) if name is not None else None


def _rest(text: str, steps: list[Step], place: int) -> tuple[Step, ...]:
    while True:
        skipped = _SKIP.match(text, place)
        place = skipped.end() if skipped is not None else place
        if place >= len(text):
            return tuple(steps)
        link = _LINK.match(text, place)
        if link is not None:
            name = _NAME.match(text, link.end())
            if name is None:
                return ()
            steps.append(Step("member", name[1]))
            place = name.end()
            continue
        mark = text[place]
        if mark == "!" and text[place + 1 : place + 2] != "=":  # `value!`
            place += 1
            continue
        end = closing(text, place) if mark in _CLOSING else None
        if end is None:
            return ()
        if mark == "<":
            following = text[end : end + 2].lstrip()
            if not following.startswith(("(", "::", "{", ".")):
                return ()
        elif mark == "[":
            steps.append(Step("index"))
        else:
            steps[-1] = replace(steps[-1], called=True)
            steps.append(Step("call"))
        place = end


def closing(text: str, place: int) -> int | None:
    """Just past the bracket that closes the one at `place`; None if nothing closes it."""
    own, depth = text[place], 0
    pairs = {own: 1, _CLOSING[own]: -1}
    while place < len(text):
        string = _STRING.match(text, place) if text[place] in "\"'`" else None
        if string is not None:
            place = string.end()
            continue
        if own == "<" and text[place] in ";{}":
            return None
        if not (own == "<" and text[place - 1 : place] in ("-", "=")):  # the end of an arrow closes nothing
            depth += pairs.get(text[place], 0)
        place += 1
        if depth == 0:
            return place
    return None


def _closes(text: str) -> bool:
    """Whether every bracket that is opened is closed."""
    return all(text.count(opening) == text.count(end) for opening, end in (("(", ")"), ("[", "]"), ("{", "}")))


def read_type(text: str) -> tuple[Step, ...]:
    """The names of the class in a type: of `Optional["shop.Basket"]` shop and Basket; () if there is no one class."""
    text = text.strip().lstrip(":").strip().strip("\"'").strip()
    if len(text) > _LONGEST:
        return ()
    if (optional := _OPTIONAL.match(text)) is not None:
        return read_type(_first_argument(optional[1]))
    if (promised := _PROMISE.match(text)) is not None:
        return read_type(_first_argument(promised[1]))
    parts = [part.strip() for part in _split(text, "|")]
    known = [part for part in parts if part not in _NOTHING]
    if len(known) != 1:
        return ()
    if len(parts) > 1:
        return read_type(known[0])
    text = re.sub(r"(?:\s|\b)(?:const|volatile)\b", " ", text).strip(" &*?!")
    while (prefix := _PREFIX.match(text)) is not None:
        text = text[prefix.end() :]
    names = re.match(r"(?:::)?([\w$]+(?:\s*(?:\.|::)\s*[\w$]+)*)\s*(<|\[|$)", text)
    if names is None:
        return ()
    if names[2]:
        end = closing(text, names.end() - 1)
        if end != len(text) or text[names.end() - 1 :].replace(" ", "") == "[]":
            return ()
    first, *others = (part.strip() for part in re.split(r"\.|::", names[1]))
    return (Step("name", first), *(Step("member", other) for other in others))


def _first_argument(text: str) -> str:
    return _split(text, ",")[0]


def _split(text: str, mark: str) -> list[str]:
    """The parts between marks that stand in no brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "<[({") - (character in ">])}")
        if character == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
