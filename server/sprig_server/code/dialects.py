"""How names are looked up in each language: what `resolution` needs to know of it."""

from __future__ import annotations

import builtins
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sprig_server.code import scopes_cpp, scopes_java, scopes_python, scopes_script
from sprig_server.code.imports import Paths, header, java_class, java_sibling, python_module, script_module
from sprig_server.code.scopes import Rule


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """What scopes and members mean in a language.

    `receiver` and `parent` are the words for the own instance and its class's bases; a scope named `rebinding` gives
    `receiver` another meaning. What a class binds has its bare name in its `body` only, in all of its `members`, or
    nowhere: its `class_scope`. `module` finds the
    file of an import, `submodule` that of a module within a package. A base in `empty_bases` has no members that
    somebody could mean. What is called by calling an instance is its `call_member`. A module that
    binds `whole_export` is that value when it is imported. No file needs to bind a name that is `built_in`. `sibling`
    finds the file of a class that no import names. Where `calls_apart`, a method and a field may share a name; where
    there are `overloads`, functions of one name are told apart by their arguments.
    """

    rules: dict[str, Rule]
    receiver: str
    parent: str
    class_scope: Literal["none", "body", "members"]
    module: Callable[[str, str, Paths], str | None]
    submodule: Callable[[str, str, Paths], str | None]
    empty_bases: frozenset[str] = frozenset()
    rebinding: str = "\0"
    call_member: str = ""
    whole_export: str = ""
    built_in: frozenset[str] = frozenset()
    sibling: Callable[[str, str, Paths], str | None] | None = None
    calls_apart: bool = False
    overloads: bool = False


def _python_submodule(package: str, name: str, paths: Paths) -> str | None:
    folder, file = posixpath.split(package)
    if file not in ("__init__.py", "__init__.pyi"):
        return None
    for path in (f"{name}.py", f"{name}/__init__.py", f"{name}.pyi", f"{name}/__init__.pyi"):
        if paths.has(posixpath.join(folder, path)):
            return posixpath.join(folder, path)
    return None


def _no_submodule(package: str, name: str, paths: Paths) -> str | None:
    return None


# What stands in browsers or Node.js without an import, and what test runners put there.
_SCRIPT_BUILT_IN = frozenset(
    {
        *("require", "fetch", "alert", "confirm", "prompt", "print", "open", "close", "stop", "focus", "blur", "find"),
        *("setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "queueMicrotask", "eval"),
        *("requestAnimationFrame", "cancelAnimationFrame", "structuredClone", "getComputedStyle", "matchMedia"),
        *("parseInt", "parseFloat", "isNaN", "isFinite", "atob", "btoa", "escape", "unescape", "reportError"),
        *("encodeURI", "encodeURIComponent", "decodeURI", "decodeURIComponent", "postMessage", "importScripts"),
        *("scroll", "scrollTo", "scrollBy", "define", "Symbol", "String", "Number", "Boolean", "BigInt", "Array"),
        *("Object", "Function", "Date", "Error", "RegExp", "Promise", "Map", "Set", "Proxy", "super"),
        *("describe", "it", "test", "expect", "before", "after", "beforeEach", "afterEach", "beforeAll", "afterAll"),
    }
)
_SCRIPT = Dialect(
    rules=scopes_script.RULES,
    receiver="this",
    parent="super",
    class_scope="none",
    module=script_module,
    submodule=_no_submodule,
    empty_bases=frozenset({"Object"}),
    rebinding=scopes_script.REBINDING,
    whole_export="module.exports",
    built_in=_SCRIPT_BUILT_IN,
)


def _java_class(name: str, importer: str, paths: Paths) -> str | None:
    return None if name.endswith("*") else java_class(name, paths)


_JAVA = Dialect(
    rules=scopes_java.RULES,
    receiver="this",
    parent="super",
    class_scope="members",
    module=_java_class,
    submodule=_no_submodule,
    empty_bases=frozenset({"Object", "Serializable", "Cloneable", "Comparable", "Runnable", "Closeable", "Exception"}),
    sibling=java_sibling,
    calls_apart=True,
    overloads=True,
)

_CPP = Dialect(
    rules=scopes_cpp.RULES,
    receiver="this",
    parent="",
    class_scope="members",
    module=header,
    submodule=_no_submodule,
    overloads=True,
)

DIALECTS: dict[str, Dialect] = {
    "python": Dialect(
        rules=scopes_python.RULES,
        receiver="",
        parent="super",
        class_scope="body",
        module=python_module,
        submodule=_python_submodule,
        empty_bases=frozenset({"object", "ABC", "Generic", "Protocol", "NamedTuple", "TypedDict", "Enum"}),
        call_member="__call__",
        built_in=frozenset(dir(builtins)),
    ),
    "java": _JAVA,
    "cpp": _CPP,
    **dict.fromkeys(("javascript", "typescript"), _SCRIPT),
}
