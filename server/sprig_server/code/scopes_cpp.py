"""Which nodes of C and C++ open scopes and bind names.

The scope of a function that is defined outside of its class has the class, as it is written, as its base. Such a
function is bound by its qualified name, which no other name is looked up by.
"""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from sprig_server.code.scopes import Binding, Rule, ScopeWalk

_ENDLESS = 1 << 30
_WRAPPERS = frozenset(
    {"pointer_declarator", "reference_declarator", "parenthesized_declarator", "attributed_declarator"}
)
_NAMES = frozenset({"identifier", "field_identifier", "destructor_name", "operator_name", "type_identifier"})
_FUNCTION_BODIES = frozenset({"function_definition", "lambda_expression"})
_Next = Iterator[tuple[Node, int]]


def _namespace(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    """Names in an inline or nameless namespace are those of the namespace around it."""
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    inner = scope
    if name is not None and not any(child.type == "inline" for child in node.children):
        for part in "".join(walk.text(name).split()).split("::"):
            opened = walk.open("namespace", part, node, inner)
            walk.bind(inner, Binding(part, "namespace", walk.tree.start(name), inner, opened))
            inner = opened
    if body is not None:
        yield body, inner


def _class(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    if body is None:
        return
    bases = next((child for child in node.named_children if child.type == "base_class_clause"), None)
    kinds = ("type_identifier", "qualified_identifier", "template_type")
    texts = tuple(walk.text(base) for base in bases.named_children if base.type in kinds) if bases is not None else ()
    inner = walk.open("class", _class_name(walk, name), node, scope, texts)
    if name is not None and name.type == "type_identifier":
        walk.bind(scope, Binding(walk.text(name), "class", walk.tree.start(name), scope, inner))
    yield body, inner


def _class_name(walk: ScopeWalk, name: Node | None) -> str:
    """The name of a class as written, without the arguments of a specialization."""
    if name is None:
        return ""
    last = name
    while last.type in ("qualified_identifier", "template_type") and (part := last.child_by_field_name("name")):
        last = part
    return "".join(walk.tree.text[walk.tree.start(name) : walk.tree.end(last)].split())


def _enum(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    """The names in an enumeration are also those of the scope around it, unless it is a class."""
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    inner = walk.open("class", walk.text(name), node, scope)
    if name is not None and name.type == "type_identifier" and body is not None:
        walk.bind(scope, Binding(walk.text(name), "class", walk.tree.start(name), scope, inner))
    is_class = any(child.type in ("class", "struct") for child in node.children)
    for child in body.named_children if body is not None else []:
        member = child.child_by_field_name("name")
        if member is not None:
            walk.variable(inner if is_class else scope, member, value="(unknown)")
            if name is not None and not is_class:
                walk.variable(inner, member, value="(unknown)")
    yield from ()


def _function(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    declarator, body = _function_declarator(node), node.child_by_field_name("body")
    if declarator is None:
        return
    name = declarator.child_by_field_name("declarator")
    written = "".join(walk.text(name).split())
    owner, _, _ = written.rpartition("::")
    inner = walk.open("function", written, node, scope, (owner,) if owner else ())
    least, most = _parameters(walk, declarator, inner)
    _bind_function(walk, node, declarator, scope, (least, most, inner))
    for part in node.named_children:
        if part.type == "field_initializer_list" or part == body:
            yield part, inner


def _bind_function(walk: ScopeWalk, node: Node, declarator: Node, scope: int, known: tuple[int, int, int]) -> None:
    name = declarator.child_by_field_name("declarator")
    if name is None:
        return
    least, most, inner = known
    returned = node.child_by_field_name("type")
    marks = frozenset(walk.text(c) for c in node.children if c.type == "storage_class_specifier")
    last = name
    while last.type == "qualified_identifier" and (part := last.child_by_field_name("name")) is not None:
        last = part
    binding = Binding(
        name="".join(walk.text(name).split()),
        kind="function",
        start=walk.tree.start(name),
        within=inner if inner >= 0 else scope,
        inner=inner,
        type=walk.text(returned) or "(unknown)",
        least=least,
        most=most,
        marks=marks,
        has_body=node.child_by_field_name("body") is not None,
    )
    walk.bind(scope, binding)


def _function_declarator(node: Node) -> Node | None:
    declarator = node.child_by_field_name("declarator")
    while declarator is not None and declarator.type in _WRAPPERS:
        inner = declarator.child_by_field_name("declarator")
        declarator = inner or next((c for c in declarator.named_children if "declarator" in c.type), None)
    return declarator if declarator is not None and declarator.type == "function_declarator" else None


def _parameters(walk: ScopeWalk, declarator: Node, scope: int) -> tuple[int, int]:
    """Bind the parameters of a function, if it has a scope; how many arguments it takes."""
    given = declarator.child_by_field_name("parameters")
    children = [c for c in given.children if c.is_named or c.type == "..."] if given is not None else []
    least = most = 0
    for parameter in children:
        if "variadic" in parameter.type or parameter.type == "...":
            most = _ENDLESS
        elif parameter.type in ("parameter_declaration", "optional_parameter_declaration"):
            if len(children) == 1 and walk.text(parameter) == "void":
                break
            least, most = least + (parameter.type == "parameter_declaration"), most + 1
            if scope >= 0:
                _typed(walk, parameter, scope)
    return least, min(most, _ENDLESS)


def _typed(walk: ScopeWalk, node: Node, scope: int, value: str = "") -> None:
    """Bind what a declaration of one name declares."""
    declarator = node.child_by_field_name("declarator")
    if declarator is not None:
        _variable(walk, declarator, scope, walk.text(node.child_by_field_name("type")), value)


def _variable(walk: ScopeWalk, declarator: Node, scope: int, type: str, value: str = "") -> None:
    if declarator.type == "init_declarator":
        held, inner = declarator.child_by_field_name("value"), declarator.child_by_field_name("declarator")
        if inner is not None:
            text = walk.text(held) if held is not None and held.end_byte - held.start_byte < 2000 else ""
            _variable(walk, inner, scope, type, text)
        return
    while declarator.type in _WRAPPERS:
        following = declarator.child_by_field_name("declarator")
        following = following or next((c for c in declarator.named_children), None)
        if following is None:
            return
        declarator = following
    if declarator.type in ("array_declarator", "function_declarator", "structured_binding_declarator"):
        for name in _declared_names(declarator):
            walk.variable(scope, name, value="(unknown)")
    elif declarator.type in _NAMES:
        is_auto = type in ("auto", "")
        walk.variable(scope, declarator, "" if is_auto else type, value or "(unknown)")


def _declared_names(node: Node) -> Iterator[Node]:
    if node.type in _NAMES:
        yield node
        return
    inner = node.child_by_field_name("declarator")
    for child in [inner] if inner is not None else node.named_children:
        yield from _declared_names(child)


def _declaration(walk: ScopeWalk, node: Node, scope: int) -> _Next | None:
    """Declared functions and variables. In a function, what looks like a declared function is a variable."""
    function = _function_declarator(node)
    place = walk.scopes[scope].kind
    if function is not None and place in ("module", "namespace", "class"):
        least, most = _parameters(walk, function, -1)
        _bind_function(walk, node, function, scope, (least, most, -1))
        return iter(())
    type = walk.text(node.child_by_field_name("type"))
    for declarator in node.children_by_field_name("declarator"):
        _variable(walk, declarator, scope, type)
    return None


def _loop(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    inner = walk.open("block", "", node, scope)
    if node.type == "for_range_loop":
        _typed(walk, node, inner)
    return _inside(node, inner)


def _block(walk: ScopeWalk, node: Node, scope: int) -> _Next | None:
    if node.parent is not None and node.parent.type in _FUNCTION_BODIES:
        return None
    return _inside(node, walk.open("block", "", node, scope))


def _inside(node: Node, scope: int) -> _Next:
    return ((child, scope) for child in node.named_children)


def _lambda(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    inner = walk.open("block", "", node, scope)
    declarator = node.child_by_field_name("declarator")
    if declarator is not None:
        _parameters(walk, declarator, inner)
    return _inside(node, inner)


def _template(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    """A template parameter hides a class of its name, and nobody knows what it is."""
    inner = walk.open("block", "<>", node, scope)
    given = node.child_by_field_name("parameters")
    for parameter in given.named_children if given is not None else []:
        for name in (c for c in parameter.named_children if c.type in _NAMES):
            walk.variable(inner, name, value="(unknown)")
    for child in node.named_children:
        if child != given:
            yield child, scope


def _alias(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    name, type = node.child_by_field_name("name"), node.child_by_field_name("type")
    if name is not None:
        walk.variable(scope, name, value=walk.text(type))
    yield from ()


def _typedef(walk: ScopeWalk, node: Node, scope: int) -> None:
    name, type = node.child_by_field_name("declarator"), node.child_by_field_name("type")
    if name is not None and type is not None and name.type == "type_identifier":
        own = type.child_by_field_name("name") if type.child_by_field_name("body") is not None else type
        if own is not None and walk.text(own) != walk.text(name):
            walk.variable(scope, name, value=walk.text(own))


def _using(walk: ScopeWalk, node: Node, scope: int) -> None:
    named = node.named_children[-1] if node.named_children else None
    if named is None:
        return
    if any(child.type == "namespace" for child in node.children):
        walk.bind(scope, Binding("*", "star", walk.tree.start(node), scope, member=walk.text(named)))
    elif named.type == "qualified_identifier":
        text = walk.text(named)
        walk.alias(scope, text.rpartition("::")[2], walk.tree.start(node), text)


def _include(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    path = walk.text(node.child_by_field_name("path")).strip('"<> ')
    walk.bind(0, Binding("*", "star", walk.tree.start(node), 0, module=path))
    yield from ()


def _nothing(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    yield from ()


RULES: dict[str, Rule] = {
    "namespace_definition": _namespace,
    **dict.fromkeys(("class_specifier", "struct_specifier", "union_specifier"), _class),
    "enum_specifier": _enum,
    "function_definition": _function,
    **dict.fromkeys(("declaration", "field_declaration"), _declaration),
    **dict.fromkeys(("for_range_loop", "for_statement", "if_statement", "catch_clause"), _loop),
    "compound_statement": _block,
    "lambda_expression": _lambda,
    "alias_declaration": _alias,
    "type_definition": _typedef,
    "using_declaration": _using,
    "preproc_include": _include,
    "friend_declaration": _nothing,
}
