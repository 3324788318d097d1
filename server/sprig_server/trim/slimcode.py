"""SlimCode: tokens are removed by their role in the syntax. No model is involved."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from tree_sitter import Node

from sprig_server.code.languages import find_language
from sprig_server.code.statements import CLASSES
from sprig_server.code.syntax import SyntaxTree
from sprig_server.trim.tokens import Indices, Tokens

SIGNATURE, IN_STRUCTURE, IN_CALL, NAME, OF_CALL, OF_STRUCTURE, OTHER, SYMBOL = range(1, 9)
"""Levels; the highest is removed first. Identifiers in control structures and calls stay longer than other names, the
signature longest.
"""

_STRUCTURES = frozenset(
    CLASSES.index(name) for name in ("try", "catch", "finally", "for", "while", "if", "switch", "case", "synchronized")
)
_METHOD = CLASSES.index("method")
_NAMES = frozenset(
    {
        "identifier",
        "field_identifier",
        "property_identifier",
        "shorthand_property_identifier",
        "shorthand_property_identifier_pattern",
        "private_property_identifier",
        "this",
        "self",
    }
)


def trim_slim(tokens: Tokens, count: int) -> Indices:
    """The places of the tokens that stay.

    Args:
        tokens: the function.
        count: how many tokens stay, at most all of them.
    """
    order = np.lexsort((-np.arange(len(tokens)), -levels(tokens)))  # by level, then from the end
    return np.sort(order[len(order) - count :])


def levels(tokens: Tokens) -> NDArray[np.int64]:
    """The level of each token, int64 [n]."""
    found = _kinds(SyntaxTree(tokens.code, find_language(tokens.language)))[np.maximum(tokens.ends - 1, 0)]
    inside = np.isin(tokens.classes, list(_STRUCTURES))
    found = np.where(inside & np.isin(found, (NAME, IN_CALL)), IN_STRUCTURE, found)
    found = np.where(inside & np.isin(found, (OTHER, OF_CALL)), OF_STRUCTURE, found)
    return np.where((tokens.classes == _METHOD) & (found != SYMBOL), SIGNATURE, found)


def _kinds(tree: SyntaxTree) -> NDArray[np.int64]:
    """The kind of each character, regardless of statements: part of a symbol, a name, a called name, or something
    else.
    """
    kinds = np.full(len(tree.text) + 1, OTHER, dtype=np.int64)
    leaves = list(_leaves(tree.root))
    for leaf in leaves:
        start, end = tree.start(leaf), tree.end(leaf)
        if not any(map(_is_word, tree.text[start:end])):
            kinds[start:end] = SYMBOL
        elif leaf.type in _NAMES:
            kinds[start:end] = NAME
    for call in tree.nodes(frozenset(tree.language.calls)):
        start, end = tree.start(call), tree.end(call)
        kinds[start:end] = np.select(
            [kinds[start:end] == NAME, kinds[start:end] == OTHER], [IN_CALL, OF_CALL], kinds[start:end]
        )
    for call in tree.nodes(frozenset(tree.language.calls)):
        called = call.child_by_field_name(tree.language.calls[call.type])
        if called is not None:
            last = [leaf for leaf in _leaves(called) if leaf.type in _NAMES][-1:]
            for leaf in last:
                kinds[tree.start(leaf) : tree.end(leaf)] = OF_CALL
    return kinds


def _leaves(node: Node) -> Iterator[Node]:
    """The leaves below a node, in the order of the text."""
    pending = [node]
    while pending:
        node = pending.pop()
        if node.children:
            pending.extend(reversed(node.children))
        else:
            yield node


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
