"""Which nodes of JavaScript and TypeScript open scopes and bind names: blocks and objects here, the rest beside."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from sprig_server.code import (
    scopes_script_classes,
    scopes_script_functions,
    scopes_script_modules,
    scopes_script_variables,
)
from sprig_server.code.scopes import Rule, ScopeWalk

REBINDING = scopes_script_functions.REBINDING
_Next = Iterator[tuple[Node, int]]


def _block(walk: ScopeWalk, node: Node, scope: int) -> _Next | None:
    """A block has variables of its own, but the body of a function belongs to the function."""
    if node.parent is not None and node.parent.child_by_field_name("body") == node and "for" not in node.parent.type:
        return None
    return _inside(walk, node, walk.open("block", "", node, scope))


def _inside(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    return ((child, scope) for child in node.named_children)


def _object(walk: ScopeWalk, node: Node, scope: int) -> _Next:
    """An object is a scope that its methods' `this` means, and that no bare name means."""
    return _inside(walk, node, walk.open("object", "", node, scope))


RULES: dict[str, Rule] = {
    **scopes_script_functions.RULES,
    **scopes_script_classes.RULES,
    **scopes_script_variables.RULES,
    **scopes_script_modules.RULES,
    "statement_block": _block,
    "object": _object,
}
