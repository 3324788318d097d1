"""Which nodes of JavaScript and TypeScript open scopes and bind names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tree_sitter import Node

from sprig_server.code.scopes import Binding, Rule, ScopeWalk

REBINDING = "function"
"""The name of the scope of a function whose `this` is not that of the class around it."""
ARROW = "=>"
"""The name of the scope of an arrow function, whose `this` is that of the function around it."""
_FUNCTIONS = frozenset({"arrow_function", "function_expression", "generator_function"})
_ENDLESS = 1 << 30
_Next = Iterator[tuple[Node, int]]


def _class(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    heritage = [c for c in node.named_children if c.type in ("class_heritage", "extends_type_clause")]
    bases = tuple(base for child in heritage for base in _bases(walk, child))
    inner = walk.open("class", walk.text(name), node, scope, bases)
    exported = _exported(walk, node)
    if name is not None:
        binding = Binding(walk.text(name), "class", walk.tree.start(name), scope, inner)
        walk.bind(scope, binding)
        if exported == "default":
            walk.bind(scope, replace(binding, name="default"))
    elif exported == "default":
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


def _exported(walk: ScopeWalk, node: Node) -> str:
    parent = node.parent
    if parent is None or parent.type != "export_statement":
        return ""
    return "default" if any(c.type == "default" for c in parent.children) else "export"


def _function(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    """A declared function or method, with or without a body."""
    name = node.child_by_field_name("name")
    is_member = walk.scopes[scope].kind in ("class", "object")
    inner = walk.open("function", "" if is_member else REBINDING, node, scope)
    if name is not None and name.type != "computed_property_name":
        marks = {c.type for c in node.children if c.type in ("static", "async", "get", "set", "abstract")}
        least, most = _parameters(walk, node, inner)
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
        if _exported(walk, node) == "default":
            walk.bind(scope, replace(binding, name="default"))
    body = node.child_by_field_name("body")
    if body is not None:
        yield body, inner


def _expression(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    """A function that is a value; `_declarator` binds its name."""
    in_object = node.parent is not None and node.parent.type == "pair"
    name = ARROW if node.type == "arrow_function" else "" if in_object else REBINDING
    inner = walk.open("function", name, node, scope)
    _parameters(walk, node, inner)
    single, body = node.child_by_field_name("parameter"), node.child_by_field_name("body")
    if single is not None:
        walk.variable(inner, single)
    if body is not None:
        if node.type == "arrow_function" and body.type != "statement_block":
            walk.bind(inner, Binding("", "return", walk.tree.start(body), inner, value=walk.text(body)))
        yield body, inner


def _parameters(walk: ScopeWalk, node: Node, scope: int) -> tuple[int, int]:
    """Bind the parameters of a function; how many arguments it takes."""
    given = node.child_by_field_name("parameters")
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
        _pattern(walk, name, scope, type)
        if any(c.type in ("accessibility_modifier", "readonly") for c in parameter.children):  # it makes a field, too
            owner = walk.enclosing(walk.scopes[scope].parent, "class")
            if owner >= 0 and name.type == "identifier":
                walk.bind(owner, Binding(walk.text(name), "variable", walk.tree.start(name), scope, type=type))
    return least, min(most, _ENDLESS)


def _pattern(walk: ScopeWalk, name: Node, scope: int, type: str = "", value: str = "") -> None:
    """Bind the names of a pattern; only a plain name has a type or value that is known."""
    if name.type in ("identifier", "property_identifier", "private_property_identifier", "type_identifier"):
        walk.variable(scope, name, type, value)
    elif name.type == "shorthand_property_identifier_pattern":
        walk.variable(scope, name)
    elif name.type in ("object_pattern", "array_pattern", "rest_pattern", "object_assignment_pattern"):
        for child in name.named_children:
            _pattern(walk, child, scope)
    elif name.type == "pair_pattern":
        inner = name.child_by_field_name("value")
        if inner is not None:
            _pattern(walk, inner, scope)
    elif name.type == "assignment_pattern":
        inner = name.child_by_field_name("left")
        if inner is not None:
            _pattern(walk, inner, scope)


def _declarator(walk: ScopeWalk, node: Node, scope: int) -> _Next | None:
    """A variable or field and what it is set to."""
    name = node.child_by_field_name("name") or node.child_by_field_name("property")
    value = node.child_by_field_name("value")
    if name is None:
        return None
    module = _required(walk, value)
    if module:
        _required_names(walk, name, scope, module)
        return None
    if node.parent is not None and node.parent.type == "variable_declaration":  # `var` belongs to the function
        while walk.scopes[scope].kind == "block":
            scope = walk.scopes[scope].parent
    if value is not None and value.type == "object" and name.type == "identifier":
        return _object_value(walk, name, value, scope)
    if value is not None and value.type in _FUNCTIONS:
        walk.bind(scope, _named_function(walk, name, value, scope))
        return None
    if value is not None and value.type == "class" and value.child_by_field_name("name") is None:
        return _class_value(walk, name, value, scope)
    kind = walk.text(node.child_by_field_name("type"))
    text = walk.text(value) if value is not None and value.end_byte - value.start_byte < 2000 else ""
    _pattern(walk, name, scope, kind, text or ("(unknown)" if value is not None else ""))
    return None


def _named_function(walk: ScopeWalk, name: Node, value: Node, scope: int) -> Binding:
    """A name for a function that is a value. The scope of the function is not open yet."""
    marks = frozenset(c.type for c in value.children if c.type == "async")
    type = walk.text(value.child_by_field_name("return_type"))
    start = walk.tree.start(name)
    return Binding(walk.text(name), "function", start, scope, type=type or "(unknown)", marks=marks)


def _class_value(walk: ScopeWalk, name: Node, value: Node, scope: int) -> _Next:
    bases = tuple(b for c in value.named_children if c.type == "class_heritage" for b in _bases(walk, c))
    inner = walk.open("class", walk.text(name), value, scope, bases)
    walk.bind(scope, Binding(walk.text(name), "class", walk.tree.start(name), scope, inner))
    body = value.child_by_field_name("body")
    if body is not None:
        yield body, inner


def _object_value(walk: ScopeWalk, name: Node, value: Node, scope: int) -> _Next:
    inner = walk.open("object", "", value, scope)
    walk.bind(scope, Binding(walk.text(name), "namespace", walk.tree.start(name), scope, inner))
    return _inside(walk, value, inner)


def _required(walk: ScopeWalk, value: Node | None) -> str:
    """The module in `require("./module")`; "" for anything else."""
    if value is None or value.type != "call_expression":
        return ""
    callee, given = value.child_by_field_name("function"), value.child_by_field_name("arguments")
    if callee is None or given is None or walk.text(callee) != "require" or given.named_child_count != 1:
        return ""
    return walk.text(given.named_children[0]).strip("\"'`")


def _required_names(walk: ScopeWalk, name: Node, scope: int, module: str) -> None:
    if name.type == "identifier":
        walk.bind(scope, Binding(walk.text(name), "import", walk.tree.start(name), scope, module=module))
        return
    for child in name.named_children if name.type == "object_pattern" else []:
        key, own = child.child_by_field_name("key") or child, child.child_by_field_name("value") or child
        place = walk.tree.start(own)
        walk.bind(scope, Binding(walk.text(own), "import", place, scope, module=module, member=walk.text(key)))


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
            _exported_object(walk, right, scope)
        else:
            walk.bind(0, Binding("module.exports", "variable", place, scope, value=value))
        return
    else:
        return
    if target < 0:
        return
    if right.type in _FUNCTIONS:
        walk.bind(target, replace(_named_function(walk, name, right, scope), within=scope))
    elif owner == "this" or value != walk.text(name):  # `exports.a = a` binds nothing new
        walk.bind(
            target, Binding(walk.text(name), "variable", walk.tree.start(name), scope, value=value or "(unknown)")
        )


def _exported_object(walk: ScopeWalk, value: Node, scope: int) -> None:
    """`module.exports = { a, b: c }` exports what a is bound to anyway, and c by another name."""
    for pair in value.named_children:
        key, held = pair.child_by_field_name("key"), pair.child_by_field_name("value")
        if key is None or held is None or walk.text(key) == walk.text(held):
            continue
        if held.type in _FUNCTIONS:
            walk.bind(0, replace(_named_function(walk, key, held, 0), within=scope))
        else:
            text = walk.text(held) if held.end_byte - held.start_byte < 2000 else "(unknown)"
            walk.bind(0, Binding(walk.text(key), "variable", walk.tree.start(key), scope, value=text))


def _declaring(walk: ScopeWalk, name: str, scope: int) -> int:
    """The scope that declares a variable which is assigned to."""
    place = scope
    while place > 0:
        if any(b.name == name for b in walk.scopes[place].bindings):
            return place
        place = walk.scopes[place].parent
    return 0


def _import(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    module = walk.text(node.child_by_field_name("source")).strip("\"'")
    clause = next((c for c in node.named_children if c.type == "import_clause"), None)
    for child in clause.named_children if clause is not None else []:
        if child.type == "identifier":
            start = walk.tree.start(child)
            walk.bind(scope, Binding(walk.text(child), "import", start, scope, module=module, member="default"))
        elif child.type == "namespace_import":
            own = child.named_children[-1]
            walk.bind(scope, Binding(walk.text(own), "import", walk.tree.start(own), scope, module=module))
        for specifier in child.named_children if child.type == "named_imports" else []:
            name, alias = specifier.child_by_field_name("name"), specifier.child_by_field_name("alias")
            given = alias or name
            if given is not None:
                binding = Binding(walk.text(given), "import", walk.tree.start(given), scope, module=module)
                walk.bind(scope, replace(binding, member=walk.text(name)))
    yield from ()


def _export(walk: ScopeWalk, node: Node, scope: int) -> None:
    source = node.child_by_field_name("source")
    module = walk.text(source).strip("\"'")
    clause = next((c for c in node.named_children if c.type in ("export_clause", "namespace_export")), None)
    place = walk.tree.start(node)
    value = node.child_by_field_name("value")
    if clause is None and source is not None:
        walk.bind(scope, Binding("*", "star", place, scope, module=module))
    elif clause is not None and clause.type == "namespace_export" and clause.named_children:
        walk.bind(scope, Binding(walk.text(clause.named_children[0]), "import", place, scope, module=module))
    elif value is not None:  # `export default value`
        if value.type in _FUNCTIONS:
            walk.bind(scope, replace(_named_function(walk, value, value, scope), name="default"))
        else:
            walk.bind(scope, Binding("default", "variable", place, scope, value=walk.text(value)))
    for specifier in clause.named_children if clause is not None and clause.type == "export_clause" else []:
        name, alias = specifier.child_by_field_name("name"), specifier.child_by_field_name("alias")
        own = walk.text(alias or name).strip("\"'")
        start = walk.tree.start(specifier)
        if source is not None:
            walk.bind(scope, Binding(own, "import", start, scope, module=module, member=walk.text(name)))
        elif alias is not None and own != walk.text(name):
            walk.bind(scope, Binding(own, "variable", start, scope, value=walk.text(name)))


def _for(walk: ScopeWalk, node: Node, scope: int) -> None:
    left = node.child_by_field_name("left")
    if left is not None:
        _pattern(walk, left, scope)


def _catch(walk: ScopeWalk, node: Node, scope: int) -> None:
    parameter = node.child_by_field_name("parameter")
    if parameter is not None:
        _pattern(walk, parameter, scope)


def _block(walk: ScopeWalk, node: Node, scope: int) -> _Next | None:
    """A block has variables of its own, but the body of a function belongs to the function."""
    if node.parent is not None and node.parent.child_by_field_name("body") == node and "for" not in node.parent.type:
        return None
    return _inside(walk, node, walk.open("block", "", node, scope))


def _inside(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    return ((child, scope) for child in node.named_children)


def _return(walk: ScopeWalk, node: Node, scope: int) -> None:
    function = walk.enclosing(scope, "function")
    value = walk.text(node.named_children[0]) if node.named_children else "undefined"
    if function >= 0:
        walk.bind(function, Binding("", "return", walk.tree.start(node), scope, value=value))


def _namespace(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    inner = walk.open("namespace", walk.text(name), node, scope)
    if name is not None:
        walk.bind(scope, Binding(walk.text(name), "namespace", walk.tree.start(name), scope, inner))
    if body is not None:
        yield body, inner


def _object(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    """An object is a scope that its methods' `this` means, and that no bare name means."""
    return _inside(walk, node, walk.open("object", "", node, scope))


