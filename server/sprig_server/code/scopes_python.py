"""Which nodes of Python open scopes and bind names."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from sprig_server.code.scopes import Binding, Rule, ScopeWalk

_LONGEST_VALUE = 1000  # bytes
_VARIADIC = frozenset({"list_splat_pattern", "dictionary_splat_pattern"})
_ORDINARY = frozenset({"staticmethod", "classmethod", "property", "cached_property", "overload", "override"})
_PATTERNS = frozenset({"pattern_list", "tuple_pattern", "list_pattern", "list_splat_pattern", "as_pattern_target"})
_BINDING_PARAMETERS = frozenset(
    {"identifier", "typed_parameter", "default_parameter", "typed_default_parameter", *_VARIADIC}
)


def _class(walk: ScopeWalk, node: Node, scope: int) -> Iterator[tuple[Node, int]]:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    given = node.child_by_field_name("superclasses")
    bases = [child for child in given.named_children if child.type != "keyword_argument"] if given is not None else []
    if name is None or body is None:
        return
    texts = tuple(walk.text(base) for base in bases)
    inner = walk.open("class", walk.text(name), node, scope, texts)
    marks = frozenset(_decorators(walk, node))
    walk.bind(scope, Binding(walk.text(name), "class", walk.tree.start(name), scope, inner, marks=marks))
    _type_parameters(walk, node, inner)
    yield body, inner


def _function(walk: ScopeWalk, node: Node, scope: int) -> Iterator[tuple[Node, int]]:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    if name is None or body is None:
        return
    inner = walk.open("function", walk.text(name), node, scope)
    marks = frozenset(_decorators(walk, node))
    asynchronous = node.children[0].type == "async"
    marks |= {"async"} if asynchronous else set()
    returned = walk.text(node.child_by_field_name("return_type"))
    binding = Binding(walk.text(name), "function", walk.tree.start(name), scope, inner, type=returned, marks=marks)
    walk.bind(scope, binding)
    _type_parameters(walk, node, inner)
    parameters = node.child_by_field_name("parameters")
    in_class = walk.scopes[scope].kind == "class"
    for place, parameter in enumerate(parameters.named_children if parameters is not None else []):
        receiver = "cls" if "classmethod" in marks or walk.text(name) in ("__new__", "__init_subclass__") else "self"
        first = place == 0 and in_class and "staticmethod" not in marks and parameter.type == "identifier"
        _parameter(walk, parameter, inner, receiver if first else "")
    yield body, inner


def _type_parameters(walk: ScopeWalk, node: Node, scope: int) -> None:
    """A type parameter hides a class of its name, and nobody knows what it is."""
    for given in node.children_by_field_name("type_parameters"):
        for parameter in given.named_children:
            if parameter.named_children and parameter.named_children[0].type == "identifier":
                walk.variable(scope, parameter.named_children[0], value="(unknown)")


def _capture(walk: ScopeWalk, node: Node, scope: int) -> None:
    """What a pattern of `match` binds. A dotted name is none of it, and neither is a class."""
    if node.type == "as_pattern" and node.named_children[0].type != "case_pattern":  # that of `with` and `except`
        return
    for child in node.named_children:
        if child.type == "dotted_name" and child.named_child_count == 1:
            walk.variable(scope, child.named_children[0], value="(unknown)")
        elif child.type == "identifier":  # `*rest`, `pattern as name`
            walk.variable(scope, child, value="(unknown)")


def _decorators(walk: ScopeWalk, node: Node) -> Iterator[str]:
    """The last names of the decorators of a definition; `decorated` if one of them may change what it is."""
    parent = node.parent
    if parent is None or parent.type != "decorated_definition":
        return
    for child in parent.children:
        if child.type == "decorator":
            text = walk.text(child).lstrip("@ \t").split("(")[0].strip()
            last = text.split(".")[-1]
            yield last if last in _ORDINARY or last in ("abstractmethod", "setter", "deleter") else "decorated"


def _parameter(walk: ScopeWalk, node: Node, scope: int, receiver: str) -> None:
    if node.type not in _BINDING_PARAMETERS:
        return
    name = node.child_by_field_name("name") or (node if node.type == "identifier" else None)
    if name is None:
        name = next((c for c in node.named_children if c.type == "identifier"), None)
        if name is None:  # `*args: int`
            inside = node.named_children[0] if node.named_children else None
            name = inside.named_children[0] if inside is not None and inside.named_children else None
            if name is not None:
                walk.variable(scope, name)
            return
    if node.type in _VARIADIC:
        walk.variable(scope, name)
        return
    kind = f"<{receiver}>" if receiver else walk.text(node.child_by_field_name("type"))
    walk.variable(scope, name, type=kind)


def _lambda(walk: ScopeWalk, node: Node, scope: int) -> Iterator[tuple[Node, int]]:
    inner = walk.open("function", "", node, scope)
    parameters, body = node.child_by_field_name("parameters"), node.child_by_field_name("body")
    for parameter in parameters.named_children if parameters is not None else []:
        _parameter(walk, parameter, inner, "")
    if body is not None:
        yield body, inner


def _comprehension(walk: ScopeWalk, node: Node, scope: int) -> Iterator[tuple[Node, int]]:
    inner = walk.open("function", "", node, scope)
    for child in node.named_children:
        yield child, inner


def _assignment(walk: ScopeWalk, node: Node, scope: int) -> Iterator[tuple[Node, int]] | None:
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    kind = walk.text(node.child_by_field_name("type"))
    value = ""
    if right is not None and right.end_byte - right.start_byte < _LONGEST_VALUE:
        while right is not None and right.type == "assignment":  # a = b = C()
            right = right.child_by_field_name("right")
        value = walk.text(right)
    if left is None:
        return None
    if left.type in _PATTERNS:
        for name in _names(left):
            _target(walk, name, scope, "", "")
    else:
        _target(walk, left, scope, kind, value)
    return None


def _target(walk: ScopeWalk, target: Node, scope: int, kind: str, value: str) -> None:
    if target.type == "identifier":
        walk.variable(scope, target, kind, value)
    elif target.type == "attribute":
        owner, name = target.child_by_field_name("object"), target.child_by_field_name("attribute")
        if owner is None or name is None or owner.type != "identifier":
            return
        method = walk.enclosing(scope, "function")
        while method >= 0 and not any(
            b.name == walk.text(owner) and b.type in ("<self>", "<cls>") for b in walk.scopes[method].bindings
        ):
            method = walk.enclosing(walk.scopes[method].parent, "function")
        if method >= 0:
            binding = Binding(walk.text(name), "variable", walk.tree.start(name), scope, type=kind, value=value)
            walk.bind(walk.scopes[method].parent, binding)


def _names(pattern: Node) -> Iterator[Node]:
    if pattern.type in ("identifier", "attribute"):
        yield pattern
    elif pattern.type in _PATTERNS:
        for child in pattern.named_children:
            yield from _names(child)


def _loop(walk: ScopeWalk, node: Node, scope: int) -> None:
    left = node.child_by_field_name("left")
    for name in _names(left) if left is not None else ():
        _target(walk, name, scope, "", "")


def _alias_target(walk: ScopeWalk, node: Node, scope: int) -> None:
    for child in node.named_children:
        for name in _names(child):
            _target(walk, name, scope, "", "")


def _named(walk: ScopeWalk, node: Node, scope: int) -> None:
    name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
    if name is not None:
        walk.variable(scope, name, value=walk.text(value))


def _import(walk: ScopeWalk, node: Node, scope: int) -> Iterator[tuple[Node, int]]:
    for name in node.children_by_field_name("name"):
        if name.type == "aliased_import":
            alias, module = name.child_by_field_name("alias"), walk.text(name.child_by_field_name("name"))
        else:
            alias, module = name.named_children[0], walk.text(name.named_children[0])
        if alias is not None:
            place = walk.tree.start(alias)
            walk.bind(scope, Binding(walk.text(alias), "import", place, scope, module=module))
    yield from ()


def _import_from(walk: ScopeWalk, node: Node, scope: int) -> Iterator[tuple[Node, int]]:
    module = "".join(walk.text(node.child_by_field_name("module_name")).split())
    for name in node.children_by_field_name("name"):
        alias = name.child_by_field_name("alias") if name.type == "aliased_import" else name
        member = walk.text(name.child_by_field_name("name") if name.type == "aliased_import" else name)
        if alias is not None:
            place = walk.tree.start(alias)
            walk.bind(scope, Binding(walk.text(alias), "import", place, scope, module=module, member=member))
    if any(child.type == "wildcard_import" for child in node.children):
        walk.bind(scope, Binding("*", "star", walk.tree.start(node), scope, module=module))
    yield from ()


def _return(walk: ScopeWalk, node: Node, scope: int) -> None:
    function = walk.enclosing(scope, "function")
    value = walk.text(node.named_children[0]) if node.named_children else "None"
    if function >= 0 and node.type == "return_statement":
        walk.bind(function, Binding("", "return", walk.tree.start(node), scope, value=value))
    elif function >= 0:  # a generator returns no value of its own
        walk.bind(function, Binding("", "return", walk.tree.start(node), scope, value="(yield)"))


RULES: dict[str, Rule] = {
    "class_definition": _class,
    "function_definition": _function,
    "lambda": _lambda,
    "list_comprehension": _comprehension,
    "set_comprehension": _comprehension,
    "dictionary_comprehension": _comprehension,
    "generator_expression": _comprehension,
    "assignment": _assignment,
    "for_statement": _loop,
    "for_in_clause": _loop,
    "as_pattern_target": _alias_target,
    **dict.fromkeys(("case_pattern", "splat_pattern", "as_pattern"), _capture),
    "named_expression": _named,
    "import_statement": _import,
    "import_from_statement": _import_from,
    "return_statement": _return,
    "yield": _return,
}
