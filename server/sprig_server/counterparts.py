"""What belongs to one function and stands in two places: headers and sources, stubs and modules, signatures and
implementations. The documentation is that of whichever has it; the code is that of the implementation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from sprig_server.code.declarations import comment_around, declaration_at
from sprig_server.code.scopes import Binding, Scope
from sprig_server.source_cache import FolderSources
from sprig_server.types import Definition

_HEADERS = (".h", ".hpp", ".hh", ".hxx", ".h++")
_SOURCES = (".cpp", ".cc", ".cxx", ".c++", ".c")
_MODULE, _STUB = ".py", ".pyi"


@dataclass(frozen=True, slots=True)
class Target:
    """A definition and the path of its file."""

    path: str
    definition: Definition


def implementation(sources: FolderSources, declared: Target, binding: Binding) -> Target | None:
    """The function that implements what a header declares, in the source file of the header's name."""
    name = declared.definition.qualified_name
    for path in _beside(sources, declared.path, _SOURCES):
        source = sources.source(path)
        defined = {d.name_span.start: d for d in source.definitions} if source is not None else {}
        for known in (b for scope in (source.scopes if source is not None else ()) for b in scope.bindings):
            found = defined.get(known.start)
            fits = known.kind == "function" and known.has_body and known.most == binding.most  # defaults: in the header
            if found is None or not fits or not _is_written_as(known.name, found.qualified_name, name):
                continue
            documentation = declared.definition.documentation or found.documentation
            return Target(path, replace(found, documentation=documentation))
    return None


def _is_written_as(written: str, qualified: str, name: str) -> bool:
    """Whether a definition in a source file is that of a name. Namespaces around it may be written or not."""
    return qualified == name or ("::" in written and f"::{name}".endswith(f"::{written}"))


def with_documentation(sources: FolderSources, target: Target) -> Target:
    """A function or class with the documentation of its declaration, and with the code of its implementation."""
    if target.definition.language == "python":
        return _with_module_or_stub(sources, target)
    if target.definition.documentation:
        return target
    documentation = next(_documentation(sources, target), "")
    return replace(target, definition=replace(target.definition, documentation=documentation))


def _with_module_or_stub(sources: FolderSources, target: Target) -> Target:
    """What a stub declares, in the module; what a module leaves undocumented, with the words of its stub."""
    is_stub = target.path.endswith(_STUB)
    if target.definition.documentation and not is_stub:
        return target
    found = [
        Target(path, definition)
        for path in _beside(sources, target.path, (_MODULE if is_stub else _STUB,))
        if (source := sources.source(path)) is not None
        for definition in source.definitions
        if definition.qualified_name == target.definition.qualified_name and definition.kind != "module"
    ]
    documented = next((t.definition for t in (target, *found) if t.definition.documentation), target.definition)
    chosen = found[-1] if is_stub and found else target
    return replace(chosen, definition=replace(chosen.definition, documentation=documented.documentation))


def _documentation(sources: FolderSources, target: Target) -> Iterator[str]:
    """What stands at other declarations of a function, signatures above it or in a header, or around a class."""
    source, function = sources.source(target.path), target.definition
    if source is not None and function.kind == "class":
        said = comment_around(source.text, source.language, function.name_span.start)
        yield from [said] if said else []
    known = ((s, b) for s in source.scopes for b in s.bindings) if source is not None else ()
    owner, own = next(((s, b) for s, b in known if b.start == function.name_span.start), (None, None))
    if owner is None or own is None:
        return
    headers = _beside(sources, target.path, _HEADERS) if function.language == "cpp" else []
    for path in [target.path, *headers]:
        other = sources.source(path)
        for scope in other.scopes if other is not None else ():
            for binding in scope.bindings:
                if other is None or binding.has_body or not _declares(scope, binding, owner, own):
                    continue
                declared = declaration_at(other.text, other.language, binding.start, "")
                if declared is not None and declared.documentation:
                    yield declared.documentation


def _declares(scope: Scope, declared: Binding, owner: Scope, defined: Binding) -> bool:
    """Whether a binding without a body declares one that has one."""
    if scope is owner and declared.name == defined.name:
        return True
    written = f"{scope.name}::{declared.name}" if scope.kind == "class" else declared.name
    same = written == defined.name or (scope.kind == "class" and defined.name.endswith(f"::{written}"))
    return same and declared.most == defined.most and scope.kind != "block"


def _beside(sources: FolderSources, path: str, endings: Sequence[str]) -> list[str]:
    """The files of the same name with other endings: in the same folder, or the only ones in the workspace."""
    stem, name = path.rpartition(".")[0], PurePosixPath(path).stem
    near = [f"{stem}{ending}" for ending in endings if sources.has(f"{stem}{ending}")]
    if near or _MODULE in endings or _STUB in endings:
        return near
    found = [other for ending in endings for other in sources.ending(f"{name}{ending}")]
    return found if len(found) == 1 else []
