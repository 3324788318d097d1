"""Benchmarks and the demo, which no test runs whole, name what there is in the packages."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted([*ROOT.glob("benchmarks/**/*.py"), *ROOT.glob("docs/*.py")])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_everything_that_a_script_imports_exists(script: Path) -> None:
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("sprig_server", "sprig_export")):
            module = import_module(str(node.module))
            for alias in node.names:
                submodule = Path(str(module.__file__)).with_name(f"{alias.name}.py")
                assert hasattr(module, alias.name) or submodule.exists(), f"{node.module} has no {alias.name}"
