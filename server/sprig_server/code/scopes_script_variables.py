"""Variables, fields and properties of JavaScript and TypeScript, and what they are set to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tree_sitter import Node

from sprig_server.code.scopes import ALIAS, Binding, Rule, ScopeWalk
from sprig_server.code.scopes_script_classes import class_value
from sprig_server.code.scopes_script_functions import FUNCTIONS, named_function, pattern
from sprig_server.code.scopes_script_modules import exported_object, required, required_names

_Next = Iterator[tuple[Node, int]]


def _declarator(walk: ScopeWalk, node: Node, scope: int) -> _Next | None:
    """A variable or field and what it is set to."""
    name = node.child_by_field_name("name") or node.child_by_field_name("property")
    value = node.child_by_field_name("value")
    if name is None:
        return None
    module = required(walk, value)
    if module:
        required_names(walk, name, scope, module)
        return None
    if node.parent is not None and node.parent.type == "variable_declaration":  # `var` belongs to the function
        while walk.scopes[scope].kind == "block":
            scope = walk.scopes[scope].parent
    if value is not None and value.type == "object" and name.type == "identifier":
        return _object_value(walk, name, value, scope)
    if value is not None and value.type in FUNCTIONS:
        walk.bind(scope, named_function(walk, name, value, scope))
        return None
    if value is not None and value.type == "class" and value.child_by_field_name("name") is None:
        return class_value(walk, name, value, scope)
    kind = walk.text(node.child_by_field_name("type"))
    text = walk.text(value) if value is not None and value.end_byte - value.start_byte < 2000 else ""
    pattern(walk, name, scope, kind, text or ("(unknown)" if value is not None else ""))
    return None


def _object_value(walk: ScopeWalk, name: Node, value: Node, scope: int) -> _Next:
    inner = walk.open("object", "", value, scope)
    walk.bind(scope, Binding(walk.text(name), "namespace", walk.tree.start(name), scope, inner))
    return ((child, inner) for child in value.named_children)


def _assignment(walk: ScopeWalk, node: Node, scope: int) -> None:
    """`name = value`, `this.name = value`, `exports.name = value` and `module.exports = value`."""
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if left is None or right is None:
        return
    value = walk.text(right) if right.end_byte - right.start_byte < 2000 else ""
    place = walk.tree.start(left)
    if left.type == "identifier":
        walk.bind(
            _declaring(walk, walk.text(left), scope), Binding(walk.text(left), "variable", place, scope, value=value)
        )
        return
    if left.type != "member_expression":
        return
    owner, name = walk.text(left.child_by_field_name("object")), left.child_by_field_name("property")
    if name is None:
        return
    if owner == "this":
        target = walk.enclosing(scope, "class")
    elif owner in ("exports", "module.exports"):
        target = 0
    elif walk.text(left) == "module.exports":
        if right.type == "object":
            exported_object(walk, right, scope)
        else:
            walk.bind(0, Binding("module.exports", "variable", place, scope, value=value))
        return
    else:
        return
    if target < 0:
        return
    if right.type in FUNCTIONS:
        walk.bind(target, replace(named_function(walk, name, right, scope), within=scope))
    elif owner == "this" or value != walk.text(name):  # `exports.a = a` binds nothing new
        walk.bind(
            target, Binding(walk.text(name), "variable", walk.tree.start(name), scope, value=value or "(unknown)")
        )


def _declaring(walk: ScopeWalk, name: str, scope: int) -> int:
    """The scope that declares a variable which is assigned to."""
    place = scope
    while place > 0:
        if any(b.name == name for b in walk.scopes[place].bindings):
            return place
        place = walk.scopes[place].parent
    return 0


def _for(walk: ScopeWalk, node: Node, scope: int) -> None:
    left = node.child_by_field_name("left")
    if left is not None:
        pattern(walk, left, scope)


def _catch(walk: ScopeWalk, node: Node, scope: int) -> None:
    parameter = node.child_by_field_name("parameter")
    if parameter is not None:
        pattern(walk, parameter, scope)


def _pair(walk: ScopeWalk, node: Node, scope: int) -> None:
    key, value = node.child_by_field_name("key"), node.child_by_field_name("value")
    if key is None or value is None or key.type != "property_identifier" or walk.scopes[scope].kind != "object":
        return
    if value.type in FUNCTIONS:
        walk.bind(scope, named_function(walk, key, value, scope))
    else:
        text = walk.text(value) if value.end_byte - value.start_byte < 2000 else "(unknown)"
        walk.bind(scope, Binding(walk.text(key), "variable", walk.tree.start(key), scope, value=text))


def _shorthand(walk: ScopeWalk, node: Node, scope: int) -> None:
    if walk.scopes[scope].kind == "object":
        outer = walk.scopes[scope].parent
        name = walk.text(node)
        walk.bind(scope, Binding(name, "variable", walk.tree.start(node), outer, value=name, marks=ALIAS))


RULES: dict[str, Rule] = {
    **dict.fromkeys(("variable_declarator", "field_definition", "public_field_definition"), _declarator),
    **dict.fromkeys(("property_signature", "type_alias_declaration"), _declarator),
    "assignment_expression": _assignment,
    "for_in_statement": _for,
    "catch_clause": _catch,
    "pair": _pair,
    "shorthand_property_identifier": _shorthand,
}
