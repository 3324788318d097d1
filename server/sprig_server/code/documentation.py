"""The documentation that stands above a definition: the comments right before it."""

from __future__ import annotations

import re

from tree_sitter import Node

from sprig_server.code.lines import with_feeds_only, without_indentation
from sprig_server.code.syntax import SyntaxTree

_LINE_END = re.compile(r"\r\n|\r|\n")
_LINE_MARK = re.compile(r"^\s*(?:///?|//!)<?!?\s?")
_BLOCK_EDGE = re.compile(r"^/\*+[!<]*|\*+/$")
_BLOCK_MARK = re.compile(r"^[ \t]*\*(?!\*)[ \t]?", re.MULTILINE)


def comment_above(tree: SyntaxTree, definition: Node) -> str:
    """The text of the comments that stand right above a definition, without their marks."""
    return clean_comment("\n".join(tree.text_of(node).rstrip() for node in comments_above(tree, definition)))


def comments_above(tree: SyntaxTree, definition: Node) -> list[Node]:
    """The comments that stand right above a definition, in the order of the text.

    A block comment or an unbroken run of line comments counts where it starts its line and no blank line parts it
    from the definition (a documentation block may have one).
    """
    comments: list[Node] = []
    below = definition
    node = definition.prev_sibling
    while node is not None and "comment" in node.type and tree.lines.starts_line(tree.start(node)):
        text = tree.text_of(node)
        is_block = text.startswith("/*")
        between = tree.text[tree.end(node) : tree.start(below)]
        blank_lines = len(_LINE_END.findall(between)) - (not text.endswith("\n"))
        if blank_lines > (1 if text.startswith(("/**", "/*!")) and not comments else 0):
            break
        if is_block and comments:
            break
        comments.append(node)
        if is_block:
            break
        below, node = node, node.prev_sibling
    return comments[::-1]


def clean_comment(comment: str) -> str:
    """The text of a block comment or of a run of line comments, without the marks and the common indentation."""
    comment = with_feeds_only(comment).strip()
    if comment.startswith("/*"):
        inner = _BLOCK_MARK.sub("", _BLOCK_EDGE.sub("", comment))
    else:
        inner = "\n".join(_LINE_MARK.sub("", line) for line in comment.splitlines())
    return without_indentation(inner)
