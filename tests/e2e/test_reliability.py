"""The harness of `make fuzz` and `make soak`, for seconds: it finds nothing in Sprig, and does find faults."""

import json
from dataclasses import replace
from random import Random

import pytest
from reliability.connection import Broken, Connection
from reliability.damage import damage_pages
from reliability.editing import Editor, keep_working, make_repository
from reliability.files import fuzz_files, own_sources, problems_of, read_sources
from reliability.kills import kill_indexing
from reliability.memory import use_memory
from reliability.messages import Fuzzer, owed_id
from reliability.mutation import mutate
from reliability.project import Done, copy_files, difference, index_words, lost, read_contents, run
from reliability.results import Outcome, Watch, outcome_table
from reliability.sessions import fuzz_messages

WATCH = Watch(lambda done: None, deadline=float("inf"))


def test_fuzzed_messages_do_no_harm(tmp_path):
    outcome = fuzz_messages(300, 0, tmp_path, 1, WATCH)
    assert (outcome.tried, outcome.failures) == (300, [])


def test_fuzzed_files_are_read(tmp_path):
    outcome = fuzz_files(60, 0, own_sources(), tmp_path, 1, WATCH)
    assert (outcome.tried, outcome.failures) == (60, [])


def test_a_killed_run_loses_nothing(tmp_path):
    outcome = kill_indexing(1, 0, tmp_path, 1, WATCH)
    assert (outcome.tried, outcome.failures) == (1, [])


def test_damaged_pages_are_survived(tmp_path):
    outcome = damage_pages(2, 0, tmp_path, 1, WATCH)
    assert (outcome.tried, outcome.failures) == (2, [])


def test_requests_of_an_editor_are_answered(tmp_path):
    outcome = use_memory(40, 0, tmp_path, WATCH)
    assert outcome.tried == 40
    assert [kind for kind in outcome.kinds() if not kind.startswith("memory")] == []


def test_an_editor_works_and_is_timed(tmp_path):
    outcome, random = Outcome("editing"), Random(0)
    project = make_repository(tmp_path, random)
    with Connection({"SPRIG_CACHE_DIR": str(tmp_path / "cache")}, tmp_path) as server:
        server.initialize(project, index=False)
        editor = Editor(server, project, random, outcome)
        assert keep_working(editor, server, 3, lambda passed: None)
        assert server.leave() == 0
    assert editor.times
    assert [kind for kind in outcome.kinds() if "saved" not in kind] == []  # nothing is indexed here


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 3", "ended with code 3"),
        ("exec sleep 60", "no answer"),
        ("echo hello; exec sleep 60", "no message"),
        (r"printf 'Content-Length: 1\r\n\r\n{'; exec sleep 60", "no message"),
    ],
)
def test_a_server_that_misbehaves_is_noticed(tmp_path, script, problem):
    with Connection({}, tmp_path, ("sh", "-c", script)) as server, pytest.raises(Broken, match=problem):
        server.request("initialize", {}, seconds=1)


def test_a_traceback_is_noticed(tmp_path):
    script = 'echo "Traceback (most recent call last):" >&2; echo "  File x" >&2; echo "KeyError: 1" >&2'
    with Connection({}, tmp_path, ("sh", "-c", script)) as server:
        assert server.end() == 0
        assert server.complaints == ["traceback: KeyError: "]


def test_the_same_seed_makes_the_same_input():
    sources = read_sources(own_sources())
    assert mutate(Random("0 1"), sources) == mutate(Random("0 1"), sources)
    first, second = (Fuzzer(Random("0 1"), "file:///p") for _ in range(2))
    assert [first.next() for _ in range(200)] == [second.next() for _ in range(200)]


@pytest.mark.parametrize(
    ("message", "owed"),
    [
        ({"jsonrpc": "2.0", "id": 1, "method": "x"}, 1),
        ({"jsonrpc": "2.0", "id": "a", "method": "x"}, "a"),
        ({"jsonrpc": "2.0", "method": "x"}, None),
        ({"jsonrpc": "2.0", "id": True, "method": "x"}, None),
        ({"jsonrpc": "2.0", "id": 2**40, "method": "x"}, None),
        ({"jsonrpc": "2.0", "id": 1, "result": None}, None),
        ({"jsonrpc": "2.0", "id": 1, "method": "x", "params": float("nan")}, None),
        ([], None),
    ],
)
def test_which_messages_are_owed_an_answer(message, owed):
    assert owed_id(json.dumps(message).encode()) == owed


def test_a_wrong_reading_is_noticed(monkeypatch):
    assert list(problems_of("a.py", b"def f():\n    return 1\n")) == []
    monkeypatch.setattr("reliability.files.parse_functions", lambda *_: 1 / 0)
    assert any("ZeroDivisionError" in problem for problem in problems_of("a.py", b"def f(): pass"))


def test_a_lost_definition_is_noticed(tmp_path):
    project = copy_files(tmp_path / "project", slice(None, 2))
    assert run(index_words(project), tmp_path / "cache").complaint() is None
    whole = read_contents(tmp_path / "cache")
    assert difference(whole, whole) is None
    fewer = replace(whole, definitions=frozenset(list(whole.definitions)[1:]))
    assert difference(fewer, whole) == "other definitions than undisturbed"
    assert lost(fewer, whole) == "definitions are lost"
    assert lost(replace(whole, vectors={}), whole) == "vectors are lost"


def test_how_a_command_may_end():
    assert Done(0, "", "").complaint() is None
    assert Done(2, "", "sprig: the disk is full\n").complaint((0, 2)) is None
    assert Done(2, "", "sprig: the disk is full\n").complaint() == "exit code 2: sprig: the disk is full"
    assert "traceback" in (Done(1, "", "Traceback (most recent call last):\nKeyError\n").complaint((0, 1)) or "")


def test_the_table_shows_what_failed():
    outcome = Outcome("kills", tried=3)
    outcome.fail("files are lost", "kill 2")
    table = outcome_table([outcome])
    assert "| kills | 3 | **1** |" in table
    assert "files are lost" in table
