"""The index on disk: what goes in comes out, and damage costs time, never correctness."""

import random
import sqlite3
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from sprig_server.errors import SprigError
from sprig_server.index.build import Builder
from sprig_server.index.cache import index_path
from sprig_server.index.database import SCHEMA
from sprig_server.index.entries import parse_file
from sprig_server.index.lexical import match_expression, search_lexical
from sprig_server.index.store import FileState, Statistics, Store, digest_of
from sprig_server.index.vectors import VectorTable

SHAPES = b'''\
class Circle:
    """A round thing."""

    def area(self):
        return 3 * self.r

def clamp(x):
    return x
'''
MAIL = b"def send_mail(text):\n    connect().deliver(text)\n\ndef clamp(x):\n    return x\n"


def item(path, data):
    return path, FileState(digest_of(data), len(data), 1), parse_file(path, data)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "index.sqlite3"


@pytest.fixture
def store(path):
    store = Store(path)
    yield store
    store.close()


def content(store):
    """Everything that a search can see, without ids."""
    return {
        "states": store.file_states(),
        "entries": [[replace(e, id=0) for e in store.in_file(path)] for path in sorted(store.file_states())],
        "hits": [store.entries([i])[i].qualified_name for i, _ in search_lexical(store, "area mail clamp", 10)],
        "statistics": store.statistics(),
    }


def test_a_file_that_is_put_is_found(store):
    store.put_files([item("a/shapes.py", SHAPES)])
    entries = store.in_file("a/shapes.py")
    assert [(e.qualified_name, e.kind, e.start_line, e.end_line, e.documented) for e in entries] == [
        ("Circle", "class", 1, 5, True),
        ("Circle.area", "method", 4, 5, False),
        ("clamp", "function", 7, 8, False),
    ]
    assert store.file_states() == {"a/shapes.py": FileState(digest_of(SHAPES), len(SHAPES), 1)}
    assert store.languages() == ["python"]
    assert store.statistics() == Statistics(files=1, definitions=3, functions=2, encoded=0)
    assert store.entries([e.id for e in entries]) == {e.id: e for e in entries}


def test_names_are_looked_up_whatever_their_case(store):
    store.put_files([item("shapes.py", SHAPES), item("mail.py", MAIL)])
    assert sorted((e.path, e.name) for e in store.named(["CLAMP", "area"])) == [
        ("mail.py", "clamp"),
        ("shapes.py", "area"),
        ("shapes.py", "clamp"),
    ]
    assert store.named([]) == store.named(["missing"]) == []


def test_putting_a_file_again_replaces_it(store):
    store.put_files([item("a.py", SHAPES)])
    store.put_files([item("a.py", MAIL)])
    assert [e.name for e in store.in_file("a.py")] == ["send_mail", "clamp"]
    assert search_lexical(store, "area", 10) == []
    assert len(search_lexical(store, "mail", 10)) == 1


def test_putting_the_same_twice_changes_nothing(store):
    store.put_files([item("a.py", SHAPES), item("b.py", MAIL)])
    before = content(store)
    store.put_files([item("a.py", SHAPES), item("b.py", MAIL)])
    assert content(store) == before


def test_a_deleted_file_is_gone_and_others_stay(store):
    store.put_files([item("a.py", SHAPES), item("b.py", MAIL)])
    store.delete_files(["a.py", "never-there.py"])
    assert set(store.file_states()) == {"b.py"}
    assert store.in_file("a.py") == []
    assert {store.entries([i])[i].path for i, _ in search_lexical(store, "clamp area", 10)} == {"b.py"}


def test_touching_a_file_changes_its_state_only(store):
    store.put_files([item("a.py", SHAPES)])
    entries = store.in_file("a.py")
    store.touch_files([("a.py", FileState(digest_of(SHAPES), 77, 88))])
    assert store.file_states() == {"a.py": FileState(digest_of(SHAPES), 77, 88)}
    assert store.in_file("a.py") == entries


def test_an_error_half_way_leaves_the_index_as_it_was(store):
    store.put_files([item("a.py", SHAPES)])
    before = content(store)

    def files():
        yield item("a.py", MAIL)
        yield item("b.py", MAIL)
        raise OSError("disk on fire")

    with pytest.raises(OSError, match="disk on fire"):
        store.put_files(files())
    assert content(store) == before
    store.put_files([item("b.py", MAIL)])  # and it still works
    assert set(store.file_states()) == {"a.py", "b.py"}


