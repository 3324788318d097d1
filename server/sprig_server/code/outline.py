"""Everything of a file that a search can find: its functions, its classes, and the module itself."""

from __future__ import annotations

import re
import textwrap

from tree_sitter import Node

from sprig_server.code.documentation import clean_docstring, comment_above, docstring_node
from sprig_server.code.functions import (
    define_function,
    name_node_of,
    name_path,
    outermost,
    scope_names,
    span_of,
)
from sprig_server.code.languages import find_language
from sprig_server.code.lines import Lines
from sprig_server.code.syntax import SyntaxTree
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
    bodies: list[tuple[int, int]] = []
    for node in tree.nodes(tree.language.functions):
        function = define_function(tree, lines, node)
        body = node.child_by_field_name("body")
        if function is not None and body is not None:
            functions.append(function)
            bodies.append((tree.start(body), tree.end(body)))
    classes = [_define_class(tree, lines, node, bodies) for node in tree.nodes(tree.language.types)]
    found = [*functions, *(c for c in classes if c is not None)]
    rest = _without(text, 0, len(text), [(d.span.start, d.span.end) for d in found])
    if not _WORD.search(rest):
        return tuple(found)
    documentation = ""
    statement = docstring_node(tree.root) if tree.language.docstrings else None
    if statement is not None:
        documentation = clean_docstring(tree.text_of(statement))
    here = Span(0, len(text), 0, len(lines) - 1)
    whole = Definition(module, module, "module", tree.language.name, "", documentation, rest, here, Span(0, 0, 0, 0))
    return (*found, whole)


def _define_class(tree: SyntaxTree, lines: Lines, node: Node, bodies: list[tuple[int, int]]) -> Definition | None:
    body = node.child_by_field_name("body")
    name_node = name_node_of(tree.language, node)
    path = name_path(tree, name_node) if name_node is not None else []
    if body is None or name_node is None or not path:
        return None
    outer = outermost(tree.language, node)
    start, end = tree.start(outer), tree.end(outer)
    documentation = comment_above(tree, outer)
    if tree.language.docstrings:
        statement = docstring_node(body)
        documentation = clean_docstring(tree.text_of(statement)) if statement is not None else ""
    path = [*(name for name, _ in scope_names(tree, node, name_node)), *path]
    return Definition(
        name=path[-1],
        qualified_name=tree.language.separator.join(path),
        kind="class",
        language=tree.language.name,
        signature=" ".join(tree.text[start : tree.start(body)].split()).rstrip("{: "),
        documentation=documentation,
        code=textwrap.dedent(_without(tree.text, start, end, bodies)).rstrip(),
        span=span_of(lines, start, end),
        name_span=span_of(lines, tree.start(name_node), tree.end(name_node)),
    )


def _without(text: str, start: int, end: int, holes: list[tuple[int, int]]) -> str:
    """text[start:end] without the holes, which may nest and may reach outside."""
    kept: list[str] = []
    position = start
    for hole_start, hole_end in sorted(holes):
        if hole_end <= position or hole_start >= end or hole_start < start:
            continue
        kept.append(text[position : max(position, hole_start)])
        position = hole_end
    kept.append(text[position:end])
    return "".join(kept)
