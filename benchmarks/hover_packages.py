"""The packages in which hovers are compared with engines, and folders that are filled with them."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path

from definitions import script_sources
from hover_engines import WORK

from sprig_export.corpus.packages import fetch

LISTS = Path(__file__).parent / "hover_sources"
FETCHED = Path("build/hover")
PYTHON = ("requests", "pygls", "tomlkit", "joblib", "networkx", "markdown_it")
SCRIPTS = ("express", "lodash", "preact", "react-aria")


def python_workspace(root: Path, packages: Sequence[str]) -> None:
    """Fill a folder with installed packages of Python, without what is compiled."""
    for name in packages or PYTHON:
        found = importlib.util.find_spec(name)
        if found is None or not found.submodule_search_locations:
            raise SystemExit(f'the package "{name}" is not installed: pip install it, or name others with --packages')
        source = Path(next(iter(found.submodule_search_locations)))
        shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.pyc", "tests"))


def script_workspace(root: Path, packages: Sequence[str]) -> None:
    """Fill a folder with sources of npm's packages."""
    _copy(script_sources(WORK), WORK / "javascript", root, packages or SCRIPTS)


def java_workspace(root: Path, packages: Sequence[str]) -> None:
    """Fill a folder with sources of Debian's packages, in Java."""
    _copy(_fetched("java"), FETCHED / "java", root, packages)


def cpp_workspace(root: Path, packages: Sequence[str]) -> None:
    """Fill a folder with sources of Debian's packages, in C and C++."""
    _copy(_fetched("cpp"), FETCHED / "cpp", root, packages)


def _fetched(language: str) -> list[Path]:
    folder = FETCHED / language
    fetch(LISTS / f"{language}.toml", folder)
    return sorted(path for path in folder.rglob("*") if path.is_file() and ".apt" not in path.parts)


def _copy(paths: Sequence[Path], base: Path, root: Path, packages: Sequence[str]) -> None:
    for path in paths:
        inside = path.relative_to(base)
        if not packages or any(name in inside.as_posix() for name in packages):
            (root / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / inside)
