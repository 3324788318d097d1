"""The function that a hover describes: the one that scope and owner single out, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sprig_server.code.dialects import DIALECTS, Dialect
from sprig_server.code.languages import find_language
from sprig_server.code.parsed_source import Call, ParsedSource
from sprig_server.code.resolution import Meaning, Resolver, Unbound
from sprig_server.code.scopes import Binding
from sprig_server.source_cache import FolderSources
from sprig_server.types import Definition

_MAKERS = frozenset({"__init__", "constructor", "<init>"})


@dataclass(frozen=True, slots=True)
class Target:
    """A definition and the path of its file."""

    path: str
    definition: Definition


def find_target(
    sources: FolderSources, path: str, call: Call, named: Callable[[str], Sequence[Target]]
) -> Target | None:
    """What a call in a file calls; None if that is not certain.

    Args:
        named: the functions of a name that stand outside of classes, in all files that the language can call.
    """
    source = sources.source(path)
    dialect = DIALECTS.get(find_language(source.language).name) if source is not None else None
    if source is None:
        return None
    if dialect is None:
        return _by_name(call, path, source, named)
    resolver = Resolver(sources, dialect)
    try:
        meaning = resolver.called(path, call.expression, call.start)
    except Unbound:
        return _only(call.expression, dialect.built_in, named)
    if meaning is not None and meaning.kind == "super":
        meaning = resolver.base(meaning) if dialect.receiver else None  # in Python, `super` is a class of its own
    return _definition(sources, meaning, call.arguments, dialect) if meaning is not None else None


def _by_name(call: Call, path: str, source: ParsedSource, named: Callable[[str], Sequence[Target]]) -> Target | None:
    name = source.text[call.start : call.end]
    own = [Target(path, function) for function in source.functions if function.name == name]
    found = own or named(name)
    return found[0] if len(found) == 1 else None


def _only(name: str, built_in: frozenset[str], named: Callable[[str], Sequence[Target]]) -> Target | None:
    """The only function of a bare name that the file does not bind: its import is not written yet."""
    if not name.isidentifier() or name in built_in:
        return None
    found = named(name)
    return found[0] if len(found) == 1 else None


def _definition(sources: FolderSources, meaning: Meaning, arguments: int, dialect: Dialect) -> Target | None:
    source = sources.source(meaning.path)
    if source is None or meaning.kind not in ("function", "class"):
        return None
    if meaning.kind == "class":
        return _class(source, meaning, arguments, dialect)
    bindings = _fitting(meaning.bindings, arguments, dialect)
    found = [d for b in bindings if (d := _at(source, b.start)) is not None]
    return Target(meaning.path, _together(found)) if found else None


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


def _class(source: ParsedSource, meaning: Meaning, arguments: int, dialect: Dialect) -> Target | None:
    """A class or its constructor, whichever has documentation; of several constructors, the one that fits."""
    scope = source.scopes[meaning.scope]
    own = next((d for d in source.definitions if d.kind == "class" and _encloses(d, scope.start, scope.name)), None)
    bindings = [b for b in scope.bindings if b.kind == "function" and b.name in _MAKERS]
    makers = [d for b in _fitting(bindings, arguments, dialect) if (d := _at(source, b.start)) is not None]
    found = [d for d in (own, *makers) if d is not None]
    documented = [d for d in found if d.documentation]
    if dialect.overloads:  # the class is described where it stands, and the call by its constructor
        documented.reverse()
    chosen = next(iter(documented or found[::-1]), None)
    return Target(meaning.path, chosen) if chosen is not None else None


def _encloses(definition: Definition, start: int, name: str) -> bool:
    return definition.name == name and definition.span.start <= start < definition.span.end


def _at(source: ParsedSource, start: int) -> Definition | None:
    return next((d for d in source.definitions if d.name_span.start == start), None)
