"""The server's process ends when it should: soon, with the right code, and whoever still holds its pipes open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .raw_client import COMMAND, RawClient, frame

SECONDS = 5.0


@pytest.fixture
def client() -> Iterator[RawClient]:
    client = RawClient()
    yield client
    client.kill()


@pytest.fixture
def editor() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for the client's; the pipes of the server are held by the test."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    """A folder that takes long to index."""
    for number in range(400):
        body = "".join(f"def function_{number}_{n}(a, b):\n    return a * {n} + b\n\n" for n in range(20))
        (tmp_path / f"module_{number}.py").write_text(body)
    return tmp_path


def leaves(client: RawClient, code: int) -> None:
    began = time.monotonic()
    assert client.exit_code(SECONDS * 2) == code
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize("reaped", [True, False], ids=["gone", "a zombie"])
def test_the_server_ends_with_its_client_though_the_pipe_stays_open(client: RawClient, editor, reaped: bool):
    client.initialize(processId=editor.pid)
    client.execute("sprig.status")
    editor.kill()
    if reaped:
        editor.wait()
    leaves(client, 1)
    assert b"the client's process has ended" in client.stderr


def test_so_it_does_where_nobody_reads_what_it_writes(editor):
    """The pipe is full, and the server stuck in a write."""
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        parameters = {"processId": editor.pid, "rootUri": None, "capabilities": {}}
        asked = [{"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": parameters}]
        asked += [{"jsonrpc": "2.0", "id": number, "method": "sprig/noSuchMethod"} for number in range(3000)]
        process.stdin.write(b"".join(frame(json.dumps(message).encode()) for message in asked))
        process.stdin.flush()
        time.sleep(2)
        assert process.poll() is None
        editor.kill()
        editor.wait()
        assert process.wait(SECONDS) == 1
    finally:
        process.kill()
        process.communicate()


def test_a_client_that_is_gone_before_it_says_so_is_gone(client: RawClient):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    client.initialize(processId=gone.pid)
    leaves(client, 1)


@pytest.mark.parametrize("process", [None, os.getpid()])
def test_it_stays_where_there_is_no_process_to_watch_or_it_lives(client: RawClient, process: int | None):
    client.initialize(processId=process)
    time.sleep(2.5)
    client.execute("sprig.status")
    assert client.leave() == 0


def test_work_under_way_delays_nothing(busy: Path):
    for leave in ("exit", "end of input", "terminate"):
        client = RawClient(env={"SPRIG_CACHE_DIR": str(busy / "cache")})
        try:
            client.initialize(busy.as_uri())
            while not client.execute("sprig.status")["folders"][0]["indexing"]:
                time.sleep(0.05)
            time.sleep(0.3)
            began = time.monotonic()
            if leave == "exit":
                assert client.leave() == 0
            elif leave == "end of input":
                client.process.stdin.close()
                leaves(client, 1)
            else:
                client.process.terminate()
                leaves(client, 1)
            assert time.monotonic() - began < SECONDS
        finally:
            client.kill()


def test_exit_before_initialize_ends_it(client: RawClient):
    client.send({"method": "exit", "params": [1]})
    leaves(client, 1)