# Contents are addressed by their digest.


def test_equal_code_is_kept_and_encoded_once(store):
    store.put_files([item("a.py", SHAPES), item("b.py", MAIL)])
    clamps = {e.content for e in store.named(["clamp"])}
    assert len(clamps) == 1
    missing = [content for content, _ in store.missing_vectors("bundle", "python")]
    assert len(missing) == len(set(missing)) == 4
    assert [passage.text.split("\n")[0] for passage in store.passages(list(clamps), "python")] == ["clamp"]


def test_a_digest_depends_on_every_byte():
    assert digest_of(b"a") == digest_of(b"a")
    assert len({digest_of(data) for data in (b"", b"a", b"b", b"aa", b"a\0")}) == 5
    assert len(digest_of(b"")) == 32


def test_texts_come_back_in_the_order_of_their_digests(store):
    store.put_files([item("a.py", SHAPES), item("b.py", MAIL)])
    contents = [e.content for path in ("a.py", "b.py") for e in store.in_file(path)]
    found = store.passages(contents, "python")
    assert [digest_of(passage.text.encode()) for passage in found] == contents
    assert [passage.text for passage in store.passages(contents[::-1], "python")] == [p.text for p in found[::-1]]
    assert all(passage.code.startswith(("def", "class")) and passage.language == "python" for passage in found)
    assert store.passages([], "python") == []


