"""Functions of JavaScript and TypeScript: the scopes they open, their parameters, and the names they are bound to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tree_sitter import Node

from sprig_server.code.scopes import Binding, Rule, ScopeWalk

REBINDING = "function"
"""The name of the scope of a function whose `this` is not that of the class around it."""
ARROW = "=>"
"""The name of the scope of an arrow function, whose `this` is that of the function around it."""
FUNCTIONS = frozenset({"arrow_function", "function_expression", "generator_function"})
"""Functions that are values."""
_ENDLESS = 1 << 30
_Next = Iterator[tuple[Node, int]]


def _function(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    """A declared function or method, with or without a body."""
    name = node.child_by_field_name("name")
    is_member = walk.scopes[scope].kind in ("class", "object")
    inner = walk.open("function", "" if is_member else REBINDING, node, scope)
    if name is not None and name.type != "computed_property_name":
        marks = {c.type for c in node.children if c.type in ("static", "async", "get", "set", "abstract")}
        least, most = parameters(walk, node, inner)
        binding = Binding(
            name=walk.text(name),
            kind="function",
            start=walk.tree.start(name),
            within=scope,
            inner=inner,
            type=walk.text(node.child_by_field_name("return_type")),
            least=least,
            most=most,
            marks=frozenset(marks),
            has_body=node.child_by_field_name("body") is not None,
        )
        walk.bind(scope, binding)
        if exported(walk, node) == "default":
            walk.bind(scope, replace(binding, name="default"))
    body = node.child_by_field_name("body")
    if body is not None:
        yield body, inner


def _expression(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    """A function that is a value; `_declarator` binds its name."""
    in_object = node.parent is not None and node.parent.type == "pair"
    name = ARROW if node.type == "arrow_function" else "" if in_object else REBINDING
    inner = walk.open("function", name, node, scope)
    parameters(walk, node, inner)
    single, body = node.child_by_field_name("parameter"), node.child_by_field_name("body")
    if single is not None:
        walk.variable(inner, single)
    if body is not None:
        if node.type == "arrow_function" and body.type != "statement_block":
            walk.bind(inner, Binding("", "return", walk.tree.start(body), inner, value=walk.text(body)))
        yield body, inner


def parameters(walk: ScopeWalk, node: Node, scope: int) -> tuple[int, int]:
    """Bind the parameters of a function; how many arguments it takes."""
    given = node.child_by_field_name("parameters")
    type_parameters(walk, node, scope)
    least = most = 0
    for parameter in given.named_children if given is not None else []:
        if "comment" in parameter.type:
            continue
        name = parameter.child_by_field_name("pattern") or parameter.child_by_field_name("left") or parameter
        if name.type == "this":
            continue
        type = walk.text(parameter.child_by_field_name("type"))
        if name.type == "rest_pattern":
            most = _ENDLESS
        optional = parameter.type in ("optional_parameter", "assignment_pattern") or "rest" in name.type
        optional = optional or parameter.child_by_field_name("value") is not None
        least, most = least + (not optional), most + 1
        pattern(walk, name, scope, type)
        if any(c.type in ("accessibility_modifier", "readonly") for c in parameter.children):  # it makes a field, too
            owner = walk.enclosing(walk.scopes[scope].parent, "class")
            if owner >= 0 and name.type == "identifier":
                walk.bind(owner, Binding(walk.text(name), "variable", walk.tree.start(name), scope, type=type))
    return least, min(most, _ENDLESS)


def pattern(walk: ScopeWalk, name: Node, scope: int, type: str = "", value: str = "") -> None:
    """Bind the names of a pattern; only a plain name has a type or value that is known."""
    if name.type in ("identifier", "property_identifier", "private_property_identifier", "type_identifier"):
        walk.variable(scope, name, type, value)
    elif name.type == "shorthand_property_identifier_pattern":
        walk.variable(scope, name)
    elif name.type in ("object_pattern", "array_pattern", "rest_pattern", "object_assignment_pattern"):
        for child in name.named_children:
            pattern(walk, child, scope)
    elif name.type == "pair_pattern":
        inner = name.child_by_field_name("value")
        if inner is not None:
            pattern(walk, inner, scope)
    elif name.type == "assignment_pattern":
        inner = name.child_by_field_name("left")
        if inner is not None:
            pattern(walk, inner, scope)


def named_function(walk: ScopeWalk, name: Node, value: Node, scope: int) -> Binding:
    """A name for a function that is a value. The scope of the function is not open yet."""
    marks = frozenset(c.type for c in value.children if c.type == "async")
    type = walk.text(value.child_by_field_name("return_type"))
    start = walk.tree.start(name)
    return Binding(walk.text(name), "function", start, scope, type=type or "(unknown)", marks=marks)


def type_parameters(walk: ScopeWalk, node: Node, scope: int) -> None:
    """A type parameter hides a class of its name, and nobody knows what it is."""
    given = node.child_by_field_name("type_parameters")
    for parameter in given.named_children if given is not None else []:
        name = parameter.child_by_field_name("name")
        if name is not None:
            walk.variable(scope, name, value="(unknown)")


def exported(walk: ScopeWalk, node: Node) -> str:
    """How a declaration is exported: "default", "export", or "" if it is not."""
    parent = node.parent
    if parent is None or parent.type != "export_statement":
        return ""
    return "default" if any(c.type == "default" for c in parent.children) else "export"


def _return(walk: ScopeWalk, node: Node, scope: int) -> None:
    function = walk.enclosing(scope, "function")
    value = walk.text(node.named_children[0]) if node.named_children else "undefined"
    if function >= 0:
        walk.bind(function, Binding("", "return", walk.tree.start(node), scope, value=value))


RULES: dict[str, Rule] = {
    **dict.fromkeys(("function_declaration", "generator_function_declaration", "method_definition"), _function),
    **dict.fromkeys(("function_signature", "method_signature", "abstract_method_signature"), _function),
    **dict.fromkeys(FUNCTIONS, _expression),
    "return_statement": _return,
}
