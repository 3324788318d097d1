"""Which nodes of Java open scopes and bind names."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from sprig_server.code.scopes import Binding, Rule, ScopeWalk

_ENDLESS = 1 << 30
_Next = Iterator[tuple[Node, int]]


def _type(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    """A class, interface, enum, record or annotation."""
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    if name is None:
        return
    inner = walk.open("class", walk.text(name), node, scope, tuple(_bases(walk, node)))
    walk.bind(scope, Binding(walk.text(name), "class", walk.tree.start(name), scope, inner, marks=_marks(walk, node)))
    for parameter in _parameters_of(node.child_by_field_name("parameters")):  # the fields of a record
        _typed(walk, parameter, inner)
    _type_parameters(walk, node, inner)
    if body is not None:
        yield body, inner


def _bases(walk: ScopeWalk, node: Node) -> Iterator[str]:
    """The class that a type extends, then its interfaces, which may have code, too."""
    superclass = node.child_by_field_name("superclass")
    if superclass is not None and superclass.named_children:
        yield walk.text(superclass.named_children[0])
    for child in node.named_children:
        if child.type in ("super_interfaces", "extends_interfaces"):
            for listed in child.named_children:
                yield from (walk.text(base) for base in listed.named_children)


def _marks(walk: ScopeWalk, node: Node) -> frozenset[str]:
    modifiers = next((child for child in node.children if child.type == "modifiers"), None)
    return frozenset(child.type for child in modifiers.children if not child.is_named) if modifiers else frozenset()


def _type_parameters(walk: ScopeWalk, node: Node, scope: int) -> None:
    """A type parameter hides a class of its name, and nobody knows what it is."""
    given = node.child_by_field_name("type_parameters")
    for parameter in given.named_children if given is not None else []:
        if parameter.named_children:
            walk.variable(scope, parameter.named_children[0], value="(unknown)")


def _method(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    if name is None:
        return
    inner = walk.open("function", walk.text(name), node, scope)
    parameters = list(_parameters_of(node.child_by_field_name("parameters")))
    for parameter in parameters:
        _typed(walk, parameter, inner)
    _type_parameters(walk, node, inner)
    variadic = any(parameter.type == "spread_parameter" for parameter in parameters)
    is_maker = node.type == "constructor_declaration"
    binding = Binding(
        name="<init>" if is_maker else walk.text(name),
        kind="function",
        start=walk.tree.start(name),
        within=scope,
        inner=inner,
        type=walk.text(node.child_by_field_name("type")),
        least=len(parameters) - variadic,
        most=_ENDLESS if variadic else len(parameters),
        marks=_marks(walk, node),
        has_body=body is not None,
    )
    walk.bind(scope, binding)
    if body is not None:
        yield body, inner


def _parameters_of(node: Node | None) -> Iterator[Node]:
    for child in node.named_children if node is not None else []:
        if child.type in ("formal_parameter", "spread_parameter"):
            yield child


def _typed(walk: ScopeWalk, node: Node, scope: int) -> None:
    """Bind a parameter, or anything else that has a type and one name."""
    name = node.child_by_field_name("name")
    if node.type == "spread_parameter":  # it is an array
        declarator = next((child for child in node.named_children if child.type == "variable_declarator"), None)
        name = declarator.child_by_field_name("name") if declarator is not None else None
        if name is not None:
            walk.variable(scope, name, value="(unknown)")
    elif name is not None:
        type = walk.text(node.child_by_field_name("type"))
        is_array = node.child_by_field_name("dimensions") is not None
        walk.variable(scope, name, "" if type == "var" or is_array else type, "(unknown)")


def _variables(walk: ScopeWalk, node: Node, scope: int) -> None:
    type = walk.text(node.child_by_field_name("type"))
    for declarator in node.children_by_field_name("declarator"):
        name, value = declarator.child_by_field_name("name"), declarator.child_by_field_name("value")
        if name is None:
            continue
        if declarator.child_by_field_name("dimensions") is not None:
            walk.variable(scope, name, value="(unknown)")
        elif type != "var":
            walk.variable(scope, name, type)
        else:
            walk.variable(scope, name, value=walk.text(value))


def _block(walk: ScopeWalk, node: Node, scope: int) -> _Next | None:
    parent = node.parent
    if node.type == "block" and parent is not None and parent.type in ("method_declaration", "constructor_declaration"):
        return None
    return _inside(node, walk.open("block", "", node, scope))


def _inside(node: Node, scope: int) -> _Next:
    return ((child, scope) for child in node.named_children)


def _loop(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    inner = walk.open("block", "", node, scope)
    if node.type in ("enhanced_for_statement", "catch_clause"):
        _typed(walk, node, inner)
    return _inside(node, inner)


def _caught(walk: ScopeWalk, node: Node, scope: int) -> None:
    name = node.child_by_field_name("name")
    if name is not None:
        walk.variable(scope, name, value="(unknown)")


def _lambda(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    inner = walk.open("block", "", node, scope)
    parameters = node.child_by_field_name("parameters")
    if parameters is not None and parameters.type == "identifier":
        walk.variable(inner, parameters, value="(unknown)")
    elif parameters is not None and parameters.type == "inferred_parameters":
        for name in parameters.named_children:
            walk.variable(inner, name, value="(unknown)")
    for parameter in _parameters_of(parameters):
        _typed(walk, parameter, inner)
    body = node.child_by_field_name("body")
    if body is not None:
        yield body, inner


def _tested(walk: ScopeWalk, node: Node, scope: int) -> None:
    """`value instanceof Type name`."""
    name, type = node.child_by_field_name("name"), node.child_by_field_name("right")
    if name is not None:
        walk.variable(scope, name, walk.text(type))


def _anonymous(walk: ScopeWalk, node: Node, scope: int) -> _Next | None:
    """The body of `new Type() { ... }` is a class."""
    body = next((child for child in node.named_children if child.type == "class_body"), None)
    if body is None:
        return None
    base = walk.text(node.child_by_field_name("type"))
    inner = walk.open("class", "", body, scope, (base,))
    return ((child, inner if child == body else scope) for child in node.named_children)


def _enum_constant(walk: ScopeWalk, node: Node, scope: int) -> _Next | None:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    if name is not None:
        walk.variable(scope, name, walk.scopes[scope].name)
    if body is None:
        return None
    inner = walk.open("class", "", body, scope, (walk.scopes[scope].name,))
    return iter([(body, inner)])


def _import(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    written = next((c for c in node.named_children if c.type in ("scoped_identifier", "identifier")), None)
    name, place = walk.text(written), walk.tree.start(node)
    static = any(child.type == "static" for child in node.children)
    if any(child.type == "asterisk" for child in node.named_children):
        walk.bind(scope, Binding("*", "star", place, scope, module=f"{name}.*"))
    elif static:
        owner, _, member = name.rpartition(".")
        class_name = owner.rpartition(".")[2]
        walk.bind(scope, Binding(member, "import", place, scope, module=owner, member=f"{class_name}.{member}"))
    else:
        last = name.rpartition(".")[2]
        walk.bind(scope, Binding(last, "import", place, scope, module=name, member=last))
    yield from ()


RULES: dict[str, Rule] = {
    **dict.fromkeys(("class_declaration", "interface_declaration", "enum_declaration", "record_declaration"), _type),
    "annotation_type_declaration": _type,
    **dict.fromkeys(("method_declaration", "constructor_declaration"), _method),
    **dict.fromkeys(("field_declaration", "local_variable_declaration", "constant_declaration"), _variables),
    **dict.fromkeys(("for_statement", "enhanced_for_statement", "catch_clause", "try_with_resources_statement"), _loop),
    "block": _block,
    "switch_block_statement_group": _block,
    "catch_formal_parameter": _caught,
    "resource": _typed,
    "lambda_expression": _lambda,
    "instanceof_expression": _tested,
    "object_creation_expression": _anonymous,
    "enum_constant": _enum_constant,
    "import_declaration": _import,
}
