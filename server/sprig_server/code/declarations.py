"""What is declared without a body: methods of interfaces, functions in headers, signatures of overloads."""

from __future__ import annotations

import re

from tree_sitter import Node

from sprig_server.code.documentation import comment_above
from sprig_server.code.functions import span_of
from sprig_server.code.languages import find_language
from sprig_server.code.recovery import definition_tree
from sprig_server.code.syntax import SyntaxTree, ancestors
from sprig_server.types import Definition, Kind

_DECLARATIONS = frozenset(
    {
        *("declaration", "field_declaration"),  # C++
        *("method_declaration", "constructor_declaration"),  # Java
        *("function_signature", "method_signature", "abstract_method_signature"),  # TypeScript
    }
)
_OUTER = frozenset({"template_declaration", "export_statement"})
_LONGEST = 200_000  # characters: 100 ms
_SPACE = re.compile(r"\s+")


def declaration_at(text: str, language: str, start: int, owner: str) -> Definition | None:
    """The declaration whose name starts at a character; None if there is none, or if the text is long.

    Args:
        owner: what its name is qualified with, if anything.
    """
    if len(text) > _LONGEST:
        return None
    tree = definition_tree(text, find_language(language))
    name = _name_at(tree, start)
    around = list(ancestors(tree, name)) if name is not None else []
    place = next((place for place, node in enumerate(around) if node.type in _DECLARATIONS), None)
    if name is None or place is None:
        return None
    outer = around[place]
    for parent in around[place + 1 :]:
        if parent.type not in _OUTER:
            break
        outer = parent
    first, last = tree.start(outer), tree.end(outer)
    written = tree.text_of(name)
    kind: Kind = "method" if owner else "function"
    return Definition(
        name=written,
        qualified_name=f"{owner}{tree.language.separator}{written}" if owner else written,
        kind=kind,
        language=tree.language.name,
        signature=_SPACE.sub(" ", tree.text[first:last]).strip().rstrip(";").rstrip(),
        documentation=comment_above(tree, outer),
        code="",
        span=span_of(tree.lines, first, last),
        name_span=span_of(tree.lines, start, tree.end(name)),
    )


def _name_at(tree: SyntaxTree, start: int) -> Node | None:
    """The smallest node that starts at a character."""
    node: Node | None = tree.root
    while node is not None and node.child_count:
        inner = next((c for c in node.children if tree.start(c) <= start < tree.end(c)), None)
        if inner is None:
            break
        node = inner
    return node if node is not None and tree.start(node) == start else None
