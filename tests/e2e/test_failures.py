"""What fails in the background is said: in the status while it lasts, in a message once, and never as a traceback."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .raw_client import RawClient

# Wraps a function of the server, which raises while a file named "broken" lies in the folder of this module.
SABOTAGE = """\
import sys, importlib.abc
from pathlib import Path
HERE = Path(__file__).parent
MODULE, NAME, ERROR = {module!r}, {name!r}, {error!r}

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        def exec_module(module):
            execute(module)
            whole = getattr(module, NAME)
            def saboteur(*words, **named):
                if (HERE / "broken").exists():
                    raise eval(ERROR)
                return whole(*words, **named)
            setattr(module, NAME, saboteur)
        spec.loader.exec_module = exec_module
        return spec

import importlib.util
sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def clients() -> Iterator[Callable[..., RawClient]]:
    started: list[RawClient] = []

    def start(folder: Path, module: str, name: str, error: str) -> RawClient:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(SABOTAGE.format(module=module, name=name, error=error))
        (folder / "broken").touch()
        started.append(RawClient(env={"PYTHONPATH": str(folder), "SPRIG_CACHE_DIR": str(folder / "cache")}))
        return started[-1]

    yield start
    for client in started:
        if client.process.poll() is None:
            client.process.kill()
            client.exit_code()


def until(client: RawClient, holds: Callable[[Any], bool]) -> Any:
    for _ in range(200):
        found = client.execute("sprig.status")
        if holds(found):
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def save(client: RawClient, path: Path) -> None:
    client.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": path.as_uri(), "type": 2}]})


@pytest.mark.parametrize(
    ("module", "name", "error", "says"),
    [
        (
            "sprig_server.index.build",
            "list_files",
            "KeyError('secret')",
            "an unexpected failure (KeyError at",
        ),
        ("sprig_server.index.build", "_encode", "MemoryError()", "an unexpected failure (MemoryError at"),
        ("sprig_server.index.store", "_put_definition", "ValueError('secret')", "an unexpected failure (ValueError at"),
        (
            "sprig_server.index.store",
            "_put_definition",
            "__import__('sqlite3').OperationalError('database or disk is full')",
            "the disk is full",
        ),
        (
            "sprig_server.index.folder_index",
            "index_path",
            "PermissionError(13, 'Permission denied')",
            "an unexpected failure (PermissionError at",
        ),
    ],
    ids=["listing", "encoding", "storing", "full disk", "opening"],
)
def test_what_fails_is_said_until_it_works(clients, tmp_path, project, module, name, error, says):
    client = clients(tmp_path / "sabotage", module, name, error)
    client.initialize(
        project.as_uri(), capabilities={"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}}}
    )
    found = until(client, lambda status: status["failures"])
    (failure,) = found["failures"]
    assert says in failure
    assert "secret" not in failure
    save(client, project / "mail.py")  # it fails again, and is not said again
    time.sleep(1.5)
    assert until(client, lambda status: status["failures"])["failures"] == [failure]
    assert client.shown == [failure]
    (tmp_path / "sabotage" / "broken").unlink()
    if name == "index_path":  # the folder is opened again
        added = [{"uri": project.as_uri(), "name": "project"}]
        client.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": added, "removed": []}})
    else:
        assert says in found["folders"][0]["error"]
        save(client, project / "mail.py")
    found = until(client, lambda status: not status["failures"] and status["folders"][0]["functions"] == 7)
    assert found["folders"][0].get("error") is None
    assert client.leave() == 0
    assert b"Traceback" not in client.stderr
    assert b"secret" not in client.stderr
    assert not [line for line in client.logged if "Traceback" in line or "secret" in line]
