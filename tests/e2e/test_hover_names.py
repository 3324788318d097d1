"""Hovers on names that are not called, in a running server: each says where what it describes is defined."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import position
from .raw_client import RawClient
from .test_raw_pipe import ask_hover, open_document, wait_until_indexed

FILES = {
    "pets.py": (
        'MOST = 3\n"""How many fit."""\n\n\nclass Cat:\n    """Purrs."""\n\n\ndef feed(pet):\n    """Feeds it."""\n'
    ),
    "pets.pyi": "def feed(pet: object) -> None: ...\n",
    "shop.py": "from pets import MOST, Cat, feed\n\n\nclass Shop(Cat):\n    size = MOST\n\n\nlist(map(feed, []))\n",
    "ui.tsx": '/** A button. */\nexport function Button() { return "b"; }\n',
    "app.tsx": 'import { Button } from "./ui";\nexport const app = <Button></Button>;\n',
    "Sink.java": "/** Takes all. */\nclass Sink {\n  /** Empties it. */\n  static void flush() { }\n}\n",
    "Main.java": "class Main { Object o = run(Sink::flush); }\n",
    "door.hpp": "/// A door.\nstruct Door {\n  /// Opens it.\n  void open();\n};\n",
    "door.cpp": '#include "door.hpp"\nauto opener = &Door::open;\n',
}
LANGUAGES = {".py": "python", ".tsx": "typescriptreact", ".java": "java", ".cpp": "cpp"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RawClient, Path]]:
    root = tmp_path_factory.mktemp("names")
    for name, text in FILES.items():
        (root / name).write_text(text)
    client = RawClient()
    client.initialize(root.as_uri())
    wait_until_indexed(client)
    for name, text in FILES.items():
        if Path(name).suffix in LANGUAGES:
            open_document(client, (root / name).as_uri(), text, LANGUAGES[Path(name).suffix])
    yield client, root
    client.kill()


@pytest.mark.parametrize(
    ("path", "marker", "name", "place", "words"),
    [
        ("pets.py", "Cat:", "Cat", "", "Purrs"),
        ("shop.py", "feed\n", "feed", "pets.py:9", "Feeds it"),
        ("shop.py", "Cat):", "Cat", "pets.py:5", "Purrs"),
        ("shop.py", "MOST\n\n", "MOST", "pets.py:1", "How many fit"),
        ("shop.py", "feed, []", "feed", "pets.py:9", "Feeds it"),
        ("pets.pyi", "feed", "feed", "pets.py:9", "Feeds it"),
        ("app.tsx", "Button }", "Button", "ui.tsx:2", "A button"),
        ("app.tsx", "Button></", "Button", "ui.tsx:2", "A button"),
        ("app.tsx", "Button>;", "Button", "ui.tsx:2", "A button"),
        ("Main.java", "Sink::", "Sink", "Sink.java:2", "Takes all"),
        ("Main.java", "flush)", "Sink.flush", "Sink.java:4", "Empties it"),
        ("door.cpp", "Door::", "Door", "door.hpp:2", "A door"),
        ("door.cpp", "open;", "Door::open", "door.hpp:4", "Opens it"),
    ],
)
def test_a_name_is_explained_where_it_stands(
    server: tuple[RawClient, Path], path: str, marker: str, name: str, place: str, words: str
):
    client, root = server
    if path == "pets.pyi":
        open_document(client, (root / path).as_uri(), FILES[path])
    asked = ask_hover(client, (root / path).as_uri(), position(FILES[path], marker))
    shown = client.wait(asked)["result"]["contents"]["value"].replace("\\", "")
    first, _, rest = shown.partition("\n\n")
    file, _, line = place.partition(":")
    assert first == (f"`{name}` in [{place}](<{(root / file).as_uri()}#L{line}>)" if place else f"`{name}`")
    assert words in rest


@pytest.mark.parametrize(
    ("path", "marker"),
    [
        ("shop.py", "pets"),
        ("shop.py", "class"),
        ("shop.py", "size"),
        ("shop.py", "Shop"),
        ("app.tsx", '"./ui"'),
        ("door.cpp", "opener"),
    ],
)
def test_there_is_none_for_modules_keywords_and_what_has_no_words(
    server: tuple[RawClient, Path], path: str, marker: str
):
    client, root = server
    asked = ask_hover(client, (root / path).as_uri(), position(FILES[path], marker, 1))
    assert client.wait(asked)["result"] is None


def test_a_hover_that_was_asked_before_takes_milliseconds(server: tuple[RawClient, Path]):
    client, root = server
    uri = (root / "shop.py").as_uri()
    times = []
    for _ in range(30):
        began = time.perf_counter()
        assert client.wait(ask_hover(client, uri, position(FILES["shop.py"], "feed, []")))["result"] is not None
        times.append(time.perf_counter() - began)
    assert sorted(times)[15] < 0.05, "the limit is generous: it is 5 ms on an idle machine"
