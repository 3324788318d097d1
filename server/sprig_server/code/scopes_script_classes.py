"""Classes, interfaces, enumerations and namespaces of JavaScript and TypeScript."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tree_sitter import Node

from sprig_server.code.scopes import Binding, Rule, ScopeWalk
from sprig_server.code.scopes_script_functions import exported, type_parameters

_Next = Iterator[tuple[Node, int]]


def _class(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    heritage = [c for c in node.named_children if c.type in ("class_heritage", "extends_type_clause")]
    bases = tuple(base for child in heritage for base in _bases(walk, child))
    around = scope
    if node.child_by_field_name("type_parameters") is not None:  # they are no members
        around = walk.open("block", "", node, scope)
        type_parameters(walk, node, around)
    inner = walk.open("class", walk.text(name), node, around, bases)
    exporting = exported(walk, node)
    if name is not None:
        binding = Binding(walk.text(name), "class", walk.tree.start(name), scope, inner)
        walk.bind(scope, binding)
        if exporting == "default":
            walk.bind(scope, replace(binding, name="default"))
    elif exporting == "default":
        walk.bind(scope, Binding("default", "class", walk.tree.start(node), scope, inner))
    if body is not None:
        yield body, inner


def _bases(walk: ScopeWalk, heritage: Node) -> Iterator[str]:
    """What a class or interface extends. What a class implements has no code that it could inherit."""
    if heritage.type == "extends_type_clause":
        yield from (walk.text(child) for child in heritage.children_by_field_name("type"))
        return
    clause = next((c for c in heritage.named_children if c.type == "extends_clause"), None)
    if clause is not None:
        yield from (walk.text(child) for child in clause.children_by_field_name("value"))
    elif not any(c.type == "implements_clause" for c in heritage.named_children):
        yield from (walk.text(child) for child in heritage.named_children[:1])


def class_value(walk: ScopeWalk, name: Node, value: Node, scope: int) -> _Next:
    """Bind a name to a class that is a value."""
    bases = tuple(b for c in value.named_children if c.type == "class_heritage" for b in _bases(walk, c))
    inner = walk.open("class", walk.text(name), value, scope, bases)
    walk.bind(scope, Binding(walk.text(name), "class", walk.tree.start(name), scope, inner))
    body = value.child_by_field_name("body")
    if body is not None:
        yield body, inner


def _enum(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    inner = walk.open("class", walk.text(name), node, scope)
    if name is not None:
        walk.bind(scope, Binding(walk.text(name), "class", walk.tree.start(name), scope, inner))
    for child in body.named_children if body is not None else []:
        member = child.child_by_field_name("name") or child
        if member.type == "property_identifier":
            walk.variable(inner, member, value="(unknown)")
    yield from ()


def _namespace(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    inner = walk.open("namespace", walk.text(name), node, scope)
    if name is not None:
        walk.bind(scope, Binding(walk.text(name), "namespace", walk.tree.start(name), scope, inner))
    if body is not None:
        yield body, inner


RULES: dict[str, Rule] = {
    **dict.fromkeys(("class_declaration", "class", "abstract_class_declaration", "interface_declaration"), _class),
    "enum_declaration": _enum,
    **dict.fromkeys(("internal_module", "module"), _namespace),
}
