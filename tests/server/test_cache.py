"""The cache folder: for its user alone, listed, and kept within bounds without taking an index from its user."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sprig_server.cli import main
from sprig_server.errors import InvalidInput, SprigError
from sprig_server.index.cache import (
    choose_for_removal,
    index_path,
    limit_cache,
    list_indexes,
    parse_size,
    remove_index,
)
from sprig_server.index.entries import parse_file
from sprig_server.index.folder_index import FolderIndex
from sprig_server.index.store import FileState, Store, digest_of
from sprig_server.inference.models import Models

SOURCE = b"def feed_cat(cat):\n    cat.eat()\n"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPRIG_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make_index(root: Path, definitions: int = 1) -> Path:
    """The index of a new folder, closed again."""
    root.mkdir(parents=True, exist_ok=True)
    store = Store(index_path(root), root)
    data = b"\n".join(b"def f%d(): pass" % number for number in range(definitions))
    store.put_files([("a.py", FileState(digest_of(data), len(data), 1), parse_file("a.py", data))])
    store.close()
    return store.path


def modes(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder.parent)): stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.rglob("*"))}


def check_private(cache: Path) -> None:
    found = modes(cache)
    assert any(name.endswith("-wal") for name in found)
    wrong = {name: oct(mode) for name, mode in found.items() if mode & 0o077}
    assert wrong == {}


def test_an_index_is_readable_by_its_user_alone(cache: Path, tmp_path: Path):
    before = os.umask(0o000)
    try:
        store = Store(index_path(tmp_path), tmp_path)
    finally:
        os.umask(before)
    store.put_summary("c", "b", "Feeds.", -0.5)
    check_private(cache)
    store.close()


def test_an_index_that_others_could_read_is_narrowed(cache: Path, tmp_path: Path):
    holder = Store(index_path(tmp_path), tmp_path)
    holder.put_summary("c", "b", "Feeds.", -0.5)
    for path in (cache, *cache.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    store = Store(index_path(tmp_path), tmp_path)
    check_private(cache)
    assert store.summary("c", "b") == ("Feeds.", -0.5)
    store.close()
    holder.close()


def test_a_folder_that_holds_more_than_indexes_keeps_its_permissions(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("SPRIG_CACHE_DIR", str(tmp_path))
    (tmp_path / "letters").mkdir()
    tmp_path.chmod(0o755)
    make_index(tmp_path / "letters")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "indexes").stat().st_mode) == 0o700


def test_a_cache_folder_may_be_a_link(cache: Path, tmp_path: Path):
    (tmp_path / "disk").mkdir()
    cache.symlink_to(tmp_path / "disk")
    make_index(tmp_path / "project")
    assert [index.root for index in list_indexes()] == [tmp_path / "project"]


def test_a_link_in_the_place_of_an_index_is_not_followed(cache: Path, tmp_path: Path):
    path = index_path(tmp_path)
    path.parent.mkdir(parents=True)
    (tmp_path / "letter").write_text("Dear")
    path.symlink_to(tmp_path / "letter")
    Store(path, tmp_path).close()
    assert (tmp_path / "letter").read_text() == "Dear"
    assert not path.is_symlink()


def test_a_folder_name_that_is_not_utf_8_has_an_index(cache: Path, tmp_path: Path):
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    make_index(root)
    assert [(index.root, index.is_orphan) for index in list_indexes()] == [(root, False)]


def test_paths_that_are_not_utf_8_come_back(cache: Path, tmp_path: Path):
    store = Store(index_path(tmp_path), tmp_path)
    path = os.fsdecode(b"caf\xe9.py")
    store.put_files([(path, FileState("d", 1, 1), parse_file(path, SOURCE))])
    assert list(store.file_states()) == [path]
    assert [entry.path for entry in store.in_file(path)] == [path, path][: len(store.in_file(path))]
    assert store.named(["feed_cat", "\ud800"])[0].path == path
    store.delete_files([path])
    assert store.file_states() == {}
    store.close()


def test_indexes_are_listed_with_their_folders(cache: Path, tmp_path: Path, capsys):
    for name, age in (("old", 100), ("new", 0)):
        path = make_index(tmp_path / name, definitions=3)
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    (tmp_path / "old").rmdir()
    assert main(["index", "--list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(i["folder"], i["exists"], i["definitions"]) for i in found] == [
        (str(tmp_path / "new"), True, 3),
        (str(tmp_path / "old"), False, 3),
    ]
    assert all(i["bytes"] > 0 and i["last_used"] and Path(i["path"]).exists() for i in found)
    assert main(["index", "--list"]) == 0
    assert "2 indexes" in capsys.readouterr().out


def test_pruning_removes_what_nobody_can_use(cache: Path, tmp_path: Path, capsys):
    kept, gone = make_index(tmp_path / "kept"), make_index(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    damaged = kept.with_name("damaged-4.sqlite3")
    damaged.write_bytes(b"no database" * 1000)
    assert main(["index", "--prune"]) == 0
    assert sorted(kept.parent.iterdir()) == [kept]
    said = capsys.readouterr().out
    assert f"removed the index of {tmp_path / 'gone'}" in said
    assert "2 indexes removed, " in said
    assert not gone.exists()


def test_pruning_by_age_and_by_size_takes_the_least_recently_used(cache: Path, tmp_path: Path):
    for name, days in (("a", 40), ("b", 20), ("c", 0), ("future", -3)):
        path = make_index(tmp_path / name)
        os.utime(path, (path.stat().st_mtime - 86_400 * days,) * 2)
    indexes = list_indexes()
    size = sum(index.size for index in indexes)

    def check(expected: str, **limits: float) -> None:
        chosen = choose_for_removal(indexes, **limits)  # type: ignore[arg-type]
        assert [index.root.name for index in chosen if index.root] == expected.split()

    check("")
    check("a", older_than=30)
    check("b a", older_than=10)
    check("a", limit=size - 1)
    check("a b c future", limit=0)
    check("", limit=size)


def test_an_index_that_another_process_uses_stays(cache: Path, tmp_path: Path):
    path = make_index(tmp_path / "project")
    code = (
        "import sys; from pathlib import Path; from sprig_server.index.store import Store\n"
        "store = Store(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    user = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert user.stdout is not None
    assert user.stdout.readline() == "open\n"
    assert not remove_index(path)
    assert path.exists()
    user.kill()
    user.wait()
    assert remove_index(path)
    assert list(path.parent.iterdir()) == []


def test_the_cache_stays_within_its_limit(cache: Path, tmp_path: Path, monkeypatch):
    old, new = make_index(tmp_path / "old"), make_index(tmp_path / "new")
    os.utime(old, (1, 1))
    assert limit_cache() == []
    monkeypatch.setenv("SPRIG_CACHE_LIMIT", str(new.stat().st_size + 1))
    assert [index.root for index in limit_cache()] == [tmp_path / "old"]
    assert list(new.parent.iterdir()) == [new]
    monkeypatch.setenv("SPRIG_CACHE_LIMIT", "0")  # none
    assert limit_cache() == []


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("1000", 1000), ("1.5K", 1500), ("5 GB", 5 * 10**9), ("2m", 2e6)])
def test_sizes(text: str, size: int):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1", "5X", "1e3"])
def test_what_is_no_size_is_refused(text: str):
    with pytest.raises(InvalidInput, match="is not a size"):
        parse_size(text)


def test_a_search_answers_where_the_cache_cannot_be_written(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "blocked").write_text("in the way")
    monkeypatch.setenv("SPRIG_CACHE_DIR", str(tmp_path / "blocked"))
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.py").write_bytes(SOURCE)
    words = ["--workspace", str(project)]
    assert main(["search", "cat", "--lexical-only", "--json", *words]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["hits"][0]["name"] == "feed_cat"
    assert "cannot write the index" in err
    assert main(["index", *words]) == 2  # which has nothing else to do
    assert capsys.readouterr().err.count("\n") == 1


def test_a_full_disk_loses_nothing(cache: Path, tmp_path: Path):
    store = Store(index_path(tmp_path), tmp_path)
    store.put_files([("a.py", FileState("d", 1, 1), parse_file("a.py", SOURCE))])
    ((pages,),) = store._database.read("PRAGMA page_count")
    store._database.read(f"PRAGMA max_page_count = {pages}")
    large = b"\n".join(b"def f%d(): pass" % number for number in range(2000))
    with pytest.raises(SprigError, match="the disk is full"):
        store.put_files([("b.py", FileState("d", 1, 1), parse_file("b.py", large))])
    assert list(store.file_states()) == ["a.py"]
    assert len(store.named(["feed_cat"])) == 1
    store.close()


def test_a_search_goes_on_with_what_a_cache_holds_that_cannot_be_written(tmp_path: Path, monkeypatch):
    """The index is there, and the folder cannot be used: here since it belongs to nobody who may write it."""
    monkeypatch.setenv("SPRIG_CACHE_DIR", str(tmp_path / "cache"))
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.py").write_bytes(SOURCE)
    models = Models((), 1)
    first = FolderIndex(project, models)
    first.update(encode=False)
    first.close()
    monkeypatch.setattr("sprig_server.index.database._make_private_folder", refuse_once(tmp_path / "cache"))
    again = FolderIndex(project, models)
    assert again.unwritable is not None
    assert again.search("cat", 1, mode="lexical")[0].name == "feed_cat"  # without an update
    again.close()


def refuse_once(cache: Path):
    def refuse(folder: Path) -> None:
        if cache in folder.parents:
            raise PermissionError(30, "Read-only file system")

    return refuse


def test_both_connections_leave_a_damaged_file(cache: Path, tmp_path: Path):
    (tmp_path / "a.py").write_bytes(SOURCE)
    index = FolderIndex(tmp_path, Models((), 1))
    index.update(encode=False)
    path = index.store.path
    data = path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()
    for file in (path, path.with_name(path.name + "-wal")):
        file.write_bytes(bytes(len(data)))
    for _ in range(3):
        try:
            index.store.file_states()
        except SprigError:
            break
    for _ in range(3):
        try:
            index.update(encode=False)
            found = index.search("cat", 1, mode="lexical")
            break
        except SprigError:
            continue
    assert found[0].name == "feed_cat"
    assert index.store.is_of_one_file(index._reader)
    index.close()
