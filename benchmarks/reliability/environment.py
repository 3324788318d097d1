"""Faults of the machine: full disk, read-only or vanishing cache, wrong clock, two processes at once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from reliability.connection import Broken, Connection
from reliability.project import (
    QUESTIONS,
    Done,
    copy_files,
    difference,
    hits_of,
    index_words,
    read_contents,
    run,
    search_words,
)
from reliability.results import Outcome, timed

_ROUNDS = 5
_HEALS_SECONDS = 30.0
_TWO = re.compile(r"(.*)-- (\d+)\n(.*)-- (\d+)\n", re.DOTALL)
_DOCUMENT = 'def documented():\n    """Says this."""\n'

# A file system of its own for the cache, in a name space of its own, as every user of Linux may have where that is
# not forbidden: $0 is the cache, $1 its size, $2 what to copy there, $3 an option of mount, and the rest is run.
_SPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
_MOUNT = """
mount -t tmpfs -o size="$1" sprig "$0" || exit 99
if [ -n "$2" ]; then cp -r "$2"/. "$0"; fi
if [ -n "$3" ]; then mount -o "remount,$3" "$0"; fi
shift 3
"""
_ONCE = _MOUNT + 'exec "$@"'
_TWICE = _MOUNT + '"$@"; echo "-- $?"; mount -o remount,size=64m "$0"; "$@"; echo "-- $?"'


class Setting:
    """A project with its index and the hits that it should give, shared by all parts."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.project, self.whole = copy_files(folder / "project"), folder / "whole"
        self.questions = folder / "questions.txt"
        self.questions.write_text("\n".join(QUESTIONS), encoding="utf-8")
        self.search = search_words(self.project, self.questions)
        done = run(self.search, self.whole)
        self.size = sum(path.stat().st_size for path in self.whole.rglob("*") if path.is_file())
        self.hits, self.contents = hits_of(done), read_contents(self.whole)

    def cache(self, name: str) -> Path:
        """An empty folder."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder


def can_mount(folder: Path) -> bool:
    """Whether this system gives a process file systems of its own."""
    try:
        return subprocess.run(_inside(_ONCE, folder, 4096, None, "", "true"), capture_output=True).returncode == 0
    except OSError:
        return False


def _inside(script: str, cache: Path, size: int, copied: Path | None, option: str, *words: str) -> list[str]:
    """Words that run others where the cache is a disk of its own."""
    return [*_SPACE, script, str(cache), str(size), str(copied or ""), option, *words]


def full_disk(setting: Setting) -> Outcome:
    """Index and search on disks of many sizes: a refusal in a line; once there is room, all is well."""
    outcome = Outcome("full disk")
    random = Random(f"{setting.seed} disk")
    with timed(outcome):
        for _ in range(_ROUNDS * 2):
            size = random.randrange(1, max(2, 2 * setting.size // 4096)) * 4096
            cache, where = setting.cache("full"), f"--seed {setting.seed}, a disk of {size:,} bytes"
            done = run(_inside(_TWICE, cache, size, None, "", *setting.search), cache)
            first, code, second, last = _TWO.findall(done.stdout)[0]
            _judge(outcome, Done(int(code), first, done.stderr), setting, where, (0, 2))
            _judge(outcome, Done(int(last), second, done.stderr), setting, f"{where}, then more room", (0,))
            _serve(outcome, setting, _inside(_ONCE, cache, size, None, ""), cache, where)
    return outcome


def read_only(setting: Setting) -> Outcome:
    """Search with a cache that cannot be written: empty, up to date, and out of date."""
    outcome = Outcome("read-only cache")
    with timed(outcome):
        for state in ("empty", "up to date", "out of date"):
            changed = setting.project / "later.py"
            if state == "out of date":
                changed.write_text(_DOCUMENT, encoding="utf-8")
            cache = setting.cache("read-only")
            words = _inside(_ONCE, cache, 64 << 20, None if state == "empty" else setting.whole, "ro")
            _judge(outcome, run([*words, *setting.search], cache), setting, state, (0, 2))
            _serve(outcome, setting, words, cache, state)
            changed.unlink(missing_ok=True)
    return outcome


def vanishing_cache(setting: Setting) -> Outcome:
    """Delete the cache under a running server; it answers all the while, and finds everything again."""
    outcome = Outcome("cache deleted while running")
    random = Random(f"{setting.seed} vanishing")
    cache = setting.cache("vanishing")
    with timed(outcome), Connection({"SPRIG_CACHE_DIR": str(cache)}, setting.folder) as server:
        try:
            server.initialize(setting.project, threads=1)
            server.wait_until_indexed(_HEALS_SECONDS)
            for number in range(_ROUNDS):
                time.sleep(random.random() / 2)
                shutil.rmtree(cache, ignore_errors=True)
                path = setting.project / "saved.py"
                path.write_text(f'def saved_{number}():\n    """Says this."""\n', encoding="utf-8")
                server.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": path.as_uri(), "type": 2}]})
                outcome.tried += 1
                if not _finds(server, f"saved_{number}") or not _finds(server, "wrap_text divide_line"):
                    outcome.fail("a search does not find again what was deleted", f"round {number}")
        except Broken as problem:
            outcome.fail(str(problem), f"--seed {setting.seed}")
        for complaint in server.complaints:
            outcome.fail(complaint, f"--seed {setting.seed}")
        (setting.project / "saved.py").unlink(missing_ok=True)
    return outcome


def _finds(server: Connection, name: str) -> bool:
    deadline = time.monotonic() + _HEALS_SECONDS
    while time.monotonic() < deadline:
        reply = server.command("sprig.search", {"query": name, "limit": 5})
        if any(hit["name"].split(".")[-1] in name for hit in (reply.get("result") or {}).get("hits", [])):
            return True
        time.sleep(0.2)
    return False


def wrong_clock(setting: Setting) -> Outcome:
    """Edits that keep the size, saved in the far past and future, indexed by a clock that jumps back and forth."""
    outcome = Outcome("clock going backwards")
    random = Random(f"{setting.seed} clock")
    project, cache = copy_files(setting.folder / "clock"), setting.cache("clock-cache")
    fake = shutil.which("faketime")
    with timed(outcome):
        for number in range(_ROUNDS * 2):
            for path in random.sample(sorted(project.iterdir()), 4):
                text = path.read_text(encoding="utf-8")
                path.write_text(
                    text.replace("self", "slef") if "self" in text else text.replace("slef", "self"), "utf-8"
                )
                before = path.stat().st_mtime_ns
                seconds = random.choice((-(2**31), -1, 0, 2**31, 2**33, before // 10**9 - 3600, before // 10**9 + 3600))
                os.utime(path, ns=(seconds * 10**9 + random.randrange(10**9),) * 2)
            days = random.randrange(-4000, 4000)
            words = [*((fake, "--exclude-monotonic", "-f", f"{days:+d}d") if fake else ()), *index_words(project)]
            problem = run(words, cache).complaint()
            fresh = setting.cache("clock-fresh")
            if not problem:
                run(index_words(project), fresh)
                problem = difference(read_contents(cache), read_contents(fresh))
            outcome.tried += 1
            if problem:
                outcome.fail(problem, f"--seed {setting.seed}, round {number}")
    outcome.figures = {"clock": "jumps by up to 4,000 days" if fake else "as it is, for lack of faketime"}
    return outcome


def two_at_once(setting: Setting) -> Outcome:
    """Two `sprig index`, a server and searches on one index that none of them finds: all work, and it is whole."""
    outcome = Outcome("two processes on one index")
    words = [index_words(setting.project), index_words(setting.project), setting.search]
    with timed(outcome):
        for number in range(_ROUNDS):
            cache = setting.cache("shared")
            with ThreadPoolExecutor(len(words) + 1) as pool:
                served = pool.submit(_ask_all, setting, cache)
                running = [pool.submit(run, w, cache) for w in words]
                problems = [*served.result(), *(done.result().complaint() for done in running)]
            problems.append(difference(read_contents(cache), setting.contents))
            outcome.tried += 1
            for problem in filter(None, problems):
                outcome.fail(problem, f"round {number}")
    return outcome


def _ask_all(setting: Setting, cache: Path) -> list[str]:
    """Start a server on a cache, ask it everything while it indexes; what went wrong."""
    problems = []
    with Connection({"SPRIG_CACHE_DIR": str(cache)}, setting.folder) as server:
        try:
            server.initialize(setting.project, threads=1)
            for question in QUESTIONS:
                reply = server.command("sprig.search", {"query": question})
                if "error" in reply:
                    problems.append(f"server: search: {reply['error']['message']}")
            server.wait_until_indexed(_HEALS_SECONDS)
        except Broken as problem:
            problems.append(f"server: {problem}")
        return problems + [f"server: {complaint}" for complaint in server.complaints]


def _judge(outcome: Outcome, done: Done, setting: Setting, where: str, allowed: Sequence[int]) -> None:
    """Note what is wrong with a search: how it ended, or an answer that is not the right one."""
    outcome.tried += 1
    how = "answered" if done.code == 0 else "refused in a line"
    outcome.figures[how] = str(int(outcome.figures.get(how, 0)) + 1)
    problem = done.complaint(allowed)
    if not problem and done.code == 0 and hits_of(done) != setting.hits:
        problem = "other answers, without a word"
    if problem:
        outcome.fail(f"sprig search: {problem}", where)


def _serve(outcome: Outcome, setting: Setting, wrapped: Sequence[str], cache: Path, where: str) -> None:
    """A server in the same place: a hover that needs no index comes, a search is answered or refused in a line."""
    outcome.tried += 1
    with Connection({"SPRIG_CACHE_DIR": str(cache)}, setting.folder, wrapped) as server:
        try:
            server.initialize(setting.project, threads=1)
            uri = (setting.project / "hovered.py").as_uri()
            document = {"uri": uri, "languageId": "python", "version": 1, "text": _DOCUMENT}
            server.notify("textDocument/didOpen", {"textDocument": document})
            hover = server.request(
                "textDocument/hover", {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 5}}
            )
            if "Says this" not in str(hover.get("result")):
                outcome.fail(f"server: hover: {hover.get('error') or hover.get('result')}", where)
            for question in QUESTIONS[:3]:
                server.command("sprig.search", {"query": question})
            server.command("sprig.status")
            if (code := server.leave()) != 0:
                outcome.fail(f"server: exit code {code}", where)
        except Broken as problem:
            outcome.fail(f"server: {problem}", where)
        for complaint in server.complaints:
            outcome.fail(f"server: {complaint}", where)
