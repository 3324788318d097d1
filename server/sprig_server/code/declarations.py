"""What is declared without a body: methods of interfaces, functions in headers, signatures of overloads, constants,
fields and types that are other names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tree_sitter import Node

from sprig_server.code.docstrings import string_value
from sprig_server.code.documentation import clean_comment, comment_above
from sprig_server.code.functions import span_of
from sprig_server.code.lines import without_indentation
from sprig_server.code.places import path_to, tree_of
from sprig_server.code.syntax import SyntaxTree
from sprig_server.types import Definition, Kind

_FUNCTIONS = frozenset(
    {
        *("declaration", "field_declaration"),  # C++
        *("method_declaration", "constructor_declaration"),  # Java
        *("function_signature", "method_signature", "abstract_method_signature"),  # TypeScript
    }
)
_VARIABLES = frozenset(
    {
        "assignment",  # Python
        *("field_declaration", "constant_declaration", "enum_constant"),  # Java
        *("lexical_declaration", "variable_declaration", "public_field_definition", "field_definition"),  # scripts
        *("property_signature", "type_alias_declaration", "enum_assignment", "pair", "expression_statement"),
        *("declaration", "enumerator", "type_definition", "alias_declaration"),  # C++
    }
)
_OUTER = frozenset({"template_declaration", "export_statement", "expression_statement"})
_PATTERNS = frozenset({"object_pattern", "array_pattern", "pattern_list", "tuple_pattern", "list_pattern"})
_HOLDERS = frozenset({"field_declaration", "declaration", "type_definition"})
_LONGEST_SIGNATURE = 120  # characters of a constant
_SPACE = re.compile(r"\s+")
_AFTER = re.compile(r"(?://[/!]|/\*[*!])<")


def declaration_at(text: str, language: str, start: int, owner: str) -> Definition | None:
    """The declared function whose name starts at a character; None if there is none, or if the text is long.

    Args:
        owner: what its name is qualified with, if anything.
    """
    tree = tree_of(text, language)
    nodes = [node for node, _ in path_to(tree, start)] if tree is not None else []
    found = _declaring(nodes, _FUNCTIONS)
    if tree is None or found is None or tree.start(nodes[-1]) != start:
        return None
    signature = _SPACE.sub(" ", tree.text_of(found)).strip().rstrip(";").rstrip()
    kind: Kind = "method" if owner else "function"
    return _definition(tree, nodes[-1], found, (kind, owner, signature, comment_above(tree, found)))


def variable_at(text: str, language: str, start: int, owner: str) -> Definition | None:
    """The constant or field whose name starts at a character; None if there is none, or if the text is long."""
    tree = tree_of(text, language)
    nodes = [node for node, _ in path_to(tree, start)] if tree is not None else []
    if tree is None or not nodes or tree.start(nodes[-1]) != start or any(n.type in _PATTERNS for n in nodes[-3:]):
        return None
    is_member = len(nodes) > 1 and nodes[-2].type == "enum_body"
    found = nodes[-1] if is_member else _declaring(nodes, _VARIABLES)
    if found is None:
        return None
    signature = _SPACE.sub(" ", tree.text_of(found)).strip().rstrip(";,").rstrip()
    if len(signature) > _LONGEST_SIGNATURE:
        signature = f"{signature[:_LONGEST_SIGNATURE].rstrip()} …"
    said = _python_words(tree, found) if tree.language.docstrings else _words_beside(tree, found)
    return _definition(tree, nodes[-1], found, ("variable", owner, signature, said))


def comment_around(text: str, language: str, start: int) -> str:
    """The comment above a declaration of C or C++ that contains the class whose name starts at a character."""
    tree = tree_of(text, language)
    nodes = [node for node, _ in path_to(tree, start)] if tree is not None else []
    holder = nodes[-3] if len(nodes) > 2 and nodes[-3].type in _HOLDERS else None
    return comment_above(tree, holder) if tree is not None and holder is not None else ""


def _declaring(nodes: Sequence[Node], types: frozenset[str]) -> Node | None:
    """The innermost of nested nodes that declares something, with what belongs to it."""
    place = next((place for place in range(len(nodes) - 1, -1, -1) if nodes[place].type in types), None)
    while place is not None and place > 0 and nodes[place - 1].type in _OUTER:
        place -= 1
    return nodes[place] if place is not None else None


def _definition(tree: SyntaxTree, name: Node, outer: Node, about: tuple[Kind, str, str, str]) -> Definition:
    kind, owner, signature, documentation = about
    first, last, written = tree.start(outer), tree.end(outer), tree.text_of(name)
    return Definition(
        name=written,
        qualified_name=f"{owner}{tree.language.separator}{written}" if owner else written,
        kind=kind,
        language=tree.language.name,
        signature=signature,
        documentation=documentation,
        code="",
        span=span_of(tree.lines, first, last),
        name_span=span_of(tree.lines, tree.start(name), tree.end(name)),
    )


def _words_beside(tree: SyntaxTree, declared: Node) -> str:
    """The comment above, or a Doxygen comment after it on its line."""
    above = comment_above(tree, declared)
    following = declared.next_sibling
    while following is not None and following.type in (",", ";"):
        following = following.next_sibling
    if above or following is None or "comment" not in following.type:
        return above
    comment = tree.text_of(following)
    same_line = following.start_point[0] == declared.end_point[0]
    return clean_comment(comment) if same_line and _AFTER.match(comment) else ""


def _python_words(tree: SyntaxTree, statement: Node) -> str:
    """Comments that begin with `#:`, above an assignment or after it on its line, or the string statement below it."""
    below = statement.next_sibling
    if below is not None and "comment" in below.type and below.start_point[0] == statement.end_point[0]:
        if tree.text_of(below).startswith("#:"):
            return tree.text_of(below)[2:].strip()
        below = below.next_sibling
    lines: list[str] = []
    node, line = statement.prev_sibling, statement.start_point[0]
    while node is not None and node.type == "comment" and node.start_point[0] == line - 1:
        text = tree.text_of(node)
        if not text.startswith("#:") or not tree.lines.starts_line(tree.start(node)):
            break
        lines.insert(0, text[2:])
        node, line = node.prev_sibling, line - 1
    if lines:
        return without_indentation("\n".join(lines))
    inner = below.named_children if below is not None and below.type == "expression_statement" else []
    literal = string_value(tree.text_of(inner[0])) if len(inner) == 1 and inner[0].type == "string" else None
    return without_indentation(literal) if literal is not None else ""
