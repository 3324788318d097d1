"""The statements of a function and their classes.

The 21 classes are those of LeanCode, here taken from the syntax tree instead of from prefixes of the text. A statement
is the header of a compound statement, or a whole simple one; a closing brace is a statement of class "none".
"""

from __future__ import annotations

import re

import numpy as np
from tree_sitter import Node

from sprig_server.code.languages import find_language
from sprig_server.code.lines import Lines
from sprig_server.code.syntax import SyntaxTree
from sprig_server.types import Span, Statement

CLASSES: tuple[str, ...] = (
    "try", "catch", "finally", "break", "continue", "return", "throw", "annotation", "while", "for", "if",
    "expression", "synchronized", "case", "method", "variable", "logger", "setter", "getter", "function", "switch",
    "none",
)  # fmt: skip
"""The 21 classes of LeanCode, and "none"."""

_BLOCKS = frozenset(
    {
        "block",
        "statement_block",
        "compound_statement",
        "constructor_body",
        "class_body",
        "switch_block",
        "switch_body",
    }
)
_UPDATES = frozenset({"augmented_assignment", "augmented_assignment_expression", "update_expression"})
_ASSIGNMENTS = frozenset({"assignment", "assignment_expression"})
_UNWRAPPED = frozenset({"await", "await_expression", "parenthesized_expression"})
_LOGGER = re.compile(
    r"^(?:.*(?:\.|->|::|\b))?_?(?:log(?:ger|ging)?|LOG(?:GER)?|console|f?print(?:f|ln)?|cout|cerr|clog)\b"
)
_SETTER = re.compile(r"(?:^|\.|->|::)set[A-Z_]\w*$|(?:\.|->|::)set$")
_GETTER = re.compile(r"(?:^|\.|->|::)get(?:[A-Z_]\w*)?$")


def split_statements(text: str, language: str) -> tuple[Statement, ...]:
    """The statements of a piece of code, in order; between them there is nothing but white space.

    Args:
        text: the source of a function, or any piece of code.
        language: a name or alias of a language.

    Raises:
        InvalidInput: unknown language.
    """
    tree = SyntaxTree(text, find_language(language))
    categories = ["none"]
    owner = np.zeros(len(text), dtype=np.int64)  # for each character, the innermost statement that holds it
    for node in tree.nodes(_BLOCKS.union(tree.language.statements)):
        if node.type in tree.language.statements:
            if _in_header(tree, node):
                continue
            categories.append(_category(tree, node))
            owner[tree.start(node) : tree.end(node)] = len(categories) - 1
            continue
        for child in node.children:  # what has no class of its own is "none", not a part of the header around it
            if child.type != "{" and child.type not in tree.language.statements:
                categories.append("none")
                owner[tree.start(child) : tree.end(child)] = len(categories) - 1
    lines = Lines(text)
    edges = (np.flatnonzero(np.diff(owner)) + 1).tolist()
    statements: list[Statement] = []
    for start, end in zip([0, *edges], [*edges, len(text)], strict=True):
        piece = text[start:end]
        if piece.strip():
            category = categories[owner[start]]
            start += len(piece) - len(piece.lstrip())
            end -= len(piece) - len(piece.rstrip())
            statements.append(Statement(category, Span(start, end, lines.line_of(start), lines.line_of(end - 1))))
    return tuple(statements)


def _in_header(tree: SyntaxTree, node: Node) -> bool:
    """Whether the node is part of a loop's header, as the declaration in `for (int i = 0; ...)` is."""
    parent = node.parent
    return (
        parent is not None
        and tree.language.statements.get(parent.type) == "for"
        and tree.language.statements[node.type] in ("variable", "expression")
        and parent.child_by_field_name("body") != node
    )


def _category(tree: SyntaxTree, node: Node) -> str:
    category = tree.language.statements[node.type]
    if category != "expression":
        return category
    inner = node.named_children[0] if node.named_children else None
    while inner is not None and inner.type in _UNWRAPPED and inner.named_children:
        inner = inner.named_children[0]
    if inner is None:
        return "none"
    if inner.type in _UPDATES:
        return "expression"
    if inner.type in _ASSIGNMENTS:
        # tree-sitter-cpp calls `a += b` an assignment too.
        operator = inner.child_by_field_name("operator")
        return "expression" if operator is not None and tree.text_of(operator) != "=" else "variable"
    if inner.type in tree.language.functions:
        return "method"
    called = tree.language.calls.get(inner.type)
    if called is None:  # C++ writes its log lines with an operator
        return "logger" if _LOGGER.match(tree.text_of(inner).split("<<")[0]) and "<<" in tree.text_of(inner) else "none"
    return _call_category(_callee(tree, inner, called))


def _callee(tree: SyntaxTree, call: Node, field: str) -> str:
    """The called expression as written, without spaces: "log.info"."""
    named = call.child_by_field_name(field)
    if named is None:
        return ""
    return re.sub(r"\s+", "", tree.text[tree.start(call) : tree.end(named)])


def _call_category(callee: str) -> str:
    if _LOGGER.match(callee):
        return "logger"
    if _SETTER.search(callee):
        return "setter"
    return "getter" if _GETTER.search(callee) else "function"