def test_vectors_come_back_as_they_went_in(store):
    store.put_files([item("a.py", SHAPES), item("b.py", MAIL)])
    contents = [content for content, _ in store.missing_vectors("bundle", "python")]
    vectors = np.random.default_rng(0).normal(size=(len(contents), 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store.put_vectors("bundle", contents, vectors)
    changes = store.vectors("bundle", ["python"])
    ids, found = changes.ids, changes.vectors
    assert found.dtype == np.float32
    by_content = dict(zip(contents, vectors, strict=True))
    expected = np.stack([by_content[store.entries([i])[i].content] for i in ids.tolist()])
    np.testing.assert_allclose(found, expected, atol=5e-4)  # half precision
    assert len(ids) == 5  # both copies of equal code have it
    assert store.missing_vectors("bundle", "python") == []
    assert store.statistics().encoded == 5


def test_vectors_belong_to_one_bundle_and_one_language(store):
    store.put_files([item("a.py", SHAPES), item("A.java", b"class A { int f() { return 1; } }")])
    (clamp,) = store.named(["clamp"])
    store.put_vectors("one", [clamp.content], np.ones((1, 4), np.float32))
    assert clamp.content not in dict(store.missing_vectors("one", "python"))
    assert clamp.content in dict(store.missing_vectors("two", "python"))
    assert {path for _, path in store.missing_vectors("one", "java")} == {"A.java"}
    assert store.vectors("one", ["python"]).ids.tolist() == [clamp.id]
    assert len(store.vectors("one", ["java"]).ids) == len(store.vectors("two", ["python", "java"]).ids) == 0


def test_a_file_that_moves_keeps_its_vectors_until_the_index_is_pruned(store):
    store.put_files([item("old.py", MAIL)])
    contents = [content for content, _ in store.missing_vectors("bundle", "python")]
    store.put_vectors("bundle", contents, np.ones((len(contents), 4), np.float32))
    store.delete_files(["old.py"])
    assert len(store.vectors("bundle", ["python"]).ids) == 0
    store.put_files([item("new.py", MAIL)])
    assert store.missing_vectors("bundle", "python") == []
    store.delete_files(["new.py"])
    store.prune()
    store.put_files([item("new.py", MAIL)])
    assert len(store.missing_vectors("bundle", "python")) == len(contents)


def test_summaries_are_kept_by_content_and_bundle(store):
    assert store.summary("c", "b") is None
    store.put_summary("c", "b", "Sends a mail. 𝄞", -0.25)
    store.put_summary("c", "other", "Deletes.", -1.0)
    assert store.summary("c", "b") == ("Sends a mail. 𝄞", -0.25)
    assert store.summary("other", "b") is None
    store.put_summary("c", "b", "Sends.", -0.5)
    assert store.summary("c", "b") == ("Sends.", -0.5)


# Full text.


@pytest.mark.parametrize(
    "query",
    ['"', "zebra OR", "NEAR(", "*", "clamp*", "name:clamp", "-clamp", "'; DROP TABLE files; --", "𝄞", "\0"],
)
def test_a_query_is_words_and_never_syntax(store, query):
    store.put_files([item("a.py", SHAPES)])
    found = [store.entries([i])[i].name for i, _ in search_lexical(store, query, 10)]
    assert ("clamp" in found) == ("clamp" in query)
    assert store.statistics().files == 1


def test_stop_words_count_only_where_there_are_no_others():
    assert match_expression("how to parse a URL") == '"parse" OR "url"'
    assert match_expression("how to") == '"how" OR "to"'
    assert match_expression("?!") == ""


def test_a_word_in_a_name_counts_more_than_one_in_a_body(store):
    store.put_files([item("a.py", b"def mail(x):\n    return x\n\ndef other(x):\n    return mail(x)\n")])
    assert [store.entries([i])[i].name for i, _ in search_lexical(store, "mail", 10)] == ["mail", "other"]


def test_code_in_any_script_can_be_kept(store):
    data = "def größe(maß):\n    return '𝄞'\n\ndef 読む():\n    return 1\n".encode() + b"s = '\0'\n"
    store.put_files([item("a.py", data)])
    assert [e.name for e in store.in_file("a.py")][:2] == ["größe", "読む"]
    assert len(search_lexical(store, "größe", 10)) == 1


UNSPACED = """\
def f1(p):
    "读取配置文件并返回设置。"
def f2(x):
    "将图像旋转指定角度。"
def f3(k):
    "ユーザーのパスワードを暗号化する。"
def f4(k):
    "설정 파일을 읽는다"
def f5(k):
    "เปิดไฟล์และอ่านข้อมูล"
def f6(k):
    "ເປີດເອກະສານ"
def f7(s):
    "Удаляет лишние пробелы из строки."
def f8(a):
    "Öffnet die Datei für den Benutzer."
def f9(地図):
    return 地図.読み込む()
def f10(p):
    "Ｈｅｌｌｏ ﾃﾞｰﾀ"
"""


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("配置文件", "f1"),
        ("旋转 图像", "f2"),
        ("像", "f2"),
        ("パスワード 暗号化", "f3"),
        ("파일", "f4"),
        ("ไฟล์", "f5"),
        ("ເອກະສານ", "f6"),
        ("пробелы", "f7"),
        ("öffnet", "f8"),
        ("読む", "f9"),
        ("図", "f9"),
        ("hello", "f10"),
        ("データ", "f10"),
    ],
)
def test_words_are_found_inside_text_without_spaces(store, query, name):
    store.put_files([item("a.py", UNSPACED.encode())])
    found = [store.entries([i])[i].name for i, _ in search_lexical(store, query, 10)]
    assert found[0] == name
    assert set(found) <= {name, "a"}  # and the module


# Several at once.


def test_two_stores_on_one_file_see_each_other(store, path):
    other = Store(path)
    try:
        before = other.position()
        store.put_files([item("a.py", SHAPES)])
        assert other.position() != before
        assert content(other) == content(store)
        other.delete_files(["a.py"])
        assert store.file_states() == {}
    finally:
        other.close()


def test_the_position_changes_with_definitions_and_vectors_and_only_then(store):
    positions = [store.position()]
    for change in (
        lambda: store.put_files([item("a.py", SHAPES)]),
        lambda: store.put_vectors("b", ["c"], np.ones((1, 2), np.float32)),
        lambda: store.delete_files(["a.py"]),
    ):
        change()
        positions.append(store.position())
    assert len(set(positions)) == 4
    store.put_summary("c", "b", "Sends.", -0.5)
    store.touch_files([("a.py", FileState("", 1, 2))])
    store.prune()
    store.statistics()
    assert store.position() == positions[-1]


