"""Memory over many requests: after all of them a server uses no more than after the first tenth."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import rich

from reliability.connection import Broken, Connection
from reliability.project import QUESTIONS, copy_files
from reliability.results import Outcome, Watch, timed

_WARM = 0.1  # the share of the requests after which memory is first taken
_GROWTH = 0.10  # and how much more it may be after all of them
_INDEX_SECONDS = 120.0
_WORDS = ("text", "style", "colour", "line", "cell", "width", "box", "table", "render", "split", "wrap", "measure")


def use_memory(count: int, seed: int, folder: Path, watch: Watch) -> Outcome:
    """Send `count` requests of one editor session: hovers everywhere, questions, and typing between them."""
    outcome = Outcome(f"memory over {count:,} requests")
    random = Random(f"{seed} memory")
    project = copy_files(folder / "project")
    for name in ("console.py", "text.py", "table.py"):  # large enough that hovers find something
        shutil.copyfile(Path(rich.__file__).parent / name, project / name)
    taken: dict[int, float] = {}
    with timed(outcome), Connection({"SPRIG_CACHE_DIR": str(folder / "cache")}, folder) as server:
        try:
            server.initialize(project, threads=1)
            server.wait_until_indexed(_INDEX_SECONDS)
            for number, (method, params) in zip(range(1, count + 1), _requests(random, server, project), strict=False):
                if "error" in (reply := server.request(method, params)):
                    outcome.fail(f"{method}: {reply['error']['message']}", f"--seed {seed}, request {number}")
                outcome.tried += 1
                if number % max(1, count // 20) == 0:
                    taken[number] = server.memory()
                watch.show(number)
                if watch.over():
                    break
        except Broken as problem:
            outcome.fail(str(problem), f"--seed {seed}, request {outcome.tried + 1}")
        for complaint in server.complaints:
            outcome.fail(complaint, f"--seed {seed}")
    early, late = (taken.get(round(share * count), 0.0) for share in (_WARM, 1.0))
    if early and late > early * (1 + _GROWTH):
        outcome.fail("memory grows by more than a tenth", f"--seed {seed}, from {early:.0f} to {late:.0f} MB")
    growth = late / early - 1 if early else 0.0
    outcome.figures = {
        f"after {round(_WARM * count):,}": f"{early:.0f} MB",
        "after all": f"{late:.0f} MB ({growth:+.1%})",
    }
    return outcome


def _requests(random: Random, server: Connection, project: Path) -> Iterator[tuple[str, Any]]:
    """Requests without end; what is typed between them is sent on the way."""
    texts = {path.as_uri(): path.read_text(encoding="utf-8").split("\n") for path in sorted(project.glob("*.py"))}
    for uri, lines in texts.items():
        document = {"uri": uri, "languageId": "python", "version": 0, "text": "\n".join(lines)}
        server.notify("textDocument/didOpen", {"textDocument": document})
    version = 0
    while True:
        uri = random.choice(list(texts))
        document = {"uri": uri}
        dice = random.random()
        if dice < 0.2:  # a letter at the end of a line, and away again
            version += 2
            place = {"line": random.randrange(len(texts[uri])), "character": 0}
            over = {"line": place["line"], "character": 1}
            changes = [
                {"range": {"start": place, "end": place}, "text": "x"},
                {"range": {"start": place, "end": over}, "text": ""},
            ]
            server.notify(
                "textDocument/didChange", {"textDocument": {**document, "version": version}, "contentChanges": changes}
            )
        if dice < 0.8:
            line = random.randrange(len(texts[uri]))
            place = {"line": line, "character": random.randrange(len(texts[uri][line]) + 1)}
            yield "textDocument/hover", {"textDocument": document, "position": place}
        elif dice < 0.9:
            query = random.choice((random.choice(QUESTIONS), " ".join(random.sample(_WORDS, 3))))
            yield "workspace/executeCommand", {"command": "sprig.search", "arguments": [{"query": query}]}
        elif dice < 0.98:
            yield "workspace/symbol", {"query": random.choice(_WORDS)}
        else:
            yield "workspace/executeCommand", {"command": "sprig.status", "arguments": []}
