"""The name at a place of a text that is not called: what to look up for it, if anything.

A text has far more names than anybody points at. So they are not kept with what is known of a file; they are read from
its syntax tree when one is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tree_sitter import Node

from sprig_server.code.places import path_to, tree_of
from sprig_server.code.scopes import Binding, Scope
from sprig_server.code.syntax import SyntaxTree

_NAME = re.compile(r"[\w$]")

LEAVES = frozenset(
    {
        *("identifier", "type_identifier", "field_identifier", "namespace_identifier", "property_identifier"),
        *("private_property_identifier", "shorthand_property_identifier"),
    }
)
"""The nodes of names."""
_MEMBERS = frozenset(
    {
        *("attribute", "field_access", "method_invocation", "method_reference", "member_expression"),
        *("scoped_type_identifier", "scoped_identifier", "nested_identifier", "nested_type_identifier"),
        *("field_expression", "qualified_identifier"),
    }
)
_TEMPLATES = frozenset({"template_type", "template_function", "template_method", "generic_type"})
_TAGS = frozenset({"jsx_opening_element", "jsx_closing_element", "jsx_self_closing_element"})
# Nodes whose field "name" is the name of something else.
_NAMING = _MEMBERS | _TEMPLATES | _TAGS | {"annotation", "marker_annotation", "export_specifier"}
_SPECIFIERS = frozenset({"class_specifier", "struct_specifier", "union_specifier", "enum_specifier"})
# Fields whose name is declared, or means something only where it stands.
_OWN_FIELDS = frozenset({"name", "alias", "pattern", "declarator", "key", "label"})
# Nodes whose names are declared, or mean something only there.
_OWN_NODES = frozenset(
    {
        *("ERROR", "keyword_pattern", "labeled_statement", "break_statement", "continue_statement", "switch_label"),
        *("field_initializer", "field_designator", "destructor_name", "attribute_specifier", "package_declaration"),
        *("type_parameter_declaration", "optional_type_parameter_declaration", "preproc_def", "preproc_ifdef"),
        *("variadic_type_parameter_declaration", "preproc_function_def", "preproc_params", "preproc_defined"),
        *("future_import_statement", "jsx_attribute", "namespace_alias_definition", "jsx_namespace_name"),
    }
)
_IMPORTS = frozenset({"import_statement", "import_from_statement", "import_declaration"})
_HEADERS = frozenset({"class_definition", "function_definition"})  # of Python


@dataclass(frozen=True, slots=True)
class Reference:
    """A name, characters [start, end).

    It is `bound` here if it names what is defined or imported here. Otherwise `expression` ends with it, and is to be
    looked up: outside of the definition that starts at `header` and in whose header it stands (-1 for none), and as a
    method if `is_method`.
    """

    start: int
    end: int
    bound: Binding | None = None
    expression: str = ""
    header: int = -1
    is_method: bool = False


def reference_at(text: str, language: str, scopes: Sequence[Scope], offset: int) -> Reference | None:
    """The name at an offset, or that ends there; None for keywords, literals, comments and names without a meaning.

    Args:
        language: a name or alias of a language.
        scopes: those of the text.
    """
    place = offset if _NAME.match(text, offset) else offset - 1
    tree = tree_of(text, language) if place >= 0 and _NAME.match(text, place) else None
    if tree is None:
        return None
    path = path_to(tree, place)
    if len(path) < 2:
        return None
    leaf, field = path[-1]
    if leaf.type not in LEAVES:
        return None
    start, end = tree.start(leaf), tree.end(leaf)
    statement = next((node for node, _ in path[:-1] if node.type in _IMPORTS), None)
    if statement is not None:
        imported = _imported(tree, path, statement, scopes)
        return Reference(start, end, bound=imported) if imported is not None else None
    name = text[start:end]
    bound = next((b for b in _bindings(scopes) if b.start == start and b.name == name), None)
    if bound is not None:
        return Reference(start, end, bound=bound)
    parent = path[-2][0]
    if not _is_use(tree, leaf, field, parent):
        return None
    first = _first(tree, path)
    is_method = parent.type == "method_reference" and first < start
    return Reference(start, end, None, text[first:end], _header(tree, path), is_method)


def _bindings(scopes: Sequence[Scope]) -> Iterator[Binding]:
    return (binding for scope in scopes for binding in scope.bindings)


def _imported(
    tree: SyntaxTree, path: Sequence[tuple[Node, str]], statement: Node, scopes: Sequence[Scope]
) -> Binding | None:
    """The import of a name in an import statement; None for the name of a module."""
    leaf = path[-1][0]
    holder = next((node for node, _ in path if node.type in ("aliased_import", "import_specifier")), None)
    bound: Node | None = leaf
    if holder is not None:
        bound = holder.child_by_field_name("alias") or holder.child_by_field_name("name")
    elif statement.type == "import_declaration":
        written = next((c for c in statement.named_children if c.type == "scoped_identifier"), None)
        bound = statement if written is not None and written.end_byte == leaf.end_byte else None
    if bound is None or any(field == "module_name" for _, field in path):
        return None
    start = tree.start(bound)
    return next((b for b in _bindings(scopes) if b.start == start and b.kind == "import" and b.member), None)


def _is_use(tree: SyntaxTree, leaf: Node, field: str, parent: Node) -> bool:
    """Whether a name stands for something that is defined elsewhere."""
    if parent.type in _OWN_NODES:
        return False
    if leaf.type in ("property_identifier", "private_property_identifier") and parent.type not in _MEMBERS:
        return False
    if parent.type == "keyword_argument" or parent.type in _SPECIFIERS:
        return field == "value" or (field == "name" and parent.child_by_field_name("body") is None)
    if parent.type in _TAGS and leaf.type == "identifier" and tree.text_of(leaf)[:1].islower():  # `<div>`
        return False
    if field == "left":
        return parent.type not in ("assignment_pattern", "object_assignment_pattern", "type_alias_statement")
    return field not in _OWN_FIELDS or (field == "name" and parent.type in _NAMING)


def _first(tree: SyntaxTree, path: Sequence[tuple[Node, str]]) -> int:
    """Where the expression starts that ends with the last name of a path."""
    first = path[-1][0]
    for (node, _), (below, _) in zip(path[-2::-1], path[:0:-1], strict=True):
        is_first = node.start_byte == below.start_byte
        if not (node.type in _MEMBERS or (node.type in _TEMPLATES and is_first)):
            break
        first = node if node.start_byte < first.start_byte else first
    return tree.start(first)


def _header(tree: SyntaxTree, path: Sequence[tuple[Node, str]]) -> int:
    """The definition of Python in whose header a path ends: the names there are those of the scope around it."""
    if tree.language.name != "python":  # C++ has nodes of the same types
        return -1
    for (node, _), (_, field) in zip(path[-2::-1], path[:0:-1], strict=True):
        if node.type in _HEADERS:
            return -1 if field == "body" else tree.start(node)
    return -1