def test_many_writers_at_once_lose_nothing(path):
    stores = [Store(path) for _ in range(3)]
    errors = []

    def write(number, store):
        try:
            for turn in range(15):
                store.put_files([item(f"{number}/{turn}.py", MAIL)])
                search_lexical(store, "mail", 5)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=pair) for pair in enumerate([*stores, stores[0]])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert stores[1].statistics().files == 60
    for store in stores:
        store.close()


# What searches cost.


def test_names_are_looked_up_by_an_index(store):
    plan = store._database.read("EXPLAIN QUERY PLAN SELECT id FROM definitions WHERE name COLLATE NOCASE IN ('a', 'b')")
    assert "USING COVERING INDEX definitions_by_name" in plan[0][3]


def test_a_table_of_vectors_takes_over_what_has_changed_and_no_more(store):
    """The same answers as one that reads everything, whatever happens in between."""
    chance = np.random.default_rng(0)
    table = VectorTable(store, "b", ("python",))
    query = np.ones((1, 4), np.float32)
    reads = []
    whole = store.vectors
    store.vectors = lambda *words: reads.append(whole(*words)) or reads[-1]
    for turn in range(40):
        path = f"{chance.integers(6)}.py"
        if chance.random() < 0.3:
            store.delete_files([path])
        else:
            code = "\n".join(f"def f{chance.integers(30)}(): pass" for _ in range(chance.integers(1, 5)))
            store.put_files([item(path, code.encode())])
        if chance.random() < 0.7:
            contents = [c for c, _ in store.missing_vectors("b", "python")][: chance.integers(1, 9)]
            store.put_vectors("b", contents, chance.normal(size=(len(contents), 4)).astype(np.float32))
        if chance.random() < 0.2:
            store.prune()
        assert sorted(table.search(query, 100)) == sorted(VectorTable(store, "b", ("python",)).search(query, 100)), turn
    known = len(reads)
    store.put_summary("c", "b", "Sends.", -0.5)
    table.search(query, 5)
    assert len(reads) == known  # a summary is nothing to read vectors for
    store.put_files([item("new.py", b"def brand_new(): pass")])
    store.put_vectors("b", [store.named(["brand_new"])[0].content], np.ones((1, 4), np.float32))
    table.search(query, 5)
    assert len(reads[-1].ids) == 1
    assert not reads[-1].whole


def test_a_write_does_not_read_all_vectors_again(store):
    """A search after a small change takes a fraction of what the first one takes (10,000 definitions)."""
    data = "\n".join(f"def f{number}(): pass" for number in range(10_000)).encode()
    store.put_files([item("a.py", data)])
    contents = [content for content, _ in store.missing_vectors("b", "python")]
    store.put_vectors("b", contents, np.random.default_rng(0).normal(size=(len(contents), 192)).astype(np.float32))
    table, query = VectorTable(store, "b", ("python",)), np.ones((1, 192), np.float32)

    def seconds():
        start = time.perf_counter()
        table.search(query, 10)
        return time.perf_counter() - start

    first = seconds()
    later = []
    for turn in range(5):
        store.put_files([item("b.py", f"def other{turn}(): pass".encode())])
        later.append(seconds())
    assert min(later) < first / 3


# Damage.


def fill(path):
    store = Store(path)
    store.put_files([item("a.py", SHAPES), item("b.py", MAIL)])
    found = content(store)
    store.close()
    return found


def check_that_it_is_rebuilt(path, found):
    store = Store(path)
    try:
        assert store.file_states() == {}
        store.put_files([item("a.py", SHAPES), item("b.py", MAIL)])
        assert content(store) == found
    finally:
        store.close()
    assert content_of(path) == found


def content_of(path):
    store = Store(path)
    try:
        return content(store)
    finally:
        store.close()


def test_an_index_survives_closing(path):
    found = fill(path)
    assert content_of(path) == found


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(random.Random(0).randbytes(10_000)),
        lambda path: path.write_bytes(b"\0" * 5000),
        lambda path: path.write_bytes(b"SQLite format 3\0" + random.Random(1).randbytes(5000)),
        lambda path: path.write_text("Not a database.\n" * 100),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes().replace(b"CREATE TABLE files", b"CREATE TABLE \xff\xfe\x80es")),
    ],
    ids=["deleted", "random", "zeros", "random after a good header", "text", "empty", "tables with broken names"],
)
def test_a_damaged_file_is_built_anew(path, damage):
    found = fill(path)
    damage(path)
    check_that_it_is_rebuilt(path, found)


