"""Which file of a workspace a module, package or header is that an import names."""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Sequence
from typing import Protocol

from sprig_server.code import extensions

_PACKAGE = "__init__.py"
_STUB = "i"  # what a file of declarations has after the ending of the module that it describes
_SCRIPTS = (*extensions.TYPESCRIPT, *extensions.TSX, *extensions.JAVASCRIPT)


class Paths(Protocol):
    """The files of a workspace by path, with forward slashes."""

    def has(self, path: str) -> bool:
        """Whether there is a file of that path."""

    def ending(self, tail: str) -> Sequence[str]:
        """The paths that end with these whole parts."""


def python_module(name: str, importer: str, paths: Paths) -> str | None:
    """The file of a module, or the `__init__.py` that a folder has or could have; None if it is not in the workspace.
    It is a `.pyi` where there is nothing else.

    Args:
        name: as it stands in the import, with leading dots for a relative one.
        importer: the path of the importing file.
    """
    folder = posixpath.dirname(importer)
    if name.startswith("."):
        bare = name.lstrip(".")
        for _ in range(len(name) - len(bare) - 1):
            folder = posixpath.dirname(folder)
        return _in_folder(posixpath.join(folder, *bare.split(".")) if bare else folder, paths)
    tail = name.replace(".", "/")
    found: dict[str, str] = {}
    for ending in (f"{tail}.py{_STUB}", f"{tail}/{_PACKAGE}{_STUB}", f"{tail}.py", f"{tail}/{_PACKAGE}"):
        for path in paths.ending(ending):
            root = path[: len(path) - len(ending)]
            if not paths.has(f"{root}{_PACKAGE}"):
                found[root] = path
    own = _python_root(folder, paths)
    for root in (own, f"{folder}/" if folder else ""):
        if root in found:
            return found[root]
    if name.split(".")[0] in sys.stdlib_module_names:
        return None
    return next(iter(found.values())) if len(found) == 1 else None


def _python_root(folder: str, paths: Paths) -> str:
    """The folder that holds the outermost package around a folder, as the beginning of a path."""
    while folder and paths.has(f"{folder}/{_PACKAGE}"):
        folder = posixpath.dirname(folder)
    return f"{folder}/" if folder else ""


def _in_folder(base: str, paths: Paths) -> str | None:
    package = posixpath.join(base, _PACKAGE)
    known = [f"{base}.py", package, f"{base}.py{_STUB}", f"{package}{_STUB}"] if base else []
    return next((path for path in known if paths.has(path)), package)


def script_module(name: str, importer: str, paths: Paths) -> str | None:
    """The file that a relative import of JavaScript or TypeScript names; None for packages and whatever else."""
    if not name.startswith("."):
        return None
    base = posixpath.normpath(posixpath.join(posixpath.dirname(importer), name))
    stem, ending = posixpath.splitext(base)
    tried = [base, *(f"{base}{known}" for known in _SCRIPTS)]
    if ending in (".js", ".jsx", ".mjs", ".cjs"):  # TypeScript's sources are imported by the name of what they become
        tried += [f"{stem}{known}" for known in _SCRIPTS]
    tried += [f"{base}/index{known}" for known in _SCRIPTS]
    return next((path for path in tried if paths.has(path)), None)


def java_class(name: str, paths: Paths) -> str | None:
    """The file of a class by its full name; None if it is not in the workspace, or several times."""
    found = paths.ending(f"{name.replace('.', '/')}.java")
    return found[0] if len(found) == 1 else None


def java_sibling(name: str, importer: str, paths: Paths) -> str | None:
    """The file of a class of the same package: in the same folder, or for a test in the folder of what is tested."""
    folder = posixpath.dirname(importer)
    for place in (folder, folder.replace("src/test/java", "src/main/java")):
        path = posixpath.join(place, f"{name}.java")
        if paths.has(path):
            return path
    return None


def header(name: str, importer: str, paths: Paths) -> str | None:
    """The file that `#include` names: beside the including one, or the only one in the workspace."""
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(importer), name))
    if paths.has(beside):
        return beside
    found = paths.ending(posixpath.normpath(name).lstrip("./"))
    return found[0] if len(found) == 1 else None
