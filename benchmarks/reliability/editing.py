"""A scripted user: typing, saving, hovering, searching, switching branches, opening a very long file.

Every typed function has a unique sentence, so answers from an old text are noticed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import rich

from reliability.connection import HANG_SECONDS, Connection, encoded
from reliability.project import QUESTIONS
from reliability.results import Outcome

_LARGE_BYTES = 1_000_000
_PATIENCE = 60.0  # seconds for any answer; one that takes longer than HANG_SECONDS is a failure all the same
_FOUND_SECONDS = 30.0  # until what was saved is found
_KEY_SECONDS = (0.03, 0.15)
_NAME = re.compile(r"^\s*(?:def|class) (\w+)")


def make_repository(folder: Path, random: Random) -> Path:
    """The package `rich` with a large file as a git repository; its two branches differ in a third of the files."""
    project = folder / "project"
    shutil.copytree(Path(rich.__file__).parent, project, ignore=shutil.ignore_patterns("__pycache__"))

    def git(*words: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=soak", "-c", "user.email=soak@localhost", *words],
            cwd=project,
            check=True,
            capture_output=True,
        )

    git("init", "--quiet", "--initial-branch=main")
    paths = sorted(project.glob("*.py"))
    pieces = [path.read_text(encoding="utf-8") for path in paths if "from __future__" not in path.read_text("utf-8")]
    large = ""
    while len(large) < _LARGE_BYTES * 0.95:
        large += random.choice(pieces) + "\n"
    (project / "large.py").write_text(large[: _LARGE_BYTES - 1], encoding="utf-8")
    git("add", "--all")
    git("commit", "--quiet", "--message=main")
    git("checkout", "--quiet", "-b", "other")
    for path in random.sample(paths, len(paths) // 3):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"^def (\w+)", r"def other_\1", text, flags=re.MULTILINE), encoding="utf-8")
    git("commit", "--quiet", "--all", "--message=other")
    git("checkout", "--quiet", "main")
    return project


class Editor:
    """An editor with its user; `times` are the seconds of every answer by kind of request."""

    def __init__(self, server: Connection, project: Path, random: Random, outcome: Outcome) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self._server, self._project, self._random, self._outcome = server, project, random, outcome
        self._open: dict[Path, list[str]] = {}
        self._version = 0
        self._typed = 0

    def work(self) -> None:
        """Do one thing that people do, drawn at random."""
        actions: dict[Callable[[], object], float] = {
            self._type_function: 5,
            self._hover: 10,
            self._search: 4,
            self._symbols: 3,
            self._save: 2,
            self._look_at_status: 1,
            self._open_another: 2,
            self._change_mind: 2,
            self._switch_branch: 0.4,
            self._visit_large_file: 0.4,
        }
        (action,) = self._random.choices(list(actions), list(actions.values()))
        if not self._open:
            self._open_another()
        action()

    def _ask(self, kind: str, method: str, params: Any, where: str = "") -> Any:
        """Send a request, note how long its answer took; its result."""
        started = time.perf_counter()
        reply = self._server.request(method, params, _PATIENCE)
        seconds = time.perf_counter() - started
        self.times[kind].append(seconds)
        self._outcome.tried += 1
        if seconds > HANG_SECONDS:
            self._outcome.fail(f"{kind}: takes more than {HANG_SECONDS:g} s", f"{seconds:.1f} s {where}")
        if "error" in reply:
            self._outcome.fail(f"{kind}: {reply['error']['message']}", where)
        return reply.get("result")

    def _hover_at(self, kind: str, path: Path, line: int, character: int) -> str:
        place = {"line": line, "character": character}
        found = self._ask(kind, "textDocument/hover", {"textDocument": {"uri": path.as_uri()}, "position": place})
        return str(found["contents"]["value"]) if found else ""

    def _change(self, path: Path, line: int, character: int, text: str, until: tuple[int, int] | None = None) -> None:
        self._version += 1
        start = {"line": line, "character": character}
        end = {"line": until[0], "character": until[1]} if until else start
        document = {"uri": path.as_uri(), "version": self._version}
        change = {"range": {"start": start, "end": end}, "text": text}
        self._server.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})

    def _open_another(self) -> None:
        closed = [path for path in sorted(self._project.glob("*.py")) if path not in self._open]
        self._open_document(self._random.choice([path for path in closed if path.name != "large.py"]))
        if len(self._open) > 6:
            self._close_document(self._random.choice(list(self._open)))

    def _open_document(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        self._open[path] = text.split("\n")
        document = {"uri": path.as_uri(), "languageId": "python", "version": 0, "text": text}
        self._server.notify("textDocument/didOpen", {"textDocument": document})

    def _close_document(self, path: Path) -> None:
        del self._open[path]
        self._server.notify("textDocument/didClose", {"textDocument": {"uri": path.as_uri()}})

    def _type_function(self, path: Path | None = None) -> None:
        """Type a function key by key, hover now and then, and at its end see that it is the one that hovers show."""
        path = path or self._random.choice(list(self._open))
        lines = self._open[path]
        places = [
            n for n in range(1, len(lines)) if lines[n].startswith(("def ", "class ")) and not lines[n - 1].strip()
        ]
        line = self._random.choice(places or [len(lines) - 1])
        self._typed += 1
        name, sentence = f"soak_{self._typed}", f"Counts to {self._typed} as somebody typed"
        typed = f'def {name}(limit):\n    """{sentence}"""\n    return list(range(limit))\n\n\n'
        at, column = line, 0
        kind = "hover while typing" if path.name != "large.py" else "hover in 1 MB"
        while typed:
            keys = typed[: self._random.choice((1, 1, 2, 3, 8))]
            typed = typed[len(keys) :]
            self._change(path, at, column, keys)
            at, column = (at + keys.count("\n"), len(keys.rpartition("\n")[2]) + (0 if "\n" in keys else column))
            time.sleep(self._random.uniform(*_KEY_SECONDS))
            if self._random.random() < 0.15:
                self._hover_at(kind, path, *self._named(path, line))
        lines[line:line] = [f"def {name}(limit):", f'    """{sentence}"""', "    return list(range(limit))", "", ""]
        started = time.perf_counter()
        while sentence not in self._hover_at(kind, path, line, 6):
            if time.perf_counter() - started > HANG_SECONDS:
                self._outcome.fail(f"{kind}: what was typed does not show", f"{path.name}:{line}")
                return
            time.sleep(0.05)
        self.times["typed until shown"].append(time.perf_counter() - started)

    def _named(self, path: Path, before: int | None = None) -> tuple[int, int]:
        """The place of a name that is defined in a document, above a line where one is given."""
        found = [
            (n, match.start(1)) for n, text in enumerate(self._open[path][:before]) if (match := _NAME.match(text))
        ]
        return self._random.choice(found) if found else (0, 0)

    def _hover(self) -> None:
        path = self._random.choice(list(self._open))
        self._hover_at("hover", path, *self._named(path))

    def _change_mind(self) -> None:
        """Ask for a hover and take the question back; it is answered all the same."""
        path = self._random.choice(list(self._open))
        line, character = self._named(path)
        place = {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": character}}
        number = f"cancelled-{time.monotonic_ns()}"
        started = time.perf_counter()
        self._server.write(encoded({"id": number, "method": "textDocument/hover", "params": place}))
        self._server.notify("$/cancelRequest", {"id": number})
        self._server.wait(number, _PATIENCE)
        self.times["cancelled hover"].append(time.perf_counter() - started)
        self._outcome.tried += 1

    def _search(self, query: str = "") -> list[Any]:
        query = query or self._random.choice(QUESTIONS)
        parameters = {"command": "sprig.search", "arguments": [{"query": query, "limit": 10}]}
        return list((self._ask("search", "workspace/executeCommand", parameters, query) or {"hits": []})["hits"])

    def _symbols(self) -> None:
        self._ask(
            "symbols", "workspace/symbol", {"query": self._random.choice(("render", "Style", "measure", "split"))}
        )

    def _look_at_status(self) -> None:
        self._ask("status", "workspace/executeCommand", {"command": "sprig.status", "arguments": []})

    def _save(self) -> None:
        """Save a document in which something was typed, and search until it is found."""
        path = self._random.choice(list(self._open))
        lines = self._open[path]
        path.write_text("\n".join(lines), encoding="utf-8")
        self._server.notify("textDocument/didSave", {"textDocument": {"uri": path.as_uri()}})
        self._tell(path)
        names = [match[1] for text in lines if (match := _NAME.match(text)) and match[1].startswith("soak_")]
        started = time.perf_counter()
        while names and not self._finds(names[-1]):
            if time.perf_counter() - started > _FOUND_SECONDS:
                self._outcome.fail("what was saved is not found in half a minute", f"{path.name} {names[-1]}")
                return
            time.sleep(0.05)
        if names:
            self.times["saved until found"].append(time.perf_counter() - started)

    def _finds(self, name: str) -> bool:
        return any(hit["name"] == name for hit in self._search(name))

    def _tell(self, *paths: Path) -> None:
        changes = [{"uri": path.as_uri(), "type": 2} for path in paths]
        self._server.notify("workspace/didChangeWatchedFiles", {"changes": changes})

    def _switch_branch(self) -> None:
        """Close everything, throw away what was typed, and check out the other branch."""
        for path in list(self._open):
            self._close_document(path)

        def git(*words: str) -> str:
            return subprocess.run(
                ["git", *words], cwd=self._project, check=True, capture_output=True, text=True
            ).stdout.strip()

        dirty = git("diff", "--name-only").split()
        other = "other" if git("branch", "--show-current") == "main" else "main"
        changed = git("diff", "--name-only", "main", "other").split()
        git("checkout", "--quiet", "--force", other)
        self._tell(*(self._project / name for name in {*dirty, *changed}))

    def _visit_large_file(self) -> None:
        """Look around in a file of 1 MB, type in it, hover in another one meanwhile, and leave."""
        path = self._project / "large.py"
        other = self._random.choice(list(self._open))
        self._open_document(path)
        for _ in range(4):
            self._hover_at("hover in 1 MB", path, *self._named(path))
        self._type_function(path)
        self._change(path, 0, 0, "\n")  # parsed anew, and asked about, while somebody asks about the other
        self._open[path].insert(0, "")
        place = {"textDocument": {"uri": path.as_uri()}, "position": {"line": 0, "character": 0}}
        numbers = [f"large-{time.monotonic_ns()}-{n}" for n in range(3)]
        for number in numbers:
            self._server.write(encoded({"id": number, "method": "textDocument/hover", "params": place}))
        self._hover_at("hover beside 1 MB", other, *self._named(other))
        for number in numbers:
            self._server.wait(number, _PATIENCE)
        self._close_document(path)


Memory = list[tuple[float, float]]
"""(minute, MB) of a server, every few seconds."""


def keep_working(editor: Editor, server: Connection, seconds: float, show: Callable[[float], None]) -> Memory:
    """Work for a while.

    Raises:
        Broken: the server died, hung, or wrote what is no message.
    """
    memory: Memory = []
    started = time.monotonic()
    while (passed := time.monotonic() - started) < seconds:
        if not memory or passed / 60 - memory[-1][0] > 1 / 12:
            memory.append((passed / 60, server.memory()))
            show(passed)
        editor.work()
    return memory
