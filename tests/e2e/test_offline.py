"""DESIGN invariant 4: the server opens no network connection, ever."""

from __future__ import annotations

from pathlib import Path

from .conftest import SHAPES, position
from .raw_client import RawClient
from .test_raw_pipe import ask_hover, open_document, wait_until_indexed

NO_NETWORK = """
import socket, sys

def refuse(*args, **kwargs):
    sys.stderr.write("NETWORK USED\\n")
    sys.stderr.flush()
    raise OSError("networking is impossible here")

class Refusing(socket.socket):
    def __init__(self, family=-1, *args, **kwargs):
        # The event loop wakes itself through a pair of unnamed local sockets.
        if family in (socket.AF_INET, socket.AF_INET6):
            refuse()
        super().__init__(family, *args, **kwargs)

socket.socket = Refusing
socket.create_connection = socket.getaddrinfo = socket.gethostbyname = refuse
"""


def test_everything_works_where_networking_is_impossible(project: Path, tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    client = RawClient(env={"PYTHONPATH": str(tmp_path)})
    try:
        uri = (project / "shapes.py").as_uri()
        client.initialize(project.as_uri())
        wait_until_indexed(client)
        question = {"command": "sprig.search", "arguments": [{"query": "area of a circle"}]}
        found = client.wait(client.request("workspace/executeCommand", question))
        assert found["result"]["hits"][0]["name"] == "circle_area"
        open_document(client, uri, SHAPES)
        assert client.wait(ask_hover(client, uri, position(SHAPES, "clamp_number")))["result"] is not None
        assert client.leave() == 0
        assert b"NETWORK USED" not in client.stderr
    finally:
        client.kill()


def test_the_guard_of_this_test_works(tmp_path: Path):
    import subprocess
    import sys

    code = NO_NETWORK + "\nimport urllib.request\nurllib.request.urlopen('http://localhost:9')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "NETWORK USED" in done.stderr
