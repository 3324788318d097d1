"""sprig doctor: check that everything Sprig needs works on this machine."""

from __future__ import annotations

import platform
import sqlite3
import tempfile
from argparse import Namespace
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from rich.text import Text

from sprig_server import __version__
from sprig_server.bundle.store import Bundle
from sprig_server.code.functions import parse_functions
from sprig_server.code.languages import NAMES
from sprig_server.commands.terminal import output
from sprig_server.errors import SprigError
from sprig_server.index.cache import index_path
from sprig_server.index.store import Store
from sprig_server.inference.models import Models
from sprig_server.types import Task

_SUMMARIZED = "def total(values):\n    result = 0\n    for value in values:\n        result += value\n    return result"
_PACKAGES = ("onnxruntime", "tokenizers", "tree-sitter", "pygls", "numpy")


def run(arguments: Namespace) -> int:
    """Run the checks and print their results. Returns 1 if one of them fails."""
    models: list[Models] = []

    def load_bundles() -> str:
        models.append(Models(arguments.bundle, arguments.threads))
        problems = [problem for pack in models[0].packs for problem in pack.problems]
        if problems:
            raise SprigError("; ".join(problems))
        packs = ", ".join(f"{pack.distribution} {pack.version}" for pack in models[0].packs) or "no language pack"
        return f"{len(models[0].bundles)} found ({packs}), {models[0].threads} threads"

    checks: list[tuple[str, Callable[[], str]]] = [
        ("sprig", lambda: f"{__version__} on Python {platform.python_version()}, {platform.platform()}"),
        ("packages", lambda: ", ".join(f"{name} {version(name)}" for name in _PACKAGES)),
        ("languages", _check_grammars),
        ("index", _check_index),
        ("bundles", load_bundles),
        ("search", lambda: _check_search(models)),
        ("summaries", lambda: _check_summaries(models)),
    ]
    failed = 0
    for name, check in checks:
        try:
            line, mark = check(), Text("ok   ", style="green")
        except Exception as error:  # the other checks are still useful
            line, mark = str(error) or type(error).__name__, Text("FAIL ", style="bold red")
            failed += 1
        output().print(mark.append(f"{name:10}", style="bold default").append(line, style="default"))
    return 1 if failed else 0


def _check_grammars() -> str:
    for name in NAMES:
        parse_functions("", name)
    return ", ".join(NAMES)


def _check_index() -> str:
    with tempfile.TemporaryDirectory() as folder:
        Store(Path(folder) / "check.sqlite3").close()
    return f"SQLite {sqlite3.sqlite_version} with full-text search, indexes in {index_path(Path('x')).parent}"


def _check_search(models: list[Models]) -> str:
    bundle = _any_bundle(models, "search")
    vectors = models[0].encoder(bundle).encode(["sort a list", "order the items", "open a socket"])
    near, far = vectors[1:] @ vectors[0]
    if not near > far:
        raise SprigError(f"{bundle.manifest.name} rates unrelated texts as more similar ({near:.2f} against {far:.2f})")
    return f"{bundle.manifest.name}: {near:.2f} for similar texts, {far:.2f} for unrelated ones"


def _any_bundle(models: list[Models], task: Task) -> Bundle:
    for bundle in models[0].bundles if models else ():
        if bundle.manifest.task == task:
            return bundle
    raise SprigError(
        f'no bundle for {task}: install a language pack, pip install "sprig-lsp[python]", or give --bundle'
    )


def _check_summaries(models: list[Models]) -> str:
    bundle = _any_bundle(models, "summarize")
    language = bundle.manifest.languages[0]
    summary = models[0].summarizer(bundle).summarize(_SUMMARIZED, language)
    return f"{bundle.manifest.name}: {summary.text!r}"
