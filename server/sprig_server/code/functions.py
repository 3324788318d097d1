"""The functions of a source text.

Broken code is normal in an editor. Nothing here raises; whatever tree-sitter still recognises is found.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from tree_sitter import Node

from sprig_server.code.docstrings import docstring_of_body
from sprig_server.code.documentation import comment_above
from sprig_server.code.languages import Language, find_language
from sprig_server.code.lines import Lines, with_feeds_only
from sprig_server.code.naming import holder_of, name_node_of, name_path, scope_names
from sprig_server.code.recovery import definition_tree
from sprig_server.code.syntax import SyntaxTree, ancestors
from sprig_server.types import Definition, Kind, Span

_SPACE = re.compile(r"\s+")
_AFTER_DOCSTRING = re.compile(r"[ \t]*;?[ \t]*(?:\r\n|\r|\n)?")


def parse_functions(text: str, language: str) -> tuple[Definition, ...]:
    """Every function, method and constructor with a body, in the order of the text.

    Args:
        text: a whole source file, or any piece of one.
        language: a name or alias of `languages.LANGUAGES`.

    Raises:
        InvalidInput: unknown language.
    """
    tree = definition_tree(text, find_language(language))
    return tuple(function for _, function in define_functions(tree))


def enclosing_function(functions: Iterable[Definition], offset: int) -> Definition | None:
    """The innermost function whose span holds the character at `offset`."""
    holding = [f for f in functions if f.span.start <= offset < f.span.end]
    return min(holding, key=lambda f: f.span.end - f.span.start, default=None)


def function_at_line(functions: Sequence[Definition], line: int) -> Definition | None:
    """The innermost function that covers the 0-based `line`."""
    holding = [f for f in functions if f.span.start_line <= line <= f.span.end_line]
    return min(holding, key=lambda f: f.span.end_line - f.span.start_line, default=None)


def define_functions(tree: SyntaxTree) -> list[tuple[Node, Definition]]:
    """Every function with its node. If one name has several functions, as in `a ? f : g`, only the longest."""
    found: dict[int, tuple[Node, Definition]] = {}
    for node in tree.definitions(tree.language.functions):
        function = define_function(tree, node)
        if function is not None:
            other = found.get(function.name_span.start)
            if other is None or other[0].end_byte - other[0].start_byte < node.end_byte - node.start_byte:
                found[function.name_span.start] = (node, function)
    # In broken text, a part of a function may come before its header.
    return sorted(found.values(), key=lambda pair: (pair[1].span.start, -pair[1].span.end))


def define_function(tree: SyntaxTree, node: Node) -> Definition | None:
    """The function that `node` defines; None if it has no body or no name."""
    body = node.child_by_field_name("body")
    if body is None:
        return None
    around = list(ancestors(tree, node))
    name_node = name_node_of(tree, node, around)
    if name_node is None:
        return None
    own_path = name_path(tree, name_node)
    if not own_path:
        return None
    outer = outermost(tree, node, around)
    scopes = scope_names(tree, node, name_node, around)
    path = [*(scope for scope, _ in scopes if scope), *own_path]
    within_type = len(own_path) > 1 or (len(scopes) > 0 and scopes[-1][1])
    if len(own_path) == 1 and node.type in tree.language.values:  # a local variable is not a member
        within_type = within_type and _is_member(tree.language, around)
    documentation, code = _documentation_and_code(tree, outer, body)
    start, end = start_of(tree, outer), tree.end(outer)
    return Definition(
        name=path[-1],
        qualified_name=tree.language.separator.join(path),
        kind=_kind(tree.language, node, path, within_type),
        language=tree.language.name,
        signature=_signature(tree, outer, node, body),
        documentation=documentation,
        code=code,
        span=span_of(tree.lines, start, end),
        name_span=span_of(tree.lines, tree.start(name_node), tree.end(name_node)),
    )


def span_of(lines: Lines, start: int, end: int) -> Span:
    """The span of the characters [start, end)."""
    return Span(start, end, lines.line_of(start), lines.line_of(max(start, end - 1)))


def _is_member(language: Language, around: Sequence[Node]) -> bool:
    return next((n.type in language.types for n in around if n.type in language.types | language.functions), False)


def _kind(language: Language, node: Node, path: Sequence[str], within_type: bool) -> Kind:
    name = path[-1]
    if "constructor" in node.type or (within_type and name in language.constructors):
        return "constructor"
    if within_type and language.separator == "::" and len(path) > 1 and path[-2].split("<")[0] == name:
        return "constructor"
    return "method" if within_type else "function"


def outermost(tree: SyntaxTree, node: Node, around: Sequence[Node] | None = None) -> Node:
    """The node that includes everything that belongs to the definition: decorators, `export`, `const name =`, template
    header.
    """
    around = list(ancestors(tree, node)) if around is None else around
    held = holder_of(tree, node, around)
    outer, after = (around[held[0]], held[0] + 1) if held is not None else (node, 0)
    wrappers = tree.language.wrappers | tree.language.value_wrappers if held is not None else tree.language.wrappers
    for parent in around[after:]:
        if parent.type not in wrappers:
            break
        if outer.type in tree.language.named_by and any(c.type == outer.type and c != outer for c in parent.children):
            break
        outer = parent
    return outer


def first_of(outer: Node) -> Node:
    """The first decorator that is a sibling of the definition, as in TypeScript classes, or else the definition."""
    first, before = outer, outer.prev_sibling
    while before is not None and (before.type == "decorator" or "comment" in before.type):
        if before.type == "decorator":
            first = before
        before = before.prev_sibling
    return first


def start_of(tree: SyntaxTree, outer: Node) -> int:
    """Offset of the first character of a definition, its decorators included."""
    return visible_start(tree, first_of(outer))


def visible_start(tree: SyntaxTree, node: Node) -> int:
    """Where a node starts, including text before it on its line that was hidden from the parser, such as an export
    macro.
    """
    start = tree.start(node)
    if tree.readable == tree.text:
        return start
    line_start = tree.readable.rfind("\n", 0, start) + 1
    before = tree.text[line_start:start]
    hidden = before.strip() and not tree.readable[line_start:start].strip()
    return start - len(before.lstrip()) if hidden else start


def _signature(tree: SyntaxTree, outer: Node, node: Node, body: Node) -> str:
    shown = next((c for c in outer.children if c.type != "decorator"), outer)  # without decorators
    start = visible_start(tree, shown)
    end = header_end(tree, node, body)
    initializers = next((c for c in node.children if c.type == "field_initializer_list"), None)
    if initializers is not None:
        end = tree.start(initializers)
    return _SPACE.sub(" ", tree.text[start:end]).strip().rstrip("{:").rstrip()


def header_end(tree: SyntaxTree, node: Node, body: Node) -> int:
    """Where a header ends: in Python at its colon, because comments and unfinished code may come before the body."""
    colon = next((c for c in reversed(node.children) if c.end_byte <= body.start_byte and c.type == ":"), None)
    return tree.start(colon if tree.language.docstrings and colon is not None else body)


def _documentation_and_code(tree: SyntaxTree, outer: Node, body: Node) -> tuple[str, str]:
    start, end = start_of(tree, outer), tree.end(outer)
    if not tree.language.docstrings:
        return comment_above(tree, outer), dedent(tree.lines, start, end)
    documentation, holes = docstring_of(tree, body)
    return documentation, dedent(tree.lines, start, end, holes)


def docstring_of(tree: SyntaxTree, body: Node) -> tuple[str, list[tuple[int, int]]]:
    """The text of a docstring, and the ranges to leave out of the code: at most one."""
    found = docstring_of_body(tree, body) if body.type in tree.language.docstrings else None
    if found is None:
        return "", []
    statement, documentation = found
    start, end = tree.start(statement), tree.end(statement)
    after = _AFTER_DOCSTRING.match(tree.text, end)
    assert after is not None
    if not after.group().endswith(("\r", "\n")):
        return documentation, [(start, after.end())]
    if not tree.lines.starts_line(start):  # the line still ends where it did
        return documentation, [(start, end + len(after.group().rstrip("\r\n")))]
    return documentation, [(tree.lines.blanks_before(start), after.end())]  # remove the whole line


def without(text: str, start: int, end: int, holes: Iterable[tuple[int, int]]) -> str:
    """text[start:end] without the holes, which may nest. Holes that extend beyond the range are ignored."""
    kept: list[str] = []
    position = start
    for hole_start, hole_end in sorted(holes):
        if hole_end <= position or hole_start < start or hole_end > end:
            continue
        kept.append(text[position : max(position, hole_start)])
        position = hole_end
    kept.append(text[position:end])
    return "".join(kept)


def dedent(lines: Lines, start: int, end: int, holes: Iterable[tuple[int, int]] = ()) -> str:
    """The characters [start, end) without the holes, common indentation and trailing space. Lines end in a line
    feed.
    """
    indentation = ""
    if lines.starts_line(start):  # otherwise other code precedes the function on its line
        indentation = lines.text[lines.blanks_before(start) : start]
    code = indentation + without(lines.text, start, end, holes)
    return textwrap.dedent(with_feeds_only(code)).rstrip()
