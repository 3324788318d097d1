"""What a name means where it stands: by its scope, by the class of what it belongs to, and by imports.

Nothing is guessed. As soon as one step is not certain, because a class is not in the workspace or a variable may hold
different things, there is no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from sprig_server.code.dialects import Dialect
from sprig_server.code.expressions import Step, read_chain, read_type
from sprig_server.code.imports import Paths
from sprig_server.code.scopes import Binding, Scope

_MOST_STEPS = 2000
_DEEPEST = 40


class Files(Paths, Protocol):
    """The scopes of the files of a workspace."""

    def scopes(self, path: str) -> Sequence[Scope]:
        """The scopes of a file, the module first; () if it cannot be read."""


MeaningKind = Literal["module", "namespace", "class", "instance", "function", "super", "pending"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an expression is: a module, class or function, an instance of a class, or `super`.

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


class Resolver:
    """Answers one question: its steps are counted."""

    def __init__(self, files: Files, dialect: Dialect) -> None:
        self._files = files
        self._dialect = dialect
        self._steps = 0
        self._busy: set[tuple[str, int, int, str]] = set()
        self._seen_files: dict[str, tuple[Sequence[str], bool]] = {}  # for languages that include files

    def base(self, meaning: Meaning) -> Meaning | None:
        """The class that `super` stands for when it is called; None if it is not known."""
        order = list(self._order(meaning.path, meaning.scope, frozenset()))[1:2]
        return order[0] if order else None

    def called(self, path: str, expression: str, offset: int) -> Meaning | None:
        """What is called by an expression that stands at an offset of a file; None if that is not certain.

        Raises:
            Unbound: it begins with a name that no scope around it binds.
        """
        chain = read_chain(expression)
        scope = innermost(self._files.scopes(path), offset)
        return self._evaluate((*chain[:-1], replace(chain[-1], called=True)), path, scope) if chain else None

    # Expressions

    def _evaluate(self, chain: Iterable[Step], path: str, scope: int) -> Meaning | None:
        value: Meaning | None = None
        for step in chain:
            self._steps += 1
            if self._steps > _MOST_STEPS:
                return None
            if step.kind == "name":
                value = self._lookup(path, scope, step)
            elif step.kind == "cast":
                value = self._instance(step.text, path, scope)
            elif value is None:
                return None
            elif step.kind == "member":
                value = self._member(value, step)
            elif step.kind == "call":
                value = self._call(value)
            elif step.kind == "await":
                value = value.receiver if value.kind == "pending" else value
            else:
                return None
        return value

    def _lookup(self, path: str, scope: int, step: Step) -> Meaning | None:
        scopes, name = self._files.scopes(path), step.text
        if not scopes:
            return None
        if name in (self._dialect.receiver, self._dialect.parent) and not _binds(scopes, scope, name):
            return self._receiver(path, scope, is_super=name == self._dialect.parent)
        place = scope
        while place >= 0:
            current = scopes[place]
            if current.kind == "object":
                place = current.parent
                continue
            if current.kind == "class" and place != scope and not self._dialect.members_in_scope:
                place = current.parent
                continue
            if current.kind == "class" and self._dialect.members_in_scope:
                found = self._member_in_scope(path, place, step)
                if found is not ABSENT:
                    return found if isinstance(found, Meaning) else None
            elif bindings := self._fitting(current, step):
                return self._merge(path, place, bindings)
            place = current.parent
        sibling = self._dialect.sibling(name, path, self._files) if self._dialect.sibling is not None else None
        if sibling is not None:
            return self._member(Meaning("module", sibling, 0), step)
        starred = self._starred(path, step)
        if starred is not ABSENT:
            return starred if isinstance(starred, Meaning) else None
        raise Unbound

    def _receiver(self, path: str, scope: int, is_super: bool) -> Meaning | None:
        """What `this` or `super` is in a scope."""
        scopes = self._files.scopes(path)
        static, function, crossed = False, "", False
        while scope >= 0 and scopes[scope].kind != "class":
            if scopes[scope].kind == "object" and function == "" and crossed:
                return Meaning("namespace", path, scope) if not is_super else None
            if scopes[scope].kind == "function":
                function, crossed = scopes[scope].name, True
                if function == self._dialect.rebinding:
                    return None
            outer = scopes[scope].parent
            own = [b for b in scopes[outer].bindings if b.inner == scope] if outer >= 0 else []
            static = static or any("static" in b.marks or "classmethod" in b.marks for b in own)
            scope = outer
        if scope < 0:
            return None
        kind: MeaningKind = "super" if is_super else "class" if static else "instance"
        return Meaning(kind, path, scope)

    def _instance(self, type: str, path: str, scope: int, receiver: Meaning | None = None) -> Meaning | None:
        """An instance of the class that a type names."""
        names = read_type(type)
        if [n.text for n in names] == ["Self"] or (type.strip(": ") == "this" and receiver is not None):
            return replace(receiver, kind="instance") if receiver is not None else None
        try:
            found = self._evaluate(names, path, scope) if names else None
        except Unbound:
            return None
        return replace(found, kind="instance") if found is not None and found.kind == "class" else None

    # Names

    def _merge(self, path: str, scope: int, bindings: Sequence[Binding]) -> Meaning | None:
        """What a scope binds a name to: one thing, if all bindings agree; overloads are one."""
        functions = [b for b in bindings if b.kind == "function"]
        if len(functions) == len(bindings):
            return Meaning("function", path, scope, tuple(functions))
        found: set[Meaning] = set()
        for binding in bindings:
            if binding.kind == "variable" and not binding.type and binding.value in ("None", "null", "undefined"):
                continue
            if binding.kind == "variable" and not binding.type and not binding.value and len(bindings) > 1:
                return None
            meaning = self._bound(path, scope, binding)
            if meaning is None:
                return None
            found.add(meaning)
        return found.pop() if len(found) == 1 else None

    def _bound(self, path: str, scope: int, binding: Binding) -> Meaning | None:
        if binding.kind == "function":
            return Meaning("function", path, scope, (binding,))
        if binding.kind in ("class", "namespace"):
            kind: MeaningKind = "class" if binding.kind == "class" else "namespace"
            return Meaning(kind, path, binding.inner, (binding,))
        key = (path, binding.start, binding.within, binding.kind)
        if key in self._busy or len(self._busy) > _DEEPEST:
            return None
        self._busy.add(key)
        try:
            return self._imported(path, binding) if binding.kind == "import" else self._variable(path, binding)
        finally:
            self._busy.discard(key)

    def _variable(self, path: str, binding: Binding) -> Meaning | None:
        if binding.type in ("<self>", "<cls>"):
            owner = self._files.scopes(path)[binding.within].parent
            return Meaning("instance" if binding.type == "<self>" else "class", path, owner)
        if binding.type:
            return self._instance(binding.type, path, binding.within)
        return self._value(binding, path)

    def _value(self, binding: Binding, path: str) -> Meaning | None:
        chain = read_chain(binding.value)
        try:
            return self._evaluate(chain, path, binding.within) if chain else None
        except Unbound:
            return None

    def _imported(self, path: str, binding: Binding) -> Meaning | None:
        target = self._dialect.module(binding.module, path, self._files)
        if target is None:
            return None
        module = Meaning("module", target, 0)
        whole = self._dialect.whole_export
        if not binding.member and whole and _exports(self._files.scopes(target), whole):
            return self._member(module, Step("member", whole))
        found: Meaning | None = module
        parts = binding.member.split(".") if binding.member else []
        for place, part in enumerate(parts):  # a static import of Java names a class and its member
            found = self._member(found, Step("member", part, called=place > 0)) if found is not None else None
        return found

    def _starred(self, path: str, step: Step) -> Meaning | Absent | None:
        """What an import of all names binds a name to; unknown if one of these modules is not in the workspace."""
        scopes = self._files.scopes(path)
        unknown = False
        for binding in scopes[0].bindings if scopes else ():
            if binding.kind != "star":
                continue
            target = self._dialect.module(binding.module, path, self._files)
            key = (target or "", 0, 0, f"*{step.text}")
            if target is None or key in self._busy or len(self._busy) > _DEEPEST:
                unknown = unknown or target is None
                continue
            self._busy.add(key)
            found = self._member(Meaning("module", target, 0), step)
            self._busy.discard(key)
            if found is not None:
                return found
        return None if unknown else ABSENT

    # Members

    def _fitting(self, scope: Scope, step: Step) -> list[Binding]:
        """The bindings of a name in a scope; of a method and a field of one name, those that are meant."""
        bindings = scope.named(step.text)
        if not self._dialect.calls_apart:
            return bindings
        functions = [b for b in bindings if b.kind == "function"]
        others = [b for b in bindings if b.kind != "function"]
        return functions or others if step.called else others

    def _member(self, value: Meaning, step: Step) -> Meaning | None:
        if value.kind in ("module", "namespace"):
            return self._member_of_module(value, step)
        if value.kind not in ("class", "instance", "super"):
            return None
        found = self._member_of_class(value.path, value.scope, step, value)
        if not isinstance(found, Meaning):
            return None
        is_property = found.kind == "function" and any(b.marks & _PROPERTIES for b in found.bindings)
        return self._call(found) if is_property else found

    def _member_of_module(self, module: Meaning, step: Step) -> Meaning | None:
        scopes = self._files.scopes(module.path)
        bindings = self._fitting(scopes[module.scope], step) if scopes else []
        if bindings:
            return self._merge(module.path, module.scope, bindings)
        starred = self._starred(module.path, step) if step.text != "default" else ABSENT
        if isinstance(starred, Meaning):
            return starred
        target = self._dialect.submodule(module.path, step.text, self._files)
        return Meaning("module", target, 0) if target is not None else None

    def _member_of_class(self, path: str, scope: int, step: Step, receiver: Meaning | None) -> Meaning | Absent | None:
        """A member of a class or of its bases; absent if none of them has it, None if that is not certain."""
        for place, owner in enumerate(self._order(path, scope, frozenset())):
            if owner is None:
                return None
            if place == 0 and receiver is not None and receiver.kind == "super":
                continue
            bindings = self._fitting(self._files.scopes(owner.path)[owner.scope], step)
            if bindings:
                found = self._merge(owner.path, owner.scope, bindings)
                if found is not None and found.kind == "function":
                    own = receiver if receiver is not None else Meaning("instance", path, scope)
                    return replace(found, receiver=replace(own, bindings=(), receiver=None))
                return found
        return ABSENT

    def _member_in_scope(self, path: str, scope: int, step: Step) -> Meaning | Absent | None:
        """What a bare name means in a class. A base that is not known may well have a method of that name, but hardly a
        class that hides one outside."""
        found = self._member_of_class(path, scope, step, None)
        return ABSENT if found is None and not step.called and not self._has_member(path, scope, step) else found

    def _has_member(self, path: str, scope: int, step: Step) -> bool:
        return any(
            owner is not None and self._fitting(self._files.scopes(owner.path)[owner.scope], step)
            for owner in self._order(path, scope, frozenset())
        )

    def _order(self, path: str, scope: int, below: frozenset[tuple[str, int]]) -> Iterator[Meaning | None]:
        """A class, then its bases, in the order in which members are looked for; None where a base is not known."""
        if (path, scope) in below or len(below) > _DEEPEST:
            return
        yield Meaning("class", path, scope)
        current = self._files.scopes(path)[scope]
        for base in current.bases:
            names = read_type(base)
            try:
                found = self._evaluate(names, path, max(0, current.parent)) if names else None
            except Unbound:
                found = None
            if found is not None and found.kind == "class":
                yield from self._order(found.path, found.scope, below | {(path, scope)})
            elif not names or names[-1].text not in self._dialect.empty_bases:
                yield None

    def _call(self, value: Meaning) -> Meaning | None:
        if value.kind == "class":
            return replace(value, kind="instance")
        if value.kind == "super":
            return value
        if value.kind == "instance" and self._dialect.call_member:
            called = self._member(value, Step("member", self._dialect.call_member, called=True))
            return self._call(called) if called is not None and called.kind == "function" else None
        if value.kind != "function":
            return None
        results = {self._returned(value, binding) for binding in value.bindings}
        return results.pop() if len(results) == 1 else None

    def _returned(self, function: Meaning, binding: Binding) -> Meaning | None:
        key = (function.path, binding.start, binding.inner, "()")
        if "decorated" in binding.marks or key in self._busy or len(self._busy) > _DEEPEST:
            return None
        self._busy.add(key)
        try:
            if binding.type:
                inner = binding.inner if binding.inner >= 0 else binding.within
                found = self._instance(binding.type, function.path, inner, function.receiver)
            else:
                found = self._inferred(function, binding)
        finally:
            self._busy.discard(key)
        if found is not None and "async" in binding.marks:
            return Meaning("pending", found.path, found.scope, receiver=found)
        return found

    def _inferred(self, function: Meaning, binding: Binding) -> Meaning | None:
        """What a function without a return type returns, if its returns agree."""
        if binding.inner < 0:
            return None
        returns = [b for b in self._files.scopes(function.path)[binding.inner].bindings if b.kind == "return"]
        found = set()
        for returned in returns:
            if returned.value not in ("None", "null", "undefined"):
                found.add(self._value(returned, function.path))
        return found.pop() if len(found) == 1 else None


_PROPERTIES = frozenset({"property", "cached_property", "get"})


def _exports(scopes: Sequence[Scope], name: str) -> bool:
    return bool(scopes and scopes[0].named(name))


def innermost(scopes: Sequence[Scope], offset: int) -> int:
    """The innermost scope that holds a character."""
    found, length = 0, -1
    for place, scope in enumerate(scopes):
        size = scope.end - scope.start
        if scope.start <= offset < scope.end and (length < 0 or size <= length):
            found, length = place, size
    return found


def _binds(scopes: Sequence[Scope], scope: int, name: str) -> bool:
    while scope >= 0:
        if scopes[scope].named(name):
            return True
        scope = scopes[scope].parent
    return False
