"""The definition that a hover describes: the one that scope and owner single out, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sprig_server.code.declarations import declaration_at, variable_at
from sprig_server.code.dialects import DIALECTS, Dialect
from sprig_server.code.languages import find_language
from sprig_server.code.meaning import Meaning, Unbound, innermost
from sprig_server.code.parsed_source import Call, ParsedSource
from sprig_server.code.references import Reference
from sprig_server.code.resolution import Resolver
from sprig_server.code.resolution_cpp import CppResolver
from sprig_server.code.scopes import ALIAS, Binding, Scope, ScopeKind
from sprig_server.counterparts import Target, implementation, with_documentation
from sprig_server.source_cache import FolderSources
from sprig_server.types import Definition

_MAKERS = frozenset({"__init__", "constructor", "<init>"})
_MOST_ALIASES = 5
_LOCAL = frozenset({"function", "block"})  # scopes whose variables are local
_NOT_CALLED = -2  # for a number of arguments


def find_target(
    sources: FolderSources, path: str, call: Call, named: Callable[[str], Sequence[Target]]
) -> Target | None:
    """What a call in a file calls; None if that is not certain.

    Args:
        named: the functions of a name that stand outside of classes, in all files that the language can call.
    """
    source = sources.source(path)
    if source is None:
        return None
    resolver, dialect = _resolver(sources, source)
    try:
        meaning = resolver.called(path, call.expression, call.start)
    except Unbound:
        return _only(sources, call.expression, dialect.built_in, named)
    if meaning is not None and meaning.kind == "super":
        meaning = resolver.base(meaning) if dialect.receiver else None  # in Python, `super` is a class of its own
    return _definition(sources, meaning, call.arguments, dialect) if meaning is not None else None


def find_reference(sources: FolderSources, path: str, reference: Reference) -> Target | None:
    """What a name that is not called stands for; None if that is not certain, or for undocumented variables."""
    source = sources.source(path)
    if source is None:
        return None
    resolver, dialect = _resolver(sources, source)
    meaning = _named(resolver, source, path, reference)
    if meaning is not None and meaning.kind == "variable":
        documented = _variable(sources, meaning)
        if documented is not None or (reference.bound is not None and _kind(sources, meaning) == "object"):
            return documented
        meaning = _unaliased(sources, resolver, meaning)
    return _definition(sources, meaning, _NOT_CALLED, dialect) if meaning is not None else None


def _resolver(sources: FolderSources, source: ParsedSource) -> tuple[Resolver, Dialect]:
    dialect = DIALECTS[find_language(source.language).name]
    return (CppResolver if dialect is DIALECTS["cpp"] else Resolver)(sources, dialect), dialect


def _named(resolver: Resolver, source: ParsedSource, path: str, reference: Reference) -> Meaning | None:
    """What a name means: what is bound there, or what its expression names."""
    bound = reference.bound
    if bound is None:
        scope = innermost(source.scopes, reference.start)
        while scope >= 0 and source.scopes[scope].start == reference.header:
            scope = source.scopes[scope].parent
        return resolver.named(path, reference.expression, max(0, scope), reference.is_method)
    if bound.marks == ALIAS:  # `{ save }`
        return resolver.named(path, bound.value, bound.within, is_method=False)
    if bound.kind == "import":
        return resolver.imported(path, bound)
    if bound.kind in ("function", "class", "variable"):
        owner = next(place for place, scope in enumerate(source.scopes) if bound in scope.bindings)
        return Meaning(bound.kind, path, bound.inner if bound.kind == "class" else owner, (bound,))
    return None


def _kind(sources: FolderSources, variable: Meaning) -> ScopeKind:
    return sources.scopes(variable.path)[variable.scope].kind


def _unaliased(sources: FolderSources, resolver: Resolver, variable: Meaning) -> Meaning | None:
    """The function or class that a variable is another name for, unless it is local."""
    meaning: Meaning | None = variable
    for _ in range(_MOST_ALIASES):
        if meaning is None or meaning.kind != "variable":
            return meaning
        meaning = resolver.alias(meaning) if _kind(sources, meaning) not in _LOCAL else None
    return None


def _variable(sources: FolderSources, meaning: Meaning) -> Target | None:
    """A constant or field with its documentation."""
    source = sources.source(meaning.path)
    if source is None or _kind(sources, meaning) in _LOCAL:
        return None
    owner = _owner(source, meaning.scope)
    found = (variable_at(source.text, source.language, b.start, owner) for b in meaning.bindings)
    documented = next((d for d in found if d is not None and d.documentation), None)
    return Target(meaning.path, documented) if documented is not None else None


def _owner(source: ParsedSource, scope: int) -> str:
    """The names of the classes, namespaces and objects around what a scope binds."""
    names: list[str] = []
    while scope > 0:
        current = source.scopes[scope]
        bound = (b.name for b in source.scopes[current.parent].bindings if b.inner == scope)
        names += [n for n in (current.name or next(bound, ""),) if n and current.kind not in _LOCAL]
        scope = current.parent
    return find_language(source.language).separator.join(reversed(names))


def _only(
    sources: FolderSources, name: str, built_in: frozenset[str], named: Callable[[str], Sequence[Target]]
) -> Target | None:
    """The only function of a bare name that the file does not bind: its import is not written yet."""
    if not name.isidentifier() or name in built_in:
        return None
    found = {with_documentation(sources, target) for target in named(name)}  # a stub and its module are one
    return found.pop() if len(found) == 1 else None


def _definition(sources: FolderSources, meaning: Meaning, arguments: int, dialect: Dialect) -> Target | None:
    source = sources.source(meaning.path)
    if source is None or meaning.kind not in ("function", "class"):
        return None
    if meaning.kind == "class":
        return _class(sources, meaning, arguments, dialect)
    bindings = _fitting(meaning.bindings, arguments, dialect)
    found = [d for b in bindings if (d := _at(source, b.start)) is not None]
    if found:
        return with_documentation(sources, Target(meaning.path, _together(found)))
    owner = _owner(source, meaning.scope) if bindings else ""
    declared = [d for b in bindings if (d := _declaration(source, b, owner)) is not None]
    if not declared:
        return None
    only = Target(meaning.path, _together(declared))
    return implementation(sources, only, bindings[-1]) or only


def _declaration(source: ParsedSource, binding: Binding, owner: str) -> Definition | None:
    return declaration_at(source.text, source.language, binding.start, owner)


def _fitting(bindings: Sequence[Binding], arguments: int, dialect: Dialect) -> Sequence[Binding]:
    """The one overload that a number of arguments fits, or none; where functions are not told apart by them, all."""
    if not dialect.overloads or (arguments < 0 and len(bindings) == 1):
        return bindings
    fitting = [b for b in bindings if b.least <= arguments <= b.most]
    return fitting if len(fitting) == 1 else []


def _together(definitions: Sequence[Definition]) -> Definition:
    """The last of several definitions of one name, with the documentation of whichever has it."""
    documented = next((d for d in definitions if d.documentation), None)
    last = definitions[-1]
    return last if documented is None else replace(last, documentation=documented.documentation)


def _class(sources: FolderSources, meaning: Meaning, arguments: int, dialect: Dialect) -> Target | None:
    """A class or its constructor, whichever has documentation; of several constructors, the one that fits.

    Where the class is named and not called, it is the class, unless only its constructor is documented.
    """
    source = sources.source(meaning.path)
    if source is None:
        return None
    scope = source.scopes[meaning.scope]
    own = next((d for d in source.definitions if d.kind == "class" and _encloses(d, scope)), None)
    if own is not None and not own.documentation:
        own = with_documentation(sources, Target(meaning.path, own)).definition
    bindings = [b for b in scope.bindings if b.kind == "function" and b.name in _MAKERS]
    makers = [d for b in _fitting(bindings, arguments, dialect) if (d := _at(source, b.start)) is not None]
    found = [d for d in (own, *makers) if d is not None]
    documented = [d for d in found if d.documentation]
    if arguments == _NOT_CALLED:
        found.reverse()
    elif dialect.overloads:  # the class is described where it stands, and the call by its constructor
        documented.reverse()
    chosen = next(iter(documented or found[::-1]), None)
    return with_documentation(sources, Target(meaning.path, chosen)) if chosen is not None else None


def _encloses(definition: Definition, scope: Scope) -> bool:
    is_named = definition.name == scope.name.rpartition("::")[2]  # a class may be defined outside of the one it is in
    return is_named and definition.span.start <= scope.start < definition.span.end


def _at(source: ParsedSource, start: int) -> Definition | None:
    return next((d for d in source.definitions if d.name_span.start == start), None)
