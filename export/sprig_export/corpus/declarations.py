"""Documentation of declarations, as in C++ headers, for their definitions elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from sprig_server.code.documentation import comment_above
from sprig_server.code.functions import outermost
from sprig_server.code.languages import find_language
from sprig_server.code.naming import name_node_of, name_path, scope_names
from sprig_server.code.syntax import SyntaxTree
from sprig_server.types import Definition

_DECLARATIONS = frozenset({"declaration", "field_declaration"})
_ARGUMENTS = re.compile(r"<[^<>]*>")
_KEPT_NAMES = 2

Key = tuple[str, ...]
"""The last parts of a qualified name ("Class", "method") and the number of parameters as text."""


def documented_declarations(text: str) -> Iterator[tuple[Key, str]]:
    """The documented function declarations of a C++ text, as (key, documentation without comment marks)."""
    tree = SyntaxTree(text, find_language("cpp"))
    for node in tree.nodes(_DECLARATIONS):
        declarator = _function_declarator(node)
        named = name_node_of(tree, node, ()) if declarator is not None else None
        if declarator is None or named is None:
            continue
        documentation = comment_above(tree, outermost(tree, node)) or _comment_behind(tree, node)
        if not documentation:
            continue
        scopes = [scope for scope, _ in scope_names(tree, node, named) if scope]
        parameters = declarator.child_by_field_name("parameters")
        count = _count(tree.text_of(parameters)) if parameters is not None else 0
        yield _key([*scopes, *name_path(tree, named)], count), documentation


def definition_key(function: Definition) -> Key:
    """The key under which the declaration of a definition is found."""
    start = function.signature.rfind(function.name)
    opening = function.signature.find("(", max(start, 0))
    return _key(function.qualified_name.split("::"), _count(_balanced(function.signature[opening:])))


def _key(path: list[str], parameters: int) -> Key:
    names = [_ARGUMENTS.sub("", _ARGUMENTS.sub("", part)) for part in "::".join(path).split("::")]
    return (*[name for name in names if name][-_KEPT_NAMES:], str(parameters))


def _function_declarator(node: Node) -> Node | None:
    current = node.child_by_field_name("declarator")
    while current is not None and current.type != "function_declarator":
        inner = current.child_by_field_name("declarator")
        if inner is None and current.type == "reference_declarator" and current.named_children:
            inner = current.named_children[0]
        current = inner
    return current


def _comment_behind(tree: SyntaxTree, node: Node) -> str:
    """The text of a comment `///< ...` after a declaration, on the same line."""
    after = node.next_sibling
    if after is None or after.type != "comment" or after.start_point[0] != node.end_point[0]:
        return ""
    text = tree.text_of(after)
    return re.sub(r"^(?:///?|/\*\*?)[!/]?<\s*|\*/$", "", text).strip() if "<" in text[:5] else ""


def _balanced(text: str) -> str:
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[: index + 1]
    return text


def _count(parameters: str) -> int:
    """The number of parameters in "(int a, T<x, y> b)"."""
    inner = parameters.strip()[1:-1]
    previous = ""
    while previous != inner:  # commas in templates, calls and braces do not separate parameters
        previous, inner = inner, re.sub(r"<[^<>]*>|\([^()]*\)|\{[^{}]*\}|\[[^\[\]]*\]", "", inner)
    inner = inner.strip()
    return 0 if inner in ("", "void") else inner.count(",") + 1
