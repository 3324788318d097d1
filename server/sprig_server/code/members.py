"""The members of modules and classes, with those of base classes and of modules that are imported as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sprig_server.code.expressions import Step, read_type
from sprig_server.code.meaning import ABSENT, Absent, Meaning, Unbound
from sprig_server.code.values import DEEPEST, Values

_PROPERTIES = frozenset({"property", "cached_property", "get"})


class Members(Values):
    """Looks members up."""

    def _member(self, value: Meaning, step: Step) -> Meaning | None:
        if value.kind in ("module", "namespace"):
            return self._member_of_module(value, step)
        if value.kind not in ("class", "instance", "super"):
            return None
        found = self._member_of_class(value.path, value.scope, step, value)
        if not isinstance(found, Meaning):
            return None
        is_property = found.kind == "function" and any(b.marks & _PROPERTIES for b in found.bindings)
        return self._call(found) if is_property and not step.itself else found

    def _member_of_module(self, module: Meaning, step: Step) -> Meaning | None:
        scopes = self._files.scopes(module.path)
        bindings = self._fitting(scopes[module.scope], step) if scopes else []
        if bindings:
            return self._merge(module.path, module.scope, bindings, step)
        starred = self._starred(module.path, step) if step.text != "default" else ABSENT
        if isinstance(starred, Meaning):
            return starred
        target = self._dialect.submodule(module.path, step.text, self._files)
        return Meaning("module", target, 0) if target is not None else None

    def _starred(self, path: str, step: Step) -> Meaning | Absent | None:
        """What an import of all names binds a name to; unknown if one of these modules is not in the workspace."""
        scopes = self._files.scopes(path)
        unknown = False
        for binding in scopes[0].bindings if scopes else ():
            if binding.kind != "star":
                continue
            target = self._dialect.module(binding.module, path, self._files)
            key = (target or "", 0, 0, f"*{step.text}")
            if target is None or key in self._busy or len(self._busy) > DEEPEST:
                unknown = unknown or target is None
                continue
            self._busy.add(key)
            found = self._member(Meaning("module", target, 0), step)
            self._busy.discard(key)
            if found is not None:
                return found
        return None if unknown else ABSENT

    def _member_of_class(self, path: str, scope: int, step: Step, receiver: Meaning | None) -> Meaning | Absent | None:
        """A member of a class or of its bases; absent if none of them has it, None if that is not certain."""
        for place, owner in enumerate(self._order(path, scope, frozenset())):
            if owner is None:
                return None
            if place == 0 and receiver is not None and receiver.kind == "super":
                continue
            bindings = self._fitting(self._files.scopes(owner.path)[owner.scope], step)
            if bindings:
                found = self._merge(owner.path, owner.scope, bindings, step)
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
        if (path, scope) in below or len(below) > DEEPEST:
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
