"""Documentation above a definition: the comments right before it, without directives for tools and without code."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tree_sitter import Node

from sprig_server.code.commented_code import is_code
from sprig_server.code.directives import for_people
from sprig_server.code.lines import with_feeds_only, without_indentation
from sprig_server.code.syntax import SyntaxTree

_LINE_END = re.compile(r"\r\n|\r|\n")
_LINE_MARK = re.compile(r"^\s*(?:///?|//!)<?!?\s?")
_KIND = re.compile(r"\s*(/\*|///|//!|//)")
_BLOCK_EDGE = re.compile(r"^/\*+[!<]*|\*+/$")
_BLOCK_MARK = re.compile(r"^[ \t]*(?:\*(?!\*)|\*\*(?=\s|\Z))[ \t]?", re.MULTILINE)
_PRAGMA = re.compile(r"#\s*pragma\b")

_MOST_CODE = 5  # comments with code above one definition, each of which is parsed


def comment_above(tree: SyntaxTree, definition: Node) -> str:
    """The text of the comments right above a definition, without comment marks."""
    runs = _runs(tree, comments_above(tree, definition))
    said = [clean_comment(run.text) for run in runs if not _is_code(tree, run)]
    return "\n".join(text for text in said if text)


def comments_above(tree: SyntaxTree, definition: Node) -> list[Node]:
    """The comments right above a definition and its decorators, in text order, including directives between them.

    A block comment, or an unbroken run of line comments, counts if it starts its line and no blank line separates it
    from the definition. A documentation block may be followed by one blank line. Code that is commented out says no
    more than a directive does.
    """
    silent: set[int] = set()
    for _ in range(_MOST_CODE):
        comments = _comments_above(tree, definition, silent)
        runs = [run for run in _runs(tree, comments) if not silent.issuperset(node.id for node in run.nodes)]
        code = {node.id for run in runs if _is_code(tree, run) for node in run.nodes}
        if not code:
            break
        silent |= code
    return comments


@dataclass(slots=True)
class _Run:
    """A block comment, or line comments with the same mark."""

    mark: str
    nodes: list[Node]
    text: str


def _runs(tree: SyntaxTree, comments: list[Node]) -> list[_Run]:
    runs: list[_Run] = []
    for node in comments:
        text = tree.text_of(node).rstrip()
        mark = text[: len(text) - len(text.lstrip("/*!"))]
        if runs and runs[-1].mark == mark and not mark.startswith("/*"):
            runs[-1].nodes.append(node)
            runs[-1].text += f"\n{text}"
        else:
            runs.append(_Run(mark, [node], text))
    return runs


def _is_code(tree: SyntaxTree, run: _Run) -> bool:
    """Whether a comment is code that was commented out. What is marked as documentation is not."""
    return run.mark in ("//", "/*") and is_code(clean_comment(run.text), tree.language)


def _comments_above(tree: SyntaxTree, definition: Node, silent: set[int]) -> list[Node]:
    comments: list[Node] = []
    last = ""  # what the comment below says
    below, node = definition, definition.prev_sibling
    while node is not None and not last.startswith("/*"):
        text = tree.text_of(node)
        if "comment" in node.type:
            speaks = node.id not in silent and clean_comment(text) != ""
            if not _belongs(tree, node, below, is_first=not last, speaks=speaks):
                break
            comments.append(node)
            last = text if speaks else last
        elif not (
            node.type == "decorator"
            or _PRAGMA.match(text)
            or (not last and (_is_overload(node, definition) or _is_macro(tree, node, below)))
        ):
            break
        below, node = node, node.prev_sibling
    return comments[::-1]


def _is_macro(tree: SyntaxTree, node: Node, below: Node) -> bool:
    """Whether a node is the semicolon that stands for a macro on the line above a definition, or on its own."""
    return node.type == ";" and len(_LINE_END.findall(tree.text[tree.end(node) : tree.start(below)])) <= 1


def _is_overload(node: Node, definition: Node) -> bool:
    """Whether a node is an overload signature of TypeScript, which is documented in place of its implementation."""
    signature = node.child_by_field_name("declaration") or node
    if signature.type not in ("function_signature", "method_signature"):
        return False
    name = signature.child_by_field_name("name")
    own = (definition.child_by_field_name("declaration") or definition).child_by_field_name("name")
    return name is not None and own is not None and name.text == own.text


def _belongs(tree: SyntaxTree, comment: Node, below: Node, is_first: bool, speaks: bool) -> bool:
    text, between = tree.text_of(comment), tree.text[tree.end(comment) : tree.start(below)]
    if speaks and text.startswith("/*") and not is_first:
        return False
    if not tree.lines.starts_line(tree.start(comment)):
        before = comment.prev_sibling
        if speaks or before is None or "comment" not in before.type:
            return False
    blank_lines = len(_LINE_END.findall(between)) - (not text.endswith("\n"))
    return blank_lines <= (1 if text.startswith(("/**", "/*!")) and is_first else 0)


def clean_comment(comment: str) -> str:
    """The text of a block comment or a run of line comments, without directives, comment marks and common
    indentation.
    """
    comment = with_feeds_only(comment).strip()
    if comment.startswith("/*"):
        inner = _BLOCK_MARK.sub("", _BLOCK_EDGE.sub("", comment))
    else:
        inner = "\n".join(_LINE_MARK.sub("", line) for line in comment.splitlines())
    return without_indentation("\n".join(for_people(inner.split("\n"))))
