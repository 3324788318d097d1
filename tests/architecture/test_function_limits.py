"""A function is read at one sitting: at most 60 lines, and 5 parameters; what goes together is a value with a name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.test_invariants import EXPORTER, SERVER, modules

MOST_LINES = 60
MOST_PARAMETERS = 5


def functions(path: Path) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    """The functions of a module, wherever in it, with the number of their parameters; what a method is called on is
    none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = {part for kind in ast.walk(tree) if isinstance(kind, ast.ClassDef) for part in kind.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            static = any(getattr(decorator, "id", "") == "staticmethod" for decorator in node.decorator_list)
            given = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            yield node, len(given) - (node in own and not static)


@pytest.mark.parametrize("package", [SERVER, EXPORTER], ids=lambda package: package.name)
def test_no_function_is_long_or_takes_much(package: Path) -> None:
    found = [
        f"{path.relative_to(package)}: {node.name} has {lines} lines and {count} parameters"
        for path in modules(package)
        for node, count in functions(path)
        if (lines := node.end_lineno - node.lineno + 1) > MOST_LINES or count > MOST_PARAMETERS  # type: ignore[operator]
    ]
    assert found == []
