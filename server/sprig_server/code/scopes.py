"""The scopes of a file and the names that each of them binds: plain data, from which `resolution` tells what a name
means.

`scopes_python`, `scopes_script`, `scopes_java` and `scopes_cpp` say which nodes of a language open scopes and bind
names; this module walks the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from tree_sitter import Node

from sprig_server.code.syntax import SyntaxTree

ScopeKind = Literal["module", "namespace", "class", "function", "block", "object"]
BindingKind = Literal["function", "class", "namespace", "variable", "import", "star", "return"]

_MOST_NODES = 2_000_000

ALIAS = frozenset({"alias"})
"""The marks of a variable that only names something else."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A name that a scope binds.

    `start` is the offset of the name, `inner` the scope that a function, class or namespace opens, `within` the scope
    in which `type` and `value` are to be read: texts of an annotation or return type, and of what is assigned. An
    `import` binds a `module` as it is written, or the `member` of it; a `star` binds all its names; a `return` is
    something that a function returns. A call may have from `least` to `most` arguments. `marks` are decorators and
    modifiers; a variable that is marked `ALIAS` is nothing but its value by another name.
    """

    name: str
    kind: BindingKind
    start: int
    within: int
    inner: int = -1
    type: str = ""
    value: str = ""
    module: str = ""
    member: str = ""
    least: int = 0
    most: int = 1 << 30
    marks: frozenset[str] = frozenset()
    has_body: bool = True


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of a text, characters [start, end), and the names it binds. `bases` are those of a class, as written."""

    kind: ScopeKind
    name: str
    start: int
    end: int
    parent: int
    bases: tuple[str, ...]
    bindings: tuple[Binding, ...]

    def named(self, name: str) -> list[Binding]:
        """The bindings of a name, in the order of the text."""
        return [binding for binding in self.bindings if binding.name == name]


@dataclass(slots=True)
class _Open:
    kind: ScopeKind
    name: str
    start: int
    end: int
    parent: int
    bases: tuple[str, ...]
    bindings: list[Binding] = field(default_factory=list)


Rule = Callable[["ScopeWalk", Node, int], "Iterator[tuple[Node, int]] | None"]
"""Notes what a node binds in a scope. It returns the nodes to go on with and their scopes; None means its children."""


class ScopeWalk:
    """The walk through a tree: what its rules write to."""

    def __init__(self, tree: SyntaxTree) -> None:
        self.tree = tree
        self.scopes = [_Open("module", "", 0, len(tree.text) + 1, -1, ())]

    def text(self, node: Node | None) -> str:
        """The text of a node; "" for none."""
        return self.tree.text_of(node) if node is not None else ""

    def open(self, kind: ScopeKind, name: str, node: Node, parent: int, bases: tuple[str, ...] = ()) -> int:
        """Open a scope over a node."""
        self.scopes.append(_Open(kind, name, self.tree.start(node), self.tree.end(node), parent, bases))
        return len(self.scopes) - 1

    def bind(self, scope: int, binding: Binding) -> None:
        """Bind a name in a scope."""
        self.scopes[scope].bindings.append(binding)

    def alias(self, scope: int, name: str, start: int, value: str) -> None:
        """Bind another name for what an expression names."""
        self.bind(scope, Binding(name, "variable", start, scope, value=value, marks=ALIAS))

    def variable(self, scope: int, name: Node, type: str = "", value: str = "") -> None:
        """Bind a variable in the scope that it stands in."""
        self.bind(scope, Binding(self.text(name), "variable", self.tree.start(name), scope, type=type, value=value))

    def enclosing(self, scope: int, kind: ScopeKind) -> int:
        """The innermost scope of a kind around one, itself included; -1 if there is none."""
        while scope >= 0 and self.scopes[scope].kind != kind:
            scope = self.scopes[scope].parent
        return scope


def find_scopes(tree: SyntaxTree, rules: dict[str, Rule]) -> tuple[Scope, ...]:
    """The scopes of a tree, the module first."""
    walk = ScopeWalk(tree)
    waiting: list[tuple[Node, int]] = [(tree.root, 0)]
    for _ in range(_MOST_NODES):
        if not waiting:
            break
        node, scope = waiting.pop()
        rule = rules.get(node.type)
        following = rule(walk, node, scope) if rule is not None else None
        if following is None:
            waiting.extend((child, scope) for child in reversed(node.named_children))
        else:
            waiting.extend(reversed(list(following)))
    return tuple(Scope(s.kind, s.name, s.start, s.end, s.parent, s.bases, tuple(s.bindings)) for s in walk.scopes)
