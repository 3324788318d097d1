"""Everything of a file that a search can find: its functions, its classes, and the module itself."""

from __future__ import annotations

import re

from tree_sitter import Node

from sprig_server.code.documentation import comment_above, comments_above
from sprig_server.code.functions import (
    dedent,
    define_functions,
    docstring_of,
    first_of,
    outermost,
    span_of,
    start_of,
    without,
)
from sprig_server.code.languages import find_language
from sprig_server.code.lines import Lines
from sprig_server.code.naming import name_node_of, name_path, scope_names
from sprig_server.code.syntax import SyntaxTree, ancestors
from sprig_server.types import Definition, Span

_WORD = re.compile(r"[^\W\d_]{3}")


def parse_outline(text: str, language: str, module: str) -> tuple[Definition, ...]:
    """The functions of a file, then its classes, then the module where it has code outside of both.

    Args:
        text: a whole source file.
        language: a name or alias of a language.
        module: the name to give the module, such as the file's name without its extension.

    Raises:
        InvalidInput: unknown language.
    """
    tree = SyntaxTree(text, find_language(language))
    lines = Lines(text)
    functions: list[Definition] = []
    classes: list[Definition] = []
    bodies: list[tuple[int, int]] = []
    documentation, holes = docstring_of(tree, tree.root) if tree.language.docstrings else ("", [])
    for node, function in define_functions(tree, lines):
        body = node.child_by_field_name("body")
        assert body is not None
        functions.append(function)
        bodies.append((tree.start(body), tree.end(body)))
        holes += _holes(tree, node, function)
    for node in tree.nodes(tree.language.types):
        if c := _define_class(tree, lines, node, bodies):
            classes.append(c)
            holes += _holes(tree, node, c)
    found = [*functions, *classes]
    rest = without(text, 0, len(text), holes).replace("\r\n", "\n").replace("\r", "\n")
    if not _WORD.search(rest):
        return tuple(found)
    here = Span(0, len(text), 0, len(lines) - 1)
    whole = Definition(module, module, "module", tree.language.name, "", documentation, rest, here, Span(0, 0, 0, 0))
    return (*found, whole)


def _define_class(tree: SyntaxTree, lines: Lines, node: Node, bodies: list[tuple[int, int]]) -> Definition | None:
    body = node.child_by_field_name("body")
    if body is None:
        return None
    around = list(ancestors(tree, node))
    name_node = name_node_of(tree, node, around)
    path = name_path(tree, name_node) if name_node is not None else []
    if name_node is None or not path:
        return None
    outer = outermost(tree, node, around)
    start, end = start_of(tree, outer), tree.end(outer)
    holes = [hole for hole in bodies if start < hole[0]]
    documentation = comment_above(tree, first_of(outer))
    if tree.language.docstrings:
        documentation, own = docstring_of(tree, body)
        holes += own
    path = [*(name for name, _ in scope_names(tree, node, name_node, around) if name), *path]
    return Definition(
        name=path[-1],
        qualified_name=tree.language.separator.join(path),
        kind="class",
        language=tree.language.name,
        signature=" ".join(tree.text[start : tree.start(body)].split()).rstrip("{: "),
        documentation=documentation,
        code=dedent(tree.text, start, end, holes),
        span=span_of(lines, start, end),
        name_span=span_of(lines, tree.start(name_node), tree.end(name_node)),
    )


def _holes(tree: SyntaxTree, node: Node, definition: Definition) -> list[tuple[int, int]]:
    """What a definition takes out of its module: itself and the comments above that document it."""
    above = [] if tree.language.docstrings else comments_above(tree, first_of(outermost(tree, node)))
    return [(definition.span.start, definition.span.end), *((tree.start(c), tree.end(c)) for c in above)]
