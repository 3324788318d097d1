"""What a name means in C and C++, where a namespace has parts in many files, and files see what they include."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sprig_server.code.dialects import Dialect
from sprig_server.code.expressions import Step, read_chain
from sprig_server.code.meaning import ABSENT, Absent, Files, Meaning, Unbound
from sprig_server.code.resolution import Resolver
from sprig_server.code.scopes import Scope

_MOST_INCLUDED = 300


class CppResolver(Resolver):
    """Looks names up in classes, then in namespaces over all files that the file includes."""

    def __init__(self, files: Files, dialect: Dialect) -> None:
        super().__init__(files, dialect)
        self._seen_files: dict[str, tuple[Sequence[str], bool]] = {}

    def _lookup(self, path: str, scope: int, step: Step) -> Meaning | None:
        scopes = self._files.scopes(path)
        if not scopes:
            return None
        if step.text == self._dialect.receiver:
            return self._owner(path, scope)
        place = scope
        while place >= 0:
            found = self._in_scope(path, place, step)
            if found is not ABSENT:
                return found if isinstance(found, Meaning) else None
            place = scopes[place].parent
        if self._visible(path)[1]:  # it may be in a header that is not in the workspace
            return None
        raise Unbound

    def _in_scope(self, path: str, place: int, step: Step) -> Meaning | Absent | None:
        scopes = self._files.scopes(path)
        current = scopes[place]
        if current.kind == "class":
            return self._member_in_scope(path, place, step)
        if current.kind in ("module", "namespace"):
            return self._in_namespace(path, _names(scopes, place), step)
        if bindings := self._fitting(current, step):
            return self._merge(path, place, bindings, step)
        used = self._used(path, current, step)
        if used is not ABSENT:
            return used
        if current.kind == "function" and current.bases:
            owner = self._qualifier(path, place)
            if owner is None:
                return None
            if owner.kind == "class":
                return self._member_in_scope(owner.path, owner.scope, step)
            return self._in_namespace(owner.path, _names(self._files.scopes(owner.path), owner.scope), step)
        return ABSENT

    def _member_in_scope(self, path: str, scope: int, step: Step) -> Meaning | Absent | None:
        """What a bare name means in a class. Its own name means the class, unless a constructor of it is called."""
        own = self._files.scopes(path)[scope].name.rpartition("::")[2].partition("<")[0]
        if step.text == own and not step.called:
            return Meaning("class", path, scope)
        return super()._member_in_scope(path, scope, step)

    def _qualifier(self, path: str, function: int) -> Meaning | None:
        """The class or namespace that a function is defined outside of."""
        scope = self._files.scopes(path)[function]
        chain = read_chain(scope.bases[0].split("<")[0])
        try:
            found = self._evaluate(chain, path, max(0, scope.parent)) if chain else None
        except Unbound:
            return None
        return found if found is not None and found.kind in ("class", "namespace") else None

    def _owner(self, path: str, scope: int) -> Meaning | None:
        """What `this` points to."""
        scopes = self._files.scopes(path)
        while scope >= 0 and scopes[scope].kind != "class":
            if scopes[scope].kind == "function" and scopes[scope].bases:
                owner = self._qualifier(path, scope)
                return replace(owner, kind="instance", bindings=()) if owner and owner.kind == "class" else None
            scope = scopes[scope].parent
        return Meaning("instance", path, scope) if scope >= 0 else None

    def _member_of_module(self, module: Meaning, step: Step) -> Meaning | None:
        names = _names(self._files.scopes(module.path), module.scope)
        found = self._in_namespace(module.path, names, step)
        return found if isinstance(found, Meaning) else None

    def _in_namespace(self, path: str, names: tuple[str, ...], step: Step) -> Meaning | Absent | None:
        """What a namespace binds a name to, over all files that one can see; a definition before declarations."""
        found: list[Meaning] = []
        for file in self._visible(path)[0]:
            scopes = self._files.scopes(file)
            for place, scope in enumerate(scopes):
                if scope.kind not in ("module", "namespace") or _names(scopes, place) != names:
                    continue
                bindings = self._fitting(scope, step)
                if bindings:
                    meaning = self._merge(file, place, bindings, step)
                    if meaning is None:
                        return None
                    found.append(meaning)
                    continue
                used = self._used(file, scope, step)
                if used is not ABSENT:
                    return used if isinstance(used, Meaning) else None
        kinds = {meaning.kind for meaning in found}
        if kinds == {"namespace"}:
            return found[0]
        if kinds == {"function"}:
            defined = [m for m in found if any(b.has_body for b in m.bindings)]
            return (defined or found)[0] if len(defined) < 2 else None
        if not found:
            return ABSENT
        return found[0] if len(found) == 1 else None

    def _used(self, path: str, scope: Scope, step: Step) -> Meaning | Absent | None:
        """What `using namespace` makes a name mean."""
        for binding in scope.bindings:
            key = (path, binding.start, 0, f"*{step.text}")
            if binding.kind != "star" or not binding.member or key in self._busy:
                continue
            self._busy.add(key)
            try:
                space = self._evaluate(read_chain(binding.member), path, binding.within)
            except Unbound:
                space = None
            found = self._member(space, step) if space is not None and space.kind == "namespace" else None
            self._busy.discard(key)
            if found is not None:
                return found
        return ABSENT

    def _visible(self, path: str) -> tuple[Sequence[str], bool]:
        """A file and all that it includes, and whether it includes something that is not in the workspace."""
        if path not in self._seen_files:
            seen, unknown, waiting = {path: None}, False, [path]
            while waiting and len(seen) < _MOST_INCLUDED:
                file = waiting.pop(0)
                scopes = self._files.scopes(file)
                for binding in scopes[0].bindings if scopes else ():
                    if binding.kind == "star" and binding.module:
                        target = self._dialect.module(binding.module, file, self._files)
                        unknown = unknown or target is None
                        if target is not None and target not in seen:
                            seen[target] = None
                            waiting.append(target)
            self._seen_files[path] = list(seen), unknown
        return self._seen_files[path]


def _names(scopes: Sequence[Scope], place: int) -> tuple[str, ...]:
    """The names of the namespaces around a scope, its own last."""
    names: list[str] = []
    while place > 0:
        if scopes[place].kind == "namespace":
            names.append(scopes[place].name)
        place = scopes[place].parent
    return tuple(reversed(names))
