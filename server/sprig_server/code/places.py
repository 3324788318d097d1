"""The syntax trees of a few texts at hand, and what stands at a place in them.

Files are kept without their trees, which are large and cannot be sent to another process.
"""

from __future__ import annotations

from functools import lru_cache

from tree_sitter import Node

from sprig_server.code.languages import find_language
from sprig_server.code.recovery import definition_tree
from sprig_server.code.syntax import SyntaxTree

_LONGEST = 200_000  # characters: 100 ms
_DEEPEST = 1000


def tree_of(text: str, language: str) -> SyntaxTree | None:
    """The tree of a text, where only unfinished code is hidden; None if the text is long.

    Several threads may use it at once, but not with `ancestors`.
    """
    return _tree_of(text, language) if len(text) <= _LONGEST else None


@lru_cache(maxsize=4)
def _tree_of(text: str, language: str) -> SyntaxTree:
    return definition_tree(text, find_language(language))


def path_to(tree: SyntaxTree, offset: int) -> list[tuple[Node, str]]:
    """The nodes that hold a character, outermost first, each with its field in the one before."""
    byte, cursor = tree.byte(offset), tree.root.walk()
    found: list[tuple[Node, str]] = []
    for _ in range(_DEEPEST):
        node = cursor.node
        if node is None or not node.start_byte <= byte < node.end_byte:
            break
        found.append((node, cursor.field_name or ""))
        if cursor.goto_first_child_for_byte(byte) is None:
            break
    return found
