"""What names hold: what a variable is set to, what an import names, what a function returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sprig_server.code.dialects import Dialect
from sprig_server.code.expressions import Step, read_chain, read_type
from sprig_server.code.meaning import Files, Meaning, MeaningKind, Unbound
from sprig_server.code.scopes import ALIAS, Binding, Scope

_MOST_STEPS = 2000
DEEPEST = 40
_NOTHING = ("None", "null", "undefined")


class Values(ABC):
    """Evaluates expressions. It answers one question: its steps are counted."""

    def __init__(self, files: Files, dialect: Dialect) -> None:
        self._files = files
        self._dialect = dialect
        self._steps = 0
        self._busy: set[tuple[str, int, int, str]] = set()

    @abstractmethod
    def _lookup(self, path: str, scope: int, step: Step) -> Meaning | None:
        """What a bare name means in a scope.

        Raises:
            Unbound: no scope binds it.
        """

    @abstractmethod
    def _member(self, value: Meaning, step: Step) -> Meaning | None:
        """A member of a module, a class or an instance."""

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

    # What is bound to a name

    def _fitting(self, scope: Scope, step: Step) -> list[Binding]:
        """The bindings of a name in a scope; of a method and a field of one name, those that are meant."""
        bindings = scope.named(step.text)
        if not self._dialect.calls_apart:
            return bindings
        functions = [b for b in bindings if b.kind == "function"]
        others = [b for b in bindings if b.kind != "function"]
        return functions or others if step.called else others

    def _merge(self, path: str, scope: int, bindings: Sequence[Binding], step: Step) -> Meaning | None:
        """What a scope binds a name to: one thing, if all bindings agree; overloads are one."""
        functions = [b for b in bindings if b.kind == "function"]
        if len(functions) == len(bindings):
            return Meaning("function", path, scope, tuple(functions))
        if step.itself and all(b.kind == "variable" and b.marks != ALIAS for b in bindings):
            return Meaning("variable", path, scope, tuple(bindings))
        found: set[Meaning] = set()
        for binding in bindings:
            if binding.kind == "variable" and not binding.type and binding.value in _NOTHING:
                continue
            if binding.kind == "variable" and not binding.type and not binding.value and len(bindings) > 1:
                return None
            meaning = self._bound(path, scope, binding, step)
            if meaning is None:
                return None
            found.add(meaning)
        return found.pop() if len(found) == 1 else None

    def _bound(self, path: str, scope: int, binding: Binding, step: Step) -> Meaning | None:
        if binding.kind == "function":
            return Meaning("function", path, scope, (binding,))
        if binding.kind in ("class", "namespace"):
            kind: MeaningKind = "class" if binding.kind == "class" else "namespace"
            return Meaning(kind, path, binding.inner, (binding,))
        key = (path, binding.start, binding.within, binding.kind)
        if key in self._busy or len(self._busy) > DEEPEST:
            return None
        self._busy.add(key)
        try:
            if binding.kind == "import":
                return self._imported(path, binding, step.itself)
            return self._variable(path, binding, step.itself)
        finally:
            self._busy.discard(key)

    def _variable(self, path: str, binding: Binding, itself: bool) -> Meaning | None:
        if binding.type in ("<self>", "<cls>"):
            owner = self._files.scopes(path)[binding.within].parent
            return Meaning("instance" if binding.type == "<self>" else "class", path, owner)
        if binding.type:
            return self._instance(binding.type, path, binding.within)
        return self._value(binding, path, itself and binding.marks == ALIAS)

    def _value(self, binding: Binding, path: str, itself: bool = False) -> Meaning | None:
        chain = read_chain(binding.value)
        try:
            last = replace(chain[-1], itself=itself) if chain else None
            return self._evaluate((*chain[:-1], last), path, binding.within) if last is not None else None
        except Unbound:
            return None

    def _imported(self, path: str, binding: Binding, itself: bool) -> Meaning | None:
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
            following = Step("member", part, called=place > 0, itself=itself and place == len(parts) - 1)
            found = self._member(found, following) if found is not None else None
        return found

    # What is called

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
        if "decorated" in binding.marks or key in self._busy or len(self._busy) > DEEPEST:
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
            if returned.value not in _NOTHING:
                found.add(self._value(returned, function.path))
        return found.pop() if len(found) == 1 else None


def _exports(scopes: Sequence[Scope], name: str) -> bool:
    return bool(scopes and scopes[0].named(name))
