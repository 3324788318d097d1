"""What a name means where it stands: by its scope, by the class of what it belongs to, and by imports.

Nothing is guessed. As soon as one step is not certain, because a class is not in the workspace or a variable may hold
different things, there is no answer.
"""

from __future__ import annotations

from dataclasses import replace

from sprig_server.code.expressions import Step, read_chain
from sprig_server.code.meaning import ABSENT, Meaning, MeaningKind, Unbound, binds, innermost
from sprig_server.code.members import Members
from sprig_server.code.scopes import Binding


class Resolver(Members):
    """Answers one question about a place in a file."""

    def called(self, path: str, expression: str, offset: int) -> Meaning | None:
        """What is called by an expression that stands at an offset of a file; None if that is not certain.

        Raises:
            Unbound: it begins with a name that no scope around it binds.
        """
        chain = read_chain(expression)
        scope = innermost(self._files.scopes(path), offset)
        return self._evaluate((*chain[:-1], replace(chain[-1], called=True)), path, scope) if chain else None

    def named(self, path: str, expression: str, scope: int, is_method: bool) -> Meaning | None:
        """What an expression names in a scope of a file: a variable itself, and not what it holds.

        Args:
            is_method: where a method and a field may share a name, the method is meant.
        """
        chain = read_chain(expression)
        if not chain:
            return None
        try:
            return self._evaluate((*chain[:-1], replace(chain[-1], called=is_method, itself=True)), path, scope)
        except Unbound:
            return None

    def imported(self, path: str, binding: Binding) -> Meaning | None:
        """What an import names."""
        return self._bound(path, binding.within, binding, Step("name", itself=True))

    def alias(self, variable: Meaning) -> Meaning | None:
        """What a variable is only another name for: `save = store`. None for any other variable."""
        binding = variable.bindings[0]
        chain = read_chain(binding.value)
        if len(variable.bindings) > 1 or binding.type or any(step.kind not in ("name", "member") for step in chain):
            return None
        return self.named(variable.path, binding.value, binding.within, is_method=False)

    def base(self, meaning: Meaning) -> Meaning | None:
        """The class that `super` stands for when it is called; None if it is not known."""
        order = list(self._order(meaning.path, meaning.scope, frozenset()))[1:2]
        return order[0] if order else None

    def _lookup(self, path: str, scope: int, step: Step) -> Meaning | None:
        scopes, name = self._files.scopes(path), step.text
        if not scopes:
            return None
        if name in (self._dialect.receiver, self._dialect.parent) and not binds(scopes, scope, name):
            return self._receiver(path, scope, is_super=name == self._dialect.parent)
        place = scope
        while place >= 0:
            current = scopes[place]
            if current.kind == "object" or (current.kind == "class" and not self._sees_class(place == scope)):
                place = current.parent
                continue
            if current.kind == "class" and self._dialect.class_scope == "members":
                found = self._member_in_scope(path, place, step)
                if found is not ABSENT:
                    return found if isinstance(found, Meaning) else None
            elif bindings := self._fitting(current, step):
                return self._merge(path, place, bindings, step)
            place = current.parent
        sibling = self._dialect.sibling(name, path, self._files) if self._dialect.sibling is not None else None
        if sibling is not None:
            return self._member(Meaning("module", sibling, 0), step)
        starred = self._starred(path, step)
        if starred is not ABSENT:
            return starred if isinstance(starred, Meaning) else None
        raise Unbound

    def _sees_class(self, from_its_body: bool) -> bool:
        return self._dialect.class_scope == "members" or (self._dialect.class_scope == "body" and from_its_body)

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
