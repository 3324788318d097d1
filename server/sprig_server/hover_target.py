"""The function that a hover describes: the one that scope and owner single out, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from sprig_server.code.declarations import declaration_at
from sprig_server.code.dialects import DIALECTS, Dialect
from sprig_server.code.languages import find_language
from sprig_server.code.parsed_source import Call, ParsedSource
from sprig_server.code.resolution import Meaning, Resolver, Unbound
from sprig_server.code.resolution_cpp import CppResolver
from sprig_server.code.scopes import Binding, Scope
from sprig_server.source_cache import FolderSources
from sprig_server.types import Definition

_HEADERS = (".h", ".hpp", ".hh", ".hxx", ".h++")
_SOURCES = (".cpp", ".cc", ".cxx", ".c++", ".c")
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
    if source is None:
        return None
    dialect = DIALECTS[find_language(source.language).name]
    resolver = CppResolver(sources, dialect) if dialect is DIALECTS["cpp"] else Resolver(sources, dialect)
    try:
        meaning = resolver.called(path, call.expression, call.start)
    except Unbound:
        return _only(call.expression, dialect.built_in, named)
    if meaning is not None and meaning.kind == "super":
        meaning = resolver.base(meaning) if dialect.receiver else None  # in Python, `super` is a class of its own
    return _definition(sources, meaning, call.arguments, dialect) if meaning is not None else None


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
    if found:
        return with_documentation(sources, Target(meaning.path, _together(found)))
    owner = source.scopes[meaning.scope].name if bindings and meaning.receiver is not None else ""
    declared = [d for b in bindings if (d := _declaration(source, b, owner)) is not None]
    if not declared:
        return None
    only = Target(meaning.path, _together(declared))
    return _implementation(sources, only, bindings[-1]) or only


def _declaration(source: ParsedSource, binding: Binding, owner: str) -> Definition | None:
    return declaration_at(source.text, source.language, binding.start, owner)


def _implementation(sources: FolderSources, declared: Target, binding: Binding) -> Target | None:
    """The function that implements what a header declares, in the source file of the header's name."""
    name = declared.definition.qualified_name
    for path in _beside(sources, declared.path, _SOURCES):
        source = sources.source(path)
        for other in source.scopes if source is not None else ():
            for known in other.bindings:
                fits = known.has_body and known.most == binding.most  # defaults stand in the header only
                if source is not None and known.kind == "function" and known.name == name and fits:
                    found = _at(source, known.start)
                    documentation = declared.definition.documentation or (found.documentation if found else "")
                    return Target(path, replace(found, documentation=documentation)) if found is not None else None
    return None


def with_documentation(sources: FolderSources, target: Target) -> Target:
    """A function with the documentation of its declaration, which is a signature above it or stands in a header."""
    source, function = sources.source(target.path), target.definition
    if function.documentation or source is None:
        return target
    owner, own = next(
        ((s, b) for s in source.scopes for b in s.bindings if b.start == function.name_span.start), (None, None)
    )
    if owner is None or own is None:
        return target
    headers = _beside(sources, target.path, _HEADERS) if function.language == "cpp" else []
    for path in [target.path, *headers]:
        other = sources.source(path)
        for scope in other.scopes if other is not None else ():
            for binding in scope.bindings:
                if other is None or binding.has_body or not _declares(scope, binding, owner, own):
                    continue
                declared = _declaration(other, binding, "")
                if declared is not None and declared.documentation:
                    return replace(target, definition=replace(function, documentation=declared.documentation))
    return target


def _declares(scope: Scope, declared: Binding, owner: Scope, defined: Binding) -> bool:
    """Whether a binding without a body declares one that has one."""
    if scope is owner and declared.name == defined.name:
        return True
    written = f"{scope.name}::{declared.name}" if scope.kind == "class" else declared.name
    return written == defined.name and declared.most == defined.most and scope.kind != "block"


def _beside(sources: FolderSources, path: str, endings: Sequence[str]) -> list[str]:
    """The files of the same name with other endings: in the same folder, or the only ones in the workspace."""
    stem, name = path.rpartition(".")[0], PurePosixPath(path).stem
    near = [f"{stem}{ending}" for ending in endings if sources.has(f"{stem}{ending}")]
    if near:
        return near
    found = [other for ending in endings for other in sources.ending(f"{name}{ending}")]
    return found if len(found) == 1 else []


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
