"""What modules of JavaScript and TypeScript import and export, also by `require` and `module.exports`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tree_sitter import Node

from sprig_server.code.scopes import Binding, Rule, ScopeWalk
from sprig_server.code.scopes_script_functions import FUNCTIONS, named_function

_Next = Iterator[tuple[Node, int]]


def required(walk: ScopeWalk, value: Node | None) -> str:
    """The module in `require("./module")`; "" for anything else."""
    if value is None or value.type != "call_expression":
        return ""
    callee, given = value.child_by_field_name("function"), value.child_by_field_name("arguments")
    if callee is None or given is None or walk.text(callee) != "require" or given.named_child_count != 1:
        return ""
    return walk.text(given.named_children[0]).strip("\"'`")


def required_names(walk: ScopeWalk, name: Node, scope: int, module: str) -> None:
    """Bind what `const name = require(...)` and `const { a, b: c } = require(...)` name."""
    if name.type == "identifier":
        walk.bind(scope, Binding(walk.text(name), "import", walk.tree.start(name), scope, module=module))
        return
    for child in name.named_children if name.type == "object_pattern" else []:
        key, own = child.child_by_field_name("key") or child, child.child_by_field_name("value") or child
        place = walk.tree.start(own)
        walk.bind(scope, Binding(walk.text(own), "import", place, scope, module=module, member=walk.text(key)))


def exported_object(walk: ScopeWalk, value: Node, scope: int) -> None:
    """`module.exports = { a, b: c }` exports what a is bound to anyway, and c by another name."""
    for pair in value.named_children:
        key, held = pair.child_by_field_name("key"), pair.child_by_field_name("value")
        if key is None or held is None or walk.text(key) == walk.text(held):
            continue
        if held.type in FUNCTIONS:
            walk.bind(0, replace(named_function(walk, key, held, 0), within=scope))
        else:
            text = walk.text(held) if held.end_byte - held.start_byte < 2000 else "(unknown)"
            walk.bind(0, Binding(walk.text(key), "variable", walk.tree.start(key), scope, value=text))


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
        if value.type in FUNCTIONS:
            walk.bind(scope, replace(named_function(walk, value, value, scope), name="default"))
        else:
            walk.alias(scope, "default", place, walk.text(value))
    for specifier in clause.named_children if clause is not None and clause.type == "export_clause" else []:
        name, alias = specifier.child_by_field_name("name"), specifier.child_by_field_name("alias")
        own = walk.text(alias or name).strip("\"'")
        start = walk.tree.start(specifier)
        if source is not None:
            walk.bind(scope, Binding(own, "import", start, scope, module=module, member=walk.text(name)))
        elif alias is not None and own != walk.text(name):
            walk.alias(scope, own, start, walk.text(name))


RULES: dict[str, Rule] = {"import_statement": _import, "export_statement": _export}