def _pair(walk: ScopeWalk, node: Node, scope: int) -> None:
    key, value = node.child_by_field_name("key"), node.child_by_field_name("value")
    if key is None or value is None or key.type != "property_identifier" or walk.scopes[scope].kind != "object":
        return
    if value.type in _FUNCTIONS:
        walk.bind(scope, _named_function(walk, key, value, scope))
    else:
        text = walk.text(value) if value.end_byte - value.start_byte < 2000 else "(unknown)"
        walk.bind(scope, Binding(walk.text(key), "variable", walk.tree.start(key), scope, value=text))


def _shorthand(walk: ScopeWalk, node: Node, scope: int) -> None:
    if walk.scopes[scope].kind == "object":
        outer = walk.scopes[scope].parent
        name = walk.text(node)
        walk.bind(scope, Binding(name, "variable", walk.tree.start(node), outer, value=name))


RULES: dict[str, Rule] = {
    **dict.fromkeys(("class_declaration", "class", "abstract_class_declaration", "interface_declaration"), _class),
    **dict.fromkeys(("function_declaration", "generator_function_declaration", "method_definition"), _function),
    **dict.fromkeys(("function_signature", "method_signature", "abstract_method_signature"), _function),
    **dict.fromkeys(_FUNCTIONS, _expression),
    **dict.fromkeys(("variable_declarator", "field_definition", "public_field_definition"), _declarator),
    "property_signature": _declarator,
    "assignment_expression": _assignment,
    "import_statement": _import,
    "export_statement": _export,
    "for_in_statement": _for,
    "catch_clause": _catch,
    "statement_block": _block,
    "return_statement": _return,
    "internal_module": _namespace,
    "module": _namespace,
    "object": _object,
    "pair": _pair,
    "shorthand_property_identifier": _shorthand,
    "type_alias_declaration": _declarator,
}
