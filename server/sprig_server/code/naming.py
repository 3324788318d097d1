"""The name of a definition: its own, or that of the variable or property it is assigned to; and the names around it.

A function that is an expression (an arrow function, a lambda) gets the name that a person would search for: that of the
variable, field or property it is assigned to, also through casts, conditions and calls (`const Button = memo(() =>
...)`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tree_sitter import Node

from sprig_server.code.languages import Language
from sprig_server.code.syntax import SyntaxTree, ancestors

_SPACE = re.compile(r"\s+")
_COMPUTED = re.compile(r"""^\[\s*(["'`])(.*)\1\s*\]$""")
_MACRO = re.compile(r"[A-Z][A-Z0-9_]{2,}")
_PLAIN = re.compile(r"[A-Za-z_]\w*")

Holder = tuple[int, Node]
"""The index of a function's holder among the nodes around it, and the node that names the function."""


def name_node_of(tree: SyntaxTree, node: Node, around: Sequence[Node]) -> Node | None:
    """The node that names a definition; None if it has no name.

    Args:
        around: the ancestors of `node`, nearest first (`syntax.ancestors`).
    """
    held = holder_of(tree, node, around)
    if held is not None:
        return held[1]
    declarator = node.child_by_field_name("declarator")
    if declarator is None:
        return _own_name(node)
    name = _declared_name(declarator)
    return _macro_argument(tree, node, name) or name if name is not None and tree.language.macros else name


def _macro_argument(tree: SyntaxTree, node: Node, name: Node) -> Node | None:
    """The last name in `TEST(Suite, name) { ... }`: a macro that defines what its arguments name."""
    if node.child_by_field_name("type") is not None or not _MACRO.fullmatch(tree.text_of(name)):
        return None
    declarator = node.child_by_field_name("declarator")
    parameters = declarator.child_by_field_name("parameters") if declarator is not None else None
    given = parameters.named_children if parameters is not None else []
    return given[-1] if given and all(_PLAIN.fullmatch(tree.text_of(name)) for name in given) else None


def holder_of(tree: SyntaxTree, node: Node, around: Sequence[Node]) -> Holder | None:
    """The holder of a definition without a useful name of its own; None if the definition needs none."""
    held = _holder_of_value(tree, node, around)
    name = held[1] if held is not None else _own_name(node) if tree.language.definers else None
    if name is None or tree.text_of(name) not in tree.language.accessors:
        return held
    first = held[0] + 1 if held is not None else 0
    defined = _defined_property(tree, around[first : first + 3])
    return held if defined is None else (first + 2, defined)


def _own_name(node: Node) -> Node | None:
    return node.child_by_field_name("name") or node.child_by_field_name("key")


def _holder_of_value(tree: SyntaxTree, node: Node, around: Sequence[Node]) -> Holder | None:
    """The holder of a function or class that is an expression; None for a declaration, or if no holder has a name.

    `const f = memo(function g() {})` is named f. Functions of the standard library that call their argument (`map`,
    `then`) pass no name on.
    """
    language = tree.language
    if node.type not in language.values:
        return None
    inner = node
    for place, parent in enumerate(around):
        kind = parent.type
        if kind in language.named_by:
            named = parent.child_by_field_name(language.named_by[kind])
            return (place, _last_name(tree, named)) if named is not None and _may_name(language, named, inner) else None
        if kind in language.exports:
            keyword = next((c for c in reversed(parent.children) if c.type in language.exports[kind]), None)
            own = node.child_by_field_name("name")
            return (place, own or keyword) if keyword is not None else None
        if kind in language.arguments:
            local = any(outer.type in language.functions for outer in around[place + 1 :])
            if local and not language.wraps_locally:
                return None
        elif kind in language.calls:
            if _consumes(tree, parent):
                return None
        elif kind in language.members:  # `function () {}.bind(this)`
            named = parent.child_by_field_name(language.members[kind])
            if named is None or named == inner or tree.text_of(named) not in language.binders:
                return None
        elif kind not in language.transparent:
            return None
        inner = parent
    return None


def _may_name(language: Language, named: Node, inner: Node) -> bool:
    return named != inner and named.type not in language.patterns


def _last_name(tree: SyntaxTree, named: Node) -> Node:
    """The node of c in `a.b.c` and `a["c"]`."""
    part = named.child_by_field_name(tree.language.members.get(named.type, "")) if named.child_count else None
    if part is None:
        return named
    return part if part.child_count == 0 or tree.text_of(part)[:1] in "\"'`" else named


def _consumes(tree: SyntaxTree, call: Node) -> bool:
    callee = call.child_by_field_name(tree.language.calls[call.type])
    if callee is None or not tree.language.consumers:
        return False
    name = callee.child_by_field_name(tree.language.members.get(callee.type, "")) if callee.child_count else callee
    return name is not None and tree.text_of(name) in tree.language.consumers


def _defined_property(tree: SyntaxTree, around: Sequence[Node]) -> Node | None:
    """The name in `Object.defineProperty(owner, "name", { get() {} })`, where `around` begins with that object."""
    if len(around) < 3 or around[2].type not in tree.language.calls:
        return None
    callee, given = around[2].child_by_field_name(tree.language.calls[around[2].type]), around[1].named_children
    if callee is None or tree.text_of(callee) not in tree.language.definers or len(given) < 3:
        return None
    return given[1]


def name_path(tree: SyntaxTree, name_node: Node) -> list[str]:
    """The name as written, split at the qualifiers: ["A<T>", "f"] for `A<T>::f`."""
    path = owner_names(tree, name_node)
    if name_node.type == "parameter_declaration" and name_node.parent is not None:
        return [tree.text_of(argument) for argument in name_node.parent.named_children]
    while name_node.type == "qualified_identifier":
        scope, name = name_node.child_by_field_name("scope"), name_node.child_by_field_name("name")
        if scope is not None:
            path.append(_SPACE.sub("", tree.text_of(scope)))
        if name is None:
            return []
        name_node = name
    if name_node.type == "operator_cast":
        return [*path, _SPACE.sub(" ", tree.text_of(name_node)).split("(")[0].strip()]
    name_text = clean_name(tree.text_of(name_node))
    return [*path, name_text] if name_text else []


def clean_name(name: str) -> str:
    """A name without quotes and line breaks; for C++ `inline` namespaces, the names only."""
    name = _COMPUTED.sub(r"\2", name)
    return re.sub(r"\binline ", "", _SPACE.sub(" ", name)).strip("\"'` ")


def owner_names(tree: SyntaxTree, name_node: Node) -> list[str]:
    """The class whose property is named: ["List"] for `List.prototype.sum`, also with `defineProperty`."""
    parent = name_node.parent if tree.language.members else None
    if parent is None:
        return []
    if parent.type in tree.language.arguments:  # only `defineProperty` names something by an argument
        owner = re.fullmatch(r"([A-Za-z_$][\w$]*)(?:\.prototype)?", tree.text_of(parent.named_children[0]))
        return [owner[1]] if owner is not None else []
    owned = parent if parent.type in tree.language.members else name_node
    match = re.fullmatch(r"([\w$.]+)\.prototype(?:\.[\w$#]+|\[.*\])", tree.text_of(owned), re.DOTALL)
    return [match[1]] if match is not None else []


def _declared_name(declarator: Node) -> Node | None:
    """The name inside a C declarator: what the function declarator declares."""
    inside_function = False
    current: Node | None = declarator
    while current is not None:
        innermost = current
        while innermost.type == "qualified_identifier" and (name := innermost.child_by_field_name("name")) is not None:
            innermost = name
        if innermost.type == "operator_cast":
            return current
        inside_function = inside_function or current.type == "function_declarator"
        inner = current.child_by_field_name("declarator")
        if inner is None and current.type in ("reference_declarator", "parenthesized_declarator"):
            inner = current.named_children[0] if current.named_children else None
        if inner is None:
            return current if inside_function and current.type != "function_declarator" else None
        current = inner
    return None


def scope_names(
    tree: SyntaxTree, node: Node, name_node: Node, around: Sequence[Node] | None = None
) -> list[tuple[str, bool]]:
    """The names that qualify a function, outermost first, each with a flag: whether it is a type."""
    around = list(ancestors(tree, node)) if around is None else around
    language = tree.language
    scopes: list[tuple[str, bool]] = []
    last: Node | None = name_node
    is_friend = False
    for place, parent in enumerate(around):
        if parent.type not in language.scopes:
            is_friend = is_friend or parent.type in language.friends
            continue
        if is_friend and parent.type in language.types:  # a friend is not a member of the class
            is_friend = False
            continue
        if parent.id not in tree.names:  # naming takes longer the deeper a node is
            named = name_node_of(tree, parent, around[place + 1 :])
            tree.names[parent.id] = None if named is None or named.type in language.patterns else named
        named = tree.names[parent.id]
        if named is None and parent.type in language.anonymous:
            named = parent.child_by_field_name(language.anonymous[parent.type])
        if named is None and parent.type in language.types:
            scopes.append(("", True))
        if named is None or named == last:  # `const A = class {}`: the declarator and the class have one name
            continue
        last = named
        name = clean_name(tree.text_of(named))
        if name:
            scopes.append((name, parent.type in language.types))
    scopes.reverse()
    return scopes
