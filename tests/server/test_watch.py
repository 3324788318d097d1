"""Our own watching of a folder, with the system's notifications and by looking from time to time."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import aclosing
from pathlib import Path

import pytest
from test_files import git, write

from sprig_server.index import watch
from sprig_server.index.files import list_sources
from sprig_server.index.watch import watch_folder

_PAUSE = 0.8  # seconds: several times what a change takes to be noticed


async def run(look):
    return look(lambda: False)


class Watched:
    """What a client of `watch_folder` would know: the sources, listed anew whenever it says so."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.changed: set[str] = set()
        self.looks = 0

    async def follow(self, polling: bool) -> None:
        async with aclosing(watch_folder(self.root, run, polling=polling)) as changes:
            async for found in changes:
                self.looks += found is None
                self.changed |= set(list_sources(self.root)) if found is None else found

    async def until(self, condition, seconds: float = 20) -> None:
        for _ in range(int(seconds * 20)):
            if condition():
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"not noticed in time: {self.changed}")


@pytest.fixture(params=["notified", "polling"])
async def watched(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Ten times as quick as for users: nobody writes here but the tests."""
    monkeypatch.setattr(watch, "_QUIET_MS", 20)
    monkeypatch.setattr(watch, "_LONGEST_MS", 200)
    monkeypatch.setattr(watch, "_POLL_MS", 200)
    write(tmp_path, "a.py", "sub/b.py", "node_modules/m/c.js")
    made = Watched(tmp_path)
    task = asyncio.create_task(made.follow(request.param == "polling"))
    await made.until(lambda: made.looks == 1)
    await asyncio.sleep(_PAUSE)
    yield made
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


async def test_files_that_come_change_and_go_are_told(watched: Watched):
    for change in (
        lambda: write(watched.root, "new.py"),
        lambda: (
            write(watched.root, "sub/b.py", text="y = 2\n# longer\n"),
            os.utime(watched.root / "sub/b.py", (2e9, 2e9)),  # polling tells times by the second
        ),
        lambda: (watched.root / "a.py").unlink(),
        lambda: (watched.root / "new.py").rename(watched.root / "sub" / "moved.py"),
    ):
        watched.changed.clear()
        change()
        await watched.until(lambda: watched.changed)
    await watched.until(lambda: "sub/moved.py" in watched.changed)


async def test_new_folders_are_looked_through_and_watched(watched: Watched):
    write(watched.root, "deep/er/first.py")
    await watched.until(lambda: "deep/er/first.py" in watched.changed)
    write(watched.root, "deep/er/second.py")
    await watched.until(lambda: "deep/er/second.py" in watched.changed)
    shutil.rmtree(watched.root / "deep")
    write(watched.root, "deep/er/third.py")
    await watched.until(lambda: "deep/er/third.py" in watched.changed)
    watched.changed.clear()
    await asyncio.sleep(_PAUSE)
    write(watched.root, "deep/er/second.py")
    await watched.until(lambda: "deep/er/second.py" in watched.changed)
    (watched.root / "deep").rename(watched.root / "other")
    await watched.until(lambda: "other/er/second.py" in watched.changed)


async def test_another_branch_is_noticed(watched: Watched):
    git(watched.root, "init", "--initial-branch=one")
    git(watched.root, "add", "a.py", "sub")
    git(watched.root, "commit", "-m", "one")
    git(watched.root, "checkout", "-b", "two")
    write(watched.root, *(f"many/{i}/x{i}.py" for i in range(100)))
    git(watched.root, "add", ".")
    git(watched.root, "commit", "-m", "two")
    git(watched.root, "checkout", "one")
    await watched.until(lambda: watched.looks > 1)
    watched.changed.clear()
    git(watched.root, "checkout", "two")
    await watched.until(lambda: "many/99/x99.py" in watched.changed)


async def test_what_the_listing_leaves_out_is_not_watched(watched: Watched):
    write(watched.root, ".gitignore", text="out/\n")
    await watched.until(lambda: watched.looks > 1)
    write(watched.root, "out/x.py")
    await asyncio.sleep(_PAUSE)
    looks, _ = watched.looks, watched.changed.clear()
    write(watched.root, "node_modules/m/new.js", "out/y.py", "notes.md")
    await asyncio.sleep(_PAUSE)
    assert (watched.looks, watched.changed) == (looks, set())


async def test_names_that_are_not_utf_8_are_noticed_and_stop_nothing(watched: Watched):
    odd = os.fsdecode(b"caf\xe9")
    write(watched.root, f"{odd}.py")
    await watched.until(lambda: f"{odd}.py" in watched.changed)
    write(watched.root, f"{odd}/inside.py")
    await watched.until(lambda: f"{odd}/inside.py" in watched.changed)
    write(watched.root, "after.py")
    await watched.until(lambda: "after.py" in watched.changed)