@pytest.mark.parametrize("version", [SCHEMA + 1, 99, -1])
def test_another_schema_is_built_anew(path, version):
    found = fill(path)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("ALTER TABLE files RENAME TO old_files")
    connection.close()
    check_that_it_is_rebuilt(path, found)


def test_a_file_without_the_tables_is_built_anew(path):
    found = fill(path)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE files")
    connection.close()
    check_that_it_is_rebuilt(path, found)


PAGE = 4096


@pytest.mark.parametrize("page", range(14))
@pytest.mark.parametrize("damage", ["overwritten", "cut"])
def test_an_index_with_a_damaged_page_comes_back(path, tmp_path, page, damage):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "a.py").write_bytes(SHAPES)
    (workspace / "b.py").write_bytes(MAIL)
    fill(path)
    whole = brought_up_to_date(path, workspace)
    assert path.stat().st_size >= 14 * PAGE
    with path.open("r+b") as stream:
        if damage == "cut":
            stream.truncate(page * PAGE + 1000)
        else:
            stream.seek(page * PAGE)
            stream.write(random.Random(page).randbytes(PAGE))
    assert brought_up_to_date(path, workspace) == whole


def brought_up_to_date(path, workspace):
    """What a search sees after an update; the index may say that it must start anew, and then does."""
    for _ in range(3):
        store = Store(path)
        try:
            Builder(store, workspace).update({})
            store.vectors("bundle", ["python"])
            return content(store)
        except SprigError:
            continue
        finally:
            store.close()
    raise AssertionError("the index does not come back")


def test_a_folder_that_cannot_be_written_is_one_clear_sentence(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(SprigError, match=r'cannot write the index ".*".*SPRIG_CACHE_DIR'):
        Store(blocked / "index.sqlite3")


def test_each_workspace_has_its_own_file_under_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SPRIG_CACHE_DIR", str(tmp_path / "cache"))
    one, two = index_path(tmp_path / "one" / "project"), index_path(tmp_path / "two" / "project")
    assert one != two
    assert {one.parent, two.parent} == {tmp_path / "cache" / "indexes"}
    assert one == index_path(tmp_path / "one" / "project")
    assert len(index_path(tmp_path / ("long" * 50)).name) < 100


@pytest.mark.parametrize(
    ("path", "text", "names"),
    [
        ("ui/Button.tsx", "export default (props) => <b/>;\n", ["Button"]),
        ("ui/Panel.ts", "export default class { draw() {} }\n", ["Panel.draw", "Panel"]),
        ("lib/parse.js", "module.exports = function () {};\n", ["parse"]),
        (
            "lib/json.py",
            "class Encoder:\n    def default(self): pass\ndef default(): pass\n",
            ["Encoder.default", "default"],
        ),
    ],
)
def test_what_a_module_exports_without_a_name_is_known_by_the_file(path, text, names):
    found = [entry.qualified_name for entry, _ in parse_file(path, text.encode()) if entry.kind != "module"]
    assert [name for name in names if name not in found] == []
    assert not {"exports", "default.draw"} & set(found)


def test_an_entry_knows_where_its_name_is(store):
    text = b"@cache\n@other\ndef f():\n    return 1\n\nclass A: 'x'; s = '\xf0\x9d\x84\x9e'; g = lambda: 1\n"
    path, state, entries = "a.py", FileState("d", 1, 1), parse_file("a.py", text)
    store.put_files([(path, state, entries)])
    places = {e.name: (e.start_line, e.name_line, e.name_column) for e in store.in_file("a.py") if e.kind != "module"}
    assert places == {"f": (1, 3, 4), "A": (6, 6, 6), "g": (6, 6, 24)}


@pytest.mark.parametrize("implementation", ["", "def f(x):\n    return x\n"])
def test_stubs_of_overloads_are_entries_only_without_their_implementation(implementation):
    text = "@overload\ndef f(x: int): ...\n@typing.overload\ndef f(x: str): ...\n" + implementation
    lines = [entry.start_line for entry, _ in parse_file("a.py", text.encode()) if entry.name == "f"]
    assert lines == ([5] if implementation else [1, 3])
