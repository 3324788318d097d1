"""Docstrings: the string statement at the beginning of a body, and its text.

Literals are evaluated here, because `ast.literal_eval` would print warnings about unknown escapes.
"""

from __future__ import annotations

import re
import unicodedata

from tree_sitter import Node

from sprig_server.code.lines import with_feeds_only, without_indentation
from sprig_server.code.syntax import SyntaxTree

_LITERAL = re.compile(r"""^([A-Za-z]*)("{3}|'{3}|"|')(.*)\2$""", re.DOTALL)
_NO_DOCUMENTATION = frozenset("bft")  # the prefixes of bytes, formatted strings and templates
_ESCAPE = re.compile(
    r"\\(?:([\n\\'\"nrt])|([0-7]{1,3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|N\{([^{}]+)\})"
)
_MEANING = {"\n": "", "n": "\n", "r": "\r", "t": "\t"}  # an escaped backslash or quote is itself
_UNSEEN = frozenset({"Cc", "Cs"})  # categories of Unicode: control characters, lone surrogates


def docstring_of_body(tree: SyntaxTree, body: Node) -> tuple[Node, str] | None:
    """The docstring statement of a body and its text; None if there is no docstring or it is empty."""
    statement = next((child for child in body.named_children if child.type != "comment"), None)
    if statement is None:
        return None
    values = [string_value(tree.text_of(string)) for string in _strings(statement)]
    known = [value for value in values if value is not None]
    text = without_indentation("".join(known)) if len(known) == len(values) else ""
    return (statement, text) if text else None


def string_value(literal: str) -> str | None:
    """The value of a string literal, with line feeds as line ends; None for bytes and formatted strings.

    An escape whose character is invisible stays as it is written.
    """
    match = _LITERAL.match(with_feeds_only(literal).strip())
    if match is None or _NO_DOCUMENTATION.intersection(match[1].lower()):
        return None
    return match[3] if "r" in match[1].lower() else with_feeds_only(_ESCAPE.sub(_unescaped, match[3]))


def _unescaped(match: re.Match[str]) -> str:
    plain, octal, *codes, name = match.groups()
    if plain is not None:
        return _MEANING.get(plain, plain)
    code = next((digits for digits in codes if digits is not None), None)
    try:
        if name is not None:
            character = unicodedata.lookup(name)
        else:
            character = chr(int(octal, 8) if octal is not None else int(code or "", 16))
    except (KeyError, ValueError):  # unknown name or number
        return match[0]
    return match[0] if unicodedata.category(character[0]) in _UNSEEN else character


def _strings(statement: Node) -> list[Node]:
    """The literals of a statement that is only a string, possibly parenthesized or in several parts; otherwise none."""
    node = statement
    while node.type in ("expression_statement", "parenthesized_expression"):
        inner = [child for child in node.named_children if child.type != "comment"]
        if len(inner) != 1 or (node.type == "expression_statement" and any(not c.is_named for c in node.children)):
            return []
        node = inner[0]
    if node.type == "concatenated_string":
        return [child for child in node.named_children if child.type == "string"]
    return [node] if node.type == "string" else []
