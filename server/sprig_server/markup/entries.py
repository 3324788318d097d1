"""What a tag says of a parameter, a property or an exception: its name, its type and its text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sprig_server.markup.block_tags import Part
from sprig_server.markup.escape import code_span

_DASH = re.compile(r"\A\s*(?:(?:[-–—:]|--)(?:[ \t]+|(?=\n)|\Z))?")
_DIRECTION = re.compile(r"\A\s*\[\s*((?:in|out|inout)(?:\s*,\s*(?:in|out))?)\s*\]")
_NAME = re.compile("\\A\\s*(<[\\w$ ,]+>|\ue000\\d+\ue001|[^\\s,\ue000-\ue002]+(?:,[^\\s,\ue000-\ue002]+)*)")
_OPTIONAL = re.compile(r"\A\s*\[\s*([^=\[\]\n]+?)\s*(?:=\s*([^\n]*?))?\s*\](?![\w.])")
_THROWN = re.compile(
    r"\A\s*((?:[\w$]+(?:\.|::))+\w+|[A-Z][\w$]*(?:Error|Exception|Fault)\w*|[A-Z]\w+(?=\s+(?:if|when)\b|\s*\Z))"
)
_KEPT = re.compile("\\A\\s*(\ue000\\d+\ue001)")


@dataclass(frozen=True, slots=True)
class Named:
    """The beginning of an entry as Markdown, and the rest of its text as it is written."""

    name: str
    kind: str
    rest: str


def named(part: Part, has_types: bool) -> Named:
    """Takes a part with entries apart.

    Args:
        has_types: whether types in braces and optional names in brackets come first, as in JSDoc.
    """
    kind, text = braced(part.text) if has_types else ("", part.text)
    if part.title == "Throws":
        match = _KEPT.match(text) or _THROWN.match(text) if not kind else None
        thrown = match[1] if match is not None else ""
        shown = kind or (thrown if thrown.startswith("\ue000") else code_span(thrown) if thrown else "")
        return Named(shown, "", without_dash(text[match.end() :] if match is not None else text))
    direction = _DIRECTION.match(text)
    if direction is not None:
        kind, text = re.sub(r"\s*,\s*", ", ", direction[1]), text[direction.end() :]
    optional = _OPTIONAL.match(text) if has_types else None
    match = optional or _NAME.match(text)
    if match is None:
        return Named("", kind, text)
    if optional is not None:
        said = f"default {code_span(optional[2])}" if optional[2] else "optional"
        kind = f"{kind}, {said}" if kind else said
    names = match[1].strip("<>") if part.title == "Type parameters" or match[1].startswith("<") else match[1]
    shown = (
        names
        if names.startswith("\ue000")
        else ", ".join(code_span(name) for piece in names.split(",") if (name := piece.strip().rstrip(":")))
    )
    return Named(shown, kind, without_dash(text[match.end() :]))


def braced(text: str) -> tuple[str, str]:
    """The type in braces before a text, as code, and the rest; "" without braces."""
    start, depth = len(text) - len(text.lstrip()), 0
    if text[start : start + 1] != "{":
        return "", text
    for place in range(start, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            inner = " ".join(text[start + 1 : place].split())
            return (code_span(inner) if inner else ""), text[place + 1 :]
    return "", text


def without_dash(text: str) -> str:
    """A text without the dash or colon that parts it from a name."""
    dash = _DASH.match(text)
    return text[dash.end() :] if dash is not None else text
