"""The index of a folder, built with the real encoder: what is found, what is kept, what is done again."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sprig_server.code.parsed_source import ParsedSource, parse_source
from sprig_server.errors import Cancelled, InvalidInput
from sprig_server.index.build import Control, never
from sprig_server.index.folder_index import FolderIndex
from sprig_server.inference.models import Models


@pytest.fixture(scope="module")
def models() -> Models:
    return Models((), threads=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pets.py").write_text("def feed_cat(cat):\n    cat.eat()\n\n\ndef walk_dog(dog):\n    dog.run()\n")
    (tmp_path / "cars.py").write_text("class Car:\n    def start_engine(self):\n        self.engine.ignite()\n")
    return tmp_path


@pytest.fixture
def index(folder: Path, models: Models) -> Iterator[FolderIndex]:
    made = FolderIndex(folder, models)
    yield made
    made.close()


def encoded(index: FolderIndex) -> list[int]:
    """Update; how many texts had to be encoded."""
    totals: list[int] = []

    def report(stage: str, done: int, total: int) -> None:
        if stage == "encoding" and done == total:
            totals.append(total)

    index.update(control=Control(report))
    return totals


def test_only_what_changed_is_done_again(index: FolderIndex, folder: Path):
    assert encoded(index) == [4]
    assert encoded(index) == [0]
    with (folder / "pets.py").open("a") as stream:
        stream.write("\n\ndef groom_horse(horse):\n    horse.brush()\n")
    assert encoded(index) == [1]
    os.utime(folder / "cars.py", (1, 1))
    assert encoded(index) == [0]


def test_a_moved_file_keeps_its_vectors(index: FolderIndex, folder: Path):
    index.update()
    (folder / "pets.py").rename(folder / "animals.py")
    assert encoded(index) == [0]
    assert index.search("feed the cat", 1)[0].path == "animals.py"


def test_a_deleted_file_is_forgotten(index: FolderIndex, folder: Path):
    index.update()
    (folder / "pets.py").unlink()
    index.update()
    assert {hit.path for hit in index.search("feed the cat", 10)} == {"cars.py"}
    assert index.statistics().files == 1


def test_an_open_document_stands_for_its_file(index: FolderIndex, folder: Path):
    index.update(buffers={"pets.py": "def buy_parrot(shop):\n    return shop.parrot\n"})
    assert index.search("buy a parrot", 1)[0].name == "buy_parrot"
    index.read_file("pets.py", None)
    assert index.search("feed the cat", 1)[0].name == "feed_cat"
    assert all(hit.name != "buy_parrot" for hit in index.search("buy a parrot", 10))


def test_names_are_found_before_there_is_a_vector(index: FolderIndex):
    index.update(encode=False)
    assert index.statistics().encoded == 0
    assert index.search("start engine", 1)[0].name == "Car.start_engine"


def test_stopping_keeps_what_was_done(index: FolderIndex):
    with pytest.raises(Cancelled):
        index.update(control=Control(stop=lambda: index.store.statistics().files > 0))
    assert index.statistics().files == 2
    assert encoded(index) == [4]


def test_only_the_active_bundle_of_a_language_is_asked(folder: Path, models: Models):
    with_other = Models([], threads=2)
    searching = [bundle for bundle in with_other.bundles if bundle.manifest.task == "search"]
    other = next(bundle for bundle in searching if "python" not in bundle.manifest.languages)
    serves_python = replace(other, manifest=replace(other.manifest, languages=("python",)))
    with_other.bundles = (serves_python, *with_other.bundles)
    first = FolderIndex(folder, with_other)
    first.update()
    assert first.search("feed the cat", 5, mode="dense")
    first.close()
    again = FolderIndex(folder, models)
    again.update(encode=False)
    assert again.search("feed the cat", 5, mode="dense") == []  # the vectors of another bundle are not compared
    again.update()
    names = [hit.name for hit in again.search("feed the cat", 50, mode="dense")]
    assert len(names) == len(set(names)) == 4
    assert again.store.vectors(other.manifest.digest, ["python"]).ids.tolist() == []  # and go
    again.close()


def test_two_windows_share_an_index(folder: Path, models: Models):
    first, second = FolderIndex(folder, models), FolderIndex(folder, models)
    failures: list[Exception] = []

    def update(index: FolderIndex) -> None:
        try:
            for _ in range(3):
                index.update()
                index.search("engine", 3)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=update, args=(w,)) for w in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert encoded(second) == [0]
    assert first.search("walk the dog", 1) == second.search("walk the dog", 1)
    first.close()
    second.close()


def test_an_unreadable_file_is_named_and_left_out(index: FolderIndex, folder: Path):
    (folder / "gone.py").symlink_to(folder / "nowhere.py")
    (folder / "odd.py").write_bytes(b"\xff\xfe\x00\xd8def \xe9(x):\n")
    assert index.update().unreadable == ()
    assert index.statistics().files == 3


def test_a_question_needs_words(index: FolderIndex):
    with pytest.raises(InvalidInput, match="is empty"):
        index.search("  ", 5)
    index.update()
    assert index.search("?!", 2, mode="lexical") == []
    assert len(index.search("'\" OR * NEAR(", 2)) == 2


def test_a_damaged_index_is_built_anew(folder: Path, models: Models):
    first = FolderIndex(folder, models)
    first.update()
    path = first.store.path
    first.close()
    data = bytearray(path.read_bytes())
    for page in range(1, len(data) // 4096):  # the first page stays, so that it still opens
        data[page * 4096 : page * 4096 + 4000] = bytes(range(200)) * 20
    path.write_bytes(data)
    again = FolderIndex(folder, models)
    again.update()
    assert again.search("feed the cat", 1)[0].name == "feed_cat"
    again.close()


def test_generated_and_large_files_are_counted_and_left_out(index: FolderIndex, folder: Path):
    (folder / "api_pb2.py").write_text("# Generated by the protocol buffer compiler.  DO NOT EDIT!\ndef made(): pass\n")
    (folder / "large.py").write_text("#" * 1_000_001)
    for _ in range(2):  # the second time nothing is read again
        left_out = index.update()
        assert (left_out.generated, left_out.too_large, left_out.unreadable) == (1, 1, ())
        assert index.statistics().files == 2
    index.read_file("api_pb2.py", "def written():\n    return 1\n")
    assert index.find_named("written")
    index.read_file("api_pb2.py", None)
    assert not index.find_named("written")
    assert index.update().generated == 1


def test_a_document_that_was_never_saved_is_found_until_it_is_closed(index: FolderIndex):
    index.update(buffers={"draft.py": "def invent_wheel():\n    return 1\n", "node_modules/d.js": "function d() {}"})
    assert index.find_named("invent_wheel")
    assert not index.find_named("d")
    index.read_file("draft.py", None)
    assert not index.find_named("invent_wheel")


def test_one_bad_file_never_stops_the_others(index: FolderIndex, folder: Path):
    (folder / "a_pipe.py").symlink_to("/dev/zero")
    os.mkfifo(folder / "b_pipe.py")
    (folder / "c_bytes.py").write_bytes(bytes(range(256)) * 20)
    (folder / "d_nul.py").write_bytes(b"def after_nul():\n    return '\0'\n")

    def fails(text: str, language: str, module: str) -> ParsedSource:
        if module == "cars":
            raise RuntimeError("a fault of the parser")
        return parse_source(text, language, module)

    index.parse = fails
    assert index.update().unreadable == ("cars.py",)
    assert index.find_named("feed_cat")
    assert index.find_named("after_nul")


def test_reading_pauses_after_a_commit_and_goes_on_where_it_paused(index: FolderIndex, folder: Path):
    for number in range(150):
        (folder / f"many_{number:03}.py").write_text(f"def many_{number}():\n    return {number}\n")
    left = index.find_files({}, never).paths
    lengths = []
    while left:
        left = index.read_files(left, {}, Control(pause=lambda: True)).left
        lengths.append(len(left))
    assert lengths == [88, 24, 0]
    assert index.statistics().files == 152


def test_encoding_pauses_and_begins_with_the_files_that_come_first(index: FolderIndex, folder: Path):
    for number in range(150):
        (folder / f"many_{number:03}.py").write_text(f"def many_{number}():\n    return {number}\n")
    index.update(encode=False)
    last = index.store.in_file("many_149.py")
    left = index.encode(["many_149.py"], Control(pause=lambda: True))
    assert left == index.statistics().definitions - 64
    missing = {content for content, _ in index.store.missing_vectors(search_digest(index), "python")}
    assert not missing & {entry.content for entry in last}
    assert index.encode(["many_148.py"], others=False) == 0
    assert index.statistics().encoded == 64 + len(index.store.in_file("many_148.py"))
    assert index.encode() == 0
    assert index.statistics().encoded == index.statistics().definitions


def search_digest(index: FolderIndex) -> str:
    bundle = index.models.search_bundle("python")
    assert bundle is not None
    return bundle.manifest.digest
