"""The functions of a source text.

Broken code is normal in an editor: nothing here raises, and whatever tree-sitter can still recognise is found.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from tree_sitter import Node

from sprig_server.code.documentation import clean_docstring, comment_above, docstring_node
from sprig_server.code.languages import Language, find_language
from sprig_server.code.lines import Lines
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
    tree = SyntaxTree(text, find_language(language))
    lines = Lines(text)
    found = (define_function(tree, lines, node) for node in tree.nodes(tree.language.functions))
    return tuple(function for function in found if function is not None)


def enclosing_function(functions: Iterable[Definition], offset: int) -> Definition | None:
    """The innermost function whose span holds the character at `offset`."""
    holding = [f for f in functions if f.span.start <= offset < f.span.end]
    return min(holding, key=lambda f: f.span.end - f.span.start, default=None)


def function_at_line(functions: Sequence[Definition], line: int) -> Definition | None:
    """The innermost function that covers the 0-based `line`."""
    holding = [f for f in functions if f.span.start_line <= line <= f.span.end_line]
    return min(holding, key=lambda f: f.span.end_line - f.span.start_line, default=None)


def called_name(text: str, language: str, offset: int) -> str | None:
    """The bare name that is called at `offset` ("send" in `self.session.send(x)`), or None where nothing is."""
    tree = SyntaxTree(text, find_language(language))
    leaf = tree.leaf_at(offset)
    if leaf is None or leaf.child_count:
        return None
    callee = leaf
    for parent in ancestors(leaf):
        called = tree.language.calls.get(parent.type)
        if called is not None:
            return tree.text_of(leaf) if parent.child_by_field_name(called) == callee else None
        if parent.end_byte != leaf.end_byte:  # a qualifier, or an argument: not what is called
            return None
        callee = parent
    return None


def define_function(tree: SyntaxTree, lines: Lines, node: Node) -> Definition | None:
    """The function that `node` defines; None where it has no body or no name."""
    body = node.child_by_field_name("body")
    if body is None:
        return None
    name_node = name_node_of(tree.language, node)
    if name_node is None:
        return None
    own_path = name_path(tree, name_node)
    if not own_path:
        return None
    outer = outermost(tree.language, node)
    scopes = scope_names(tree, node, name_node)
    path = [*(scope for scope, _ in scopes), *own_path]
    within_type = len(own_path) > 1 or (len(scopes) > 0 and scopes[-1][1])
    documentation, code = _documentation_and_code(tree, outer, body)
    start, end = tree.start(outer), tree.end(outer)
    return Definition(
        name=path[-1],
        qualified_name=tree.language.separator.join(path),
        kind=_kind(tree.language, node, path, within_type),
        language=tree.language.name,
        signature=_signature(tree, outer, node, body),
        documentation=documentation,
        code=code,
        span=span_of(lines, start, end),
        name_span=span_of(lines, tree.start(name_node), tree.end(name_node)),
    )


def span_of(lines: Lines, start: int, end: int) -> Span:
    """The span of the characters [start, end)."""
    return Span(start, end, lines.line_of(start), lines.line_of(max(start, end - 1)))


def name_node_of(language: Language, node: Node) -> Node | None:
    """The node that names a definition."""
    parent = node.parent
    if parent is not None and parent.type in language.named_by:  # `f = function g() {}` is known as f
        named = parent.child_by_field_name(language.named_by[parent.type])
        if named is not None and named.type == "member_expression":
            return named.child_by_field_name("property")
        return named
    declarator = node.child_by_field_name("declarator")
    if declarator is not None:
        return _declared_name(declarator)
    return node.child_by_field_name("name")


def name_path(tree: SyntaxTree, name_node: Node) -> list[str]:
    """The name as it is written, cut at the qualifiers: ["A<T>", "f"] for `A<T>::f`."""
    if name_node.type == "operator_cast":
        return [_SPACE.sub(" ", tree.text_of(name_node)).split("(")[0].strip()]
    path: list[str] = []
    while name_node.type == "qualified_identifier":
        scope, name = name_node.child_by_field_name("scope"), name_node.child_by_field_name("name")
        if scope is not None:
            path.append(_SPACE.sub("", tree.text_of(scope)))
        if name is None:
            return []
        name_node = name
    name_text = _SPACE.sub(" ", tree.text_of(name_node)).strip("\"'#` ")
    return [*path, name_text] if name_text else []


def _declared_name(declarator: Node) -> Node | None:
    """The name inside a C declarator: what the function declarator declares."""
    inside_function = False
    current: Node | None = declarator
    while current is not None:
        if current.type == "operator_cast":
            return current
        inside_function = inside_function or current.type == "function_declarator"
        inner = current.child_by_field_name("declarator")
        if inner is None and current.type in ("reference_declarator", "parenthesized_declarator"):
            inner = current.named_children[0] if current.named_children else None
        if inner is None:
            return current if inside_function and current.type != "function_declarator" else None
        current = inner
    return None


def scope_names(tree: SyntaxTree, node: Node, name_node: Node) -> list[tuple[str, bool]]:
    """The names that qualify a function, outermost first, each with whether it is a type."""
    scopes: list[tuple[str, bool]] = []
    for parent in ancestors(node):
        if parent.type not in tree.language.scopes:
            continue
        named = name_node_of(tree.language, parent) or parent.child_by_field_name("key")
        if named is None or named == name_node:
            continue
        name = _SPACE.sub(" ", tree.text_of(named)).strip("\"'#` ")
        if name:
            scopes.append((name, parent.type in tree.language.types))
    scopes.reverse()
    return scopes


def _kind(language: Language, node: Node, path: Sequence[str], within_type: bool) -> Kind:
    name = path[-1]
    if "constructor" in node.type or (within_type and name in language.constructors):
        return "constructor"
    if within_type and language.separator == "::" and len(path) > 1 and path[-2].split("<")[0] == name:
        return "constructor"
    return "method" if within_type else "function"


def outermost(language: Language, node: Node) -> Node:
    """The node with all that belongs to the definition: decorators, `export`, `const name =`, template header."""
    outer = node
    for parent in ancestors(node):
        if parent.type not in language.wrappers:
            break
        others = [c for c in parent.named_children if c.type == "variable_declarator" and c != outer]
        if others:
            break
        outer = parent
    return outer


def _signature(tree: SyntaxTree, outer: Node, node: Node, body: Node) -> str:
    start = tree.start(outer)
    for child in outer.children:  # decorators say nothing of how a function is called
        if child.type != "decorator":
            start = tree.start(child)
            break
    head = tree.text[start : tree.start(body)]
    initializers = next((c for c in node.children if c.type == "field_initializer_list"), None)
    if initializers is not None:
        head = tree.text[start : tree.start(initializers)]
    return _SPACE.sub(" ", head).strip().rstrip("{:").rstrip()


def _documentation_and_code(tree: SyntaxTree, outer: Node, body: Node) -> tuple[str, str]:
    start, end = tree.start(outer), tree.end(outer)
    if not tree.language.docstrings:
        return comment_above(tree, outer), dedent(tree.text, start, end)
    statement = docstring_node(body)
    if statement is None:
        return "", dedent(tree.text, start, end)
    documentation = clean_docstring(tree.text_of(statement))
    before = tree.text[: tree.start(statement)].rstrip(" \t")
    code = before + _AFTER_DOCSTRING.sub("", tree.text[tree.end(statement) : end], count=1)
    return documentation, dedent(code, start, len(code))


def dedent(text: str, start: int, end: int) -> str:
    """text[start:end] without its common indentation and without white space at the end."""
    line_start = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    indentation = text[line_start:start]
    if indentation.strip():  # something stands before the function on its line
        indentation = ""
    return textwrap.dedent(indentation + text[start:end]).rstrip()
