"""The statements of a function and their classes.

The 21 classes are those of LeanCode. Here they come from the syntax tree instead of text prefixes. A statement is the
header of a compound statement, or a whole simple statement. A closing brace is a statement of class "none".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tree_sitter import Node

from sprig_server.code.languages import find_language
from sprig_server.code.syntax import SyntaxTree

CLASSES: tuple[str, ...] = (
    "try", "catch", "finally", "break", "continue", "return", "throw", "annotation", "while", "for", "if",
    "expression", "synchronized", "case", "method", "variable", "logger", "setter", "getter", "function", "switch",
    "none",
)  # fmt: skip
"""The 21 classes of LeanCode, and "none"."""

_NUMBERS = {name: number for number, name in enumerate(CLASSES)}
_NONE = _NUMBERS["none"]
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


@dataclass(frozen=True, slots=True)
class Statements:
    """The s statements of a text, in order. Only white space separates them.

    Each is the characters [start, end), with the index of its class in `CLASSES`; all int64 [s].
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    def categories(self) -> list[str]:
        """The names of the classes."""
        return [CLASSES[number] for number in self.classes.tolist()]


def split_statements(text: str, language: str) -> Statements:
    """The statements of a piece of code.

    Args:
        text: the source of a function, or any piece of code.
        language: a name or alias of a language.

    Raises:
        InvalidInput: unknown language.
    """
    tree = SyntaxTree(text, find_language(language))
    known = tree.language.statements
    pieces: list[tuple[int, int, int]] = []  # first and last byte, class; inner ones come after outer ones
    for node in tree.nodes(_BLOCKS.union(known)):
        kind = node.type
        if kind in known:
            category = known[kind]
            if category in ("variable", "expression") and _in_header(tree, node):
                continue
            number = _NUMBERS[_category(tree, node) if category == "expression" else category]
            pieces.append((node.start_byte, node.end_byte, number))
            continue
        for child in node.children:  # without a class of its own it is "none", not a part of the header around it
            kind = child.type
            if kind != "{" and kind not in known:
                pieces.append((child.start_byte, child.end_byte, _NONE))
    owner = np.full(len(text), -1, dtype=np.int64)  # for each character, its innermost statement
    if not pieces or not text:
        return _merge(text, owner, np.array([_NONE]))
    spans = np.array(pieces, dtype=np.int64)
    bounds = tree.characters(spans[:, :2]).tolist()
    for number, (start, end) in enumerate(bounds):
        owner[start:end] = number
    return _merge(text, owner, np.append(spans[:, 2], _NONE))


def _merge(text: str, owner: NDArray[np.int64], classes: NDArray[np.int64]) -> Statements:
    """Runs of characters with the same owner, int64 [characters], without white space around them. Owner -1 gets the
    last class.
    """
    edges = np.flatnonzero(np.diff(owner)) + 1
    found: list[tuple[int, int, int]] = []
    for start, end in zip([0, *edges.tolist()], [*edges.tolist(), len(text)], strict=True):
        piece = text[start:end]
        stripped = piece.lstrip()
        if stripped:
            start = end - len(stripped)
            found.append((start, start + len(stripped.rstrip()), int(classes[owner[start]])))
    starts, ends, kinds = np.array(found, dtype=np.int64).reshape(-1, 3).T
    return Statements(starts, ends, kinds)


def _in_header(tree: SyntaxTree, node: Node) -> bool:
    """Whether a declaration or an expression is part of a loop header, as in `for (int i = 0; ...)`."""
    parent = node.parent
    return (
        parent is not None
        and tree.language.statements.get(parent.type) == "for"
        and parent.child_by_field_name("body") != node
    )


def _category(tree: SyntaxTree, node: Node) -> str:
    """The class of a statement that is an expression."""
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
    if called is None:  # C++ logs with an operator
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
