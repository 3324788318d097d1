"""Everything in a file that a search can find: its functions, its classes, and the module itself."""

from __future__ import annotations

import re
from bisect import bisect_left

from tree_sitter import Node

from sprig_server.code.documentation import comment_above, comments_above
from sprig_server.code.functions import (
    dedent,
    define_functions,
    docstring_of,
    header_end,
    outermost,
    span_of,
    start_of,
    without,
)
from sprig_server.code.languages import find_language
from sprig_server.code.lines import with_feeds_only
from sprig_server.code.naming import name_node_of, name_path, scope_names
from sprig_server.code.recovery import definition_tree
from sprig_server.code.syntax import SyntaxTree, ancestors
from sprig_server.types import Definition, Span

_WORD = re.compile(r"[^\W\d_]{3}")


def parse_outline(text: str, language: str, module: str) -> tuple[Definition, ...]:
    """The functions of a file, then its classes, then the module if it has code outside both.

    Args:
        text: a whole source file.
        language: a name or alias of a language.
        module: the name of the module, such as the file name without its extension.

    Raises:
        InvalidInput: unknown language.
    """
    return outline(definition_tree(text, find_language(language)), module)


def outline(tree: SyntaxTree, module: str) -> tuple[Definition, ...]:
    """The outline of a parsed tree; see `parse_outline`."""
    text = tree.text
    functions: list[Definition] = []
    classes: list[Definition] = []
    bodies: list[tuple[int, int]] = []
    documentation, holes = docstring_of(tree, tree.root) if tree.language.docstrings else ("", [])
    for node, function in define_functions(tree):
        body = node.child_by_field_name("body")
        assert body is not None
        functions.append(function)
        bodies.append((tree.start(body), tree.end(body)))
        holes += _holes(tree, node, function)
    bodies.sort()
    for node in tree.definitions(tree.language.types):
        if c := _define_class(tree, node, bodies):
            classes.append(c)
            holes += _holes(tree, node, c)
    found = [*functions, *classes]
    rest = with_feeds_only(without(text, 0, len(text), holes))
    if not _WORD.search(rest):
        return tuple(found)
    here = Span(0, len(text), 0, len(tree.lines) - 1)
    whole = Definition(module, module, "module", tree.language.name, "", documentation, rest, here, Span(0, 0, 0, 0))
    return (*found, whole)


def _define_class(tree: SyntaxTree, node: Node, bodies: list[tuple[int, int]]) -> Definition | None:
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
    holes = bodies[bisect_left(bodies, (start, 0)) : bisect_left(bodies, (end, 0))]
    documentation = comment_above(tree, outer)
    if tree.language.docstrings:
        documentation, own = docstring_of(tree, body)
        holes += own
    path = [*(name for name, _ in scope_names(tree, node, name_node, around) if name), *path]
    return Definition(
        name=path[-1],
        qualified_name=tree.language.separator.join(path),
        kind="class",
        language=tree.language.name,
        signature=" ".join(tree.text[start : header_end(tree, node, body)].split()).rstrip("{: "),
        documentation=documentation,
        code=dedent(tree.lines, start, end, holes),
        span=span_of(tree.lines, start, end),
        name_span=span_of(tree.lines, tree.start(name_node), tree.end(name_node)),
    )


def _holes(tree: SyntaxTree, node: Node, definition: Definition) -> list[tuple[int, int]]:
    """The ranges that a definition removes from its module's code: itself and its documentation comments."""
    above = [] if tree.language.docstrings else comments_above(tree, outermost(tree, node))
    return [(definition.span.start, definition.span.end), *((tree.start(c), tree.end(c)) for c in above)]
