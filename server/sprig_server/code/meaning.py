"""What an expression can mean, and the files that this is looked up in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sprig_server.code.imports import Paths
from sprig_server.code.scopes import Binding, Scope


class Files(Paths, Protocol):
    """The scopes of the files of a workspace."""

    def scopes(self, path: str) -> Sequence[Scope]:
        """The scopes of a file, the module first; () if it cannot be read."""


MeaningKind = Literal["module", "namespace", "class", "instance", "function", "variable", "super", "pending"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an expression is: a module, class or function, an instance of a class, or `super`; a variable only where the
    variable itself is asked for, and not what it holds.

    `scope` is that of the module, class or namespace, in the file `path`; `bindings` are where it is defined, several
    for overloads; `receiver` is what a method was taken from. What is `pending` is awaited first.
    """

    kind: MeaningKind
    path: str
    scope: int
    bindings: tuple[Binding, ...] = ()
    receiver: Meaning | None = None


class Unbound(Exception):
    """No scope binds a name."""


class Absent:
    """A class or module has no such name."""


ABSENT = Absent()


def innermost(scopes: Sequence[Scope], offset: int) -> int:
    """The innermost scope that holds a character."""
    found, length = 0, -1
    for place, scope in enumerate(scopes):
        size = scope.end - scope.start
        if scope.start <= offset < scope.end and (length < 0 or size <= length):
            found, length = place, size
    return found


def binds(scopes: Sequence[Scope], scope: int, name: str) -> bool:
    """Whether a scope or one around it binds a name."""
    while scope >= 0:
        if scopes[scope].named(name):
            return True
        scope = scopes[scope].parent
    return False
