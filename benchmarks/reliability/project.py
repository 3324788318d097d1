"""A small real project, its undisturbed index, and running the `sprig` command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rich

from reliability.connection import TRACEBACK
from sprig_server.index.lexical import search_lexical
from sprig_server.index.store import Store
from sprig_server.inference.models import Models

QUESTIONS = (
    "how is markup turned into styled text", "wrap long lines", "measure the width of a cell", "parse a colour name",
    "draw a box around something", "columns side by side", "ask the user for a number", "strip control codes",
)  # fmt: skip
_FILES = 12  # of the package `rich`, which Sprig depends on: enough to be killed in, few enough to do that often
_COMMAND_SECONDS = 120
_SAME = 0.98  # cosine; the same text in another batch is rounded differently, to .995 at worst where it was seen


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it wrote."""

    code: int
    stdout: str
    stderr: str

    def complaint(self, allowed: Sequence[int] = (0,)) -> str | None:
        """What is wrong with how it ended: a traceback, a wrong code, or a refusal that is not one line."""
        lines = self.stderr.strip().splitlines()
        if TRACEBACK in self.stderr:
            return f"traceback: {lines[-1][:120]}"
        if self.code not in allowed:
            return f"exit code {self.code}: {lines[-1][:160] if lines else 'without a word'}"
        if self.code == 2 and not lines:
            return "exit code 2 without a word"
        return None


def copy_files(folder: Path, share: slice = slice(None)) -> Path:
    """A folder with files of the package, all of them or a slice."""
    package = Path(rich.__file__).parent
    chosen = sorted(package.glob("*.py"), key=lambda path: path.stat().st_size)[20 : 20 + _FILES]
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(chosen)[share]:
        shutil.copyfile(path, folder / path.name)
    return folder


def command(*arguments: str) -> list[str]:
    """The words that start `sprig`, for a process."""
    return [sys.executable, "-m", "sprig_server", *arguments]


def environment(cache: Path) -> dict[str, str]:
    """The environment of a process whose index lies in `cache`."""
    return {**os.environ, "SPRIG_CACHE_DIR": str(cache)}


def run(words: Sequence[str], cache: Path, seconds: float = _COMMAND_SECONDS) -> Done:
    """Run a command to its end; one that takes longer is killed and has the code 124."""
    try:
        done = subprocess.run(
            words, env=environment(cache), capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return Done(124, "", f"takes more than {seconds:g} s")
    return Done(done.returncode, done.stdout, done.stderr)


def index_words(project: Path) -> list[str]:
    """`sprig index` for a project."""
    return command("index", "--workspace", str(project), "--threads", "1")


def search_words(project: Path, questions: Path, *more: str) -> list[str]:
    """`sprig search` with all questions, as JSON."""
    words = ("search", "--workspace", str(project), "--threads", "1", "--json", "-k", "5")
    return command(*words, "--queries", str(questions), *more)


def hits_of(done: Done) -> list[Any]:
    """What a search found, without the scores: a list for each question."""
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [[(hit["path"], hit["start_line"], hit["name"]) for hit in answer["hits"]] for answer in answers]


def index_of(cache: Path) -> Path:
    """The only index in a cache."""
    (found,) = cache.rglob("*.sqlite3")
    return found


@dataclass(frozen=True, slots=True)
class Contents:
    """All that an index holds: digests by path, definitions, vectors by definition, hits of full text."""

    files: dict[str, str]
    definitions: frozenset[tuple[Any, ...]]
    vectors: dict[tuple[str, str, int], Any]
    hits: list[list[tuple[str, int]]]


def read_contents(cache: Path) -> Contents:
    """Everything in the index of a cache, read with Sprig's own store.

    Raises:
        SprigError: it cannot be opened.
    """
    store = Store(index_of(cache))
    try:
        files = {path: state.digest for path, state in store.file_states().items()}
        entries = {e.id: e for path in files for e in store.in_file(path)}
        definitions = frozenset(
            (e.path, e.qualified_name, e.kind, e.start_line, e.end_line, e.content) for e in entries.values()
        )
        vectors = {}
        bundle = Models((), 1).search_bundle("python")
        if bundle is not None:
            changes = store.vectors(bundle.manifest.digest, bundle.manifest.languages)
            for item, vector in zip(changes.ids, changes.vectors, strict=True):
                e = entries[int(item)]
                vectors[e.path, e.qualified_name, e.start_line] = vector
        hits = []
        for question in QUESTIONS:
            found = search_lexical(store, question, 20)
            hits.append([(entries[item].path, entries[item].start_line) for item, _ in found])
        return Contents(files, definitions, vectors, hits)
    finally:
        store.close()


def difference(found: Contents, expected: Contents) -> str | None:
    """In what an index differs from what it should be; None where it does not."""
    for name in ("files", "definitions", "hits"):
        if getattr(found, name) != getattr(expected, name):
            return f"other {name} than undisturbed"
    return lost(found, expected) or (
        "more vectors than undisturbed" if len(found.vectors) > len(expected.vectors) else None
    )


def lost(found: Contents, before: Contents) -> str | None:
    """What an index does not hold any more that it held before; None where nothing is lost."""
    if not before.files.items() <= found.files.items():
        return "files are lost"
    if not before.definitions <= found.definitions:
        return "definitions are lost"
    if not before.vectors.keys() <= found.vectors.keys():
        return "vectors are lost"
    if any(np.dot(found.vectors[key], vector) < _SAME for key, vector in before.vectors.items()):
        return "vectors differ"
    return None
