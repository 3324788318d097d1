"""The command line with the language packs: formats that scripts rely on, and one clear sentence for bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sprig_server.cli import main

SOURCE = '''\
def clamp_number(value, low, high):
    if value < low:
        return low
    return min(value, high)


class Mailbox:
    def deliver(self, message):
        """Put a message into the box."""
        self.messages.append(message)
'''

JAVA = "class Stack { /** Takes the top. */ int pop() { return items[--size]; } }\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "project"
    (folder / "sub folder").mkdir(parents=True)
    (folder / "sub folder" / "tools.py").write_text(SOURCE)
    (folder / "Stack.java").write_text(JAVA)
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_search_prints_json_with_every_field(capsys, project: Path):
    code, out, _ = run(
        capsys, "search", "keep", "a", "number", "in", "range", "--workspace", project, "--json", "-k", 1
    )
    assert code == 0
    found = json.loads(out)
    assert found["query"] == "keep a number in range"
    (hit,) = found["hits"]
    assert isinstance(hit.pop("score"), float)
    assert hit == {
        "path": "sub folder/tools.py",
        "start_line": 1,
        "end_line": 4,
        "name": "clamp_number",
        "kind": "function",
        "language": "python",
        "name_line": 1,
        "name_column": 4,
    }


def test_search_answers_a_file_of_queries_in_their_order(capsys, project: Path, tmp_path: Path):
    (tmp_path / "queries").write_text("pop the top item\nput a message away\n\n")
    code, out, _ = run(capsys, "search", "--queries", tmp_path / "queries", "--workspace", project, "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, [a["query"] for a in answers]) == (0, ["pop the top item", "put a message away"])
    assert [a["hits"][0]["name"] for a in answers] == ["Stack.pop", "Mailbox.deliver"]


@pytest.mark.parametrize("mode", ["--dense-only", "--lexical-only"])
def test_each_half_of_search_works_alone(capsys, project: Path, mode: str):
    _, out, _ = run(capsys, "search", "deliver message", "--workspace", project, "--json", mode)
    hits = json.loads(out)["hits"]
    assert hits[0]["name"] == "Mailbox.deliver"
    assert hits == sorted(hits, key=lambda hit: -hit["score"])


def test_search_keeps_to_a_language(capsys, project: Path):
    _, out, _ = run(capsys, "search", "message", "--workspace", project, "--json", "--language", "java")
    assert {hit["language"] for hit in json.loads(out)["hits"]} == {"java"}


def test_search_shows_an_excerpt_without_colours_in_a_pipe(capsys, project: Path):
    code, out, _ = run(capsys, "search", "clamp number", "--workspace", project, "-k", 1)
    assert code == 0
    assert "sub folder/tools.py:1-4" in out
    assert "     def clamp_number(value, low, high):" in out
    assert "\x1b[" not in out


def test_the_index_may_be_deleted(capsys, project: Path):
    from sprig_server.index.cache import index_path

    words = ("search", "deliver", "--workspace", project, "--json")
    before = run(capsys, *words)
    for leftover in index_path(project.resolve()).parent.glob(index_path(project.resolve()).name + "*"):
        leftover.unlink()
    assert run(capsys, *words) == before


def test_summarize_answers_json_lines_in_order(capsys, tmp_path: Path):
    records = [
        {"id": 7, "language": "python", "code": SOURCE.split("\n\n\n")[0]},
        {"id": "b", "language": "python", "code": "def open_file(path):\n    return open(path)"},
        {"id": "c", "language": "cpp", "code": "int f() { return 1; }"},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    code, out, _ = run(capsys, "summarize", "--jsonl", tmp_path / "in.jsonl")
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, [a["id"] for a in answers]) == (0, [7, "b", "c"])
    for answer in answers:
        assert set(answer) == {"id", "summary", "confidence", "milliseconds"}
        assert answer["summary"]
        assert answer["confidence"] <= 0 < answer["milliseconds"]


def test_summarize_reads_a_file(capsys, project: Path):
    file = project / "sub folder" / "tools.py"
    code, out, _ = run(capsys, "summarize", file)
    assert (code, len(out.splitlines())) == (0, 2)
    _, out, _ = run(capsys, "summarize", file, "--line", 10, "--json")
    one = json.loads(out)
    assert (one["name"], one["start_line"], one["end_line"]) == ("Mailbox.deliver", 8, 10)
    assert one["documentation"] == "Put a message into the box."


def test_embed_writes_unit_vectors_in_order(capsys, tmp_path: Path):
    lines = [
        {"id": 1, "language": "python", "code": "def add(a, b):\n    return a + b"},
        {"id": 2, "query": "open a socket"},
        {"id": 3, "query": "add two numbers"},
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert run(capsys, "embed", "--jsonl", tmp_path / "in.jsonl", "--output", tmp_path / "v.npy")[0] == 0
    vectors = np.load(tmp_path / "v.npy")
    assert (vectors.shape[0], vectors.dtype) == (3, np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[1]
    assert not list(tmp_path.glob("*.part"))


def test_models_and_doctor_tell_what_is_there(capsys):
    _, out, _ = run(capsys, "models", "--json")
    assert {model["task"] for model in json.loads(out)} == {"search", "summarize"}
    code, out, _ = run(capsys, "doctor")
    assert (code, "FAIL" in out) == (0, False)


def test_index_counts(capsys, project: Path):
    code, out, _ = run(capsys, "index", "--workspace", project)
    assert code == 0
    assert out.startswith("3 functions (5 definitions) in 2 files")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["search", " "], 'the query "" is empty'),
        (["search"], 'the query "" is empty'),
        (["search", "x", "--workspace", "nowhere"], 'the workspace "nowhere" is not a folder'),
        (["search", "x", "-k", "0"], "cannot give 0 hits"),
        (["search", "x", "--language", "cobol"], 'unknown language "cobol": use one of python'),
        (["search", "x", "--bundle", "nowhere"], '"nowhere" does not exist: give a folder that sprig export wrote'),
        (["search", "x", "--bundle", "."], '"." is not a bundle (it has no manifest.json)'),
        (["search", "--queries", "nowhere.txt"], 'cannot read "nowhere.txt"'),
        (["summarize"], "nothing to summarize"),
        (["summarize", "nowhere.py"], 'cannot read "nowhere.py"'),
        (["summarize", "letter.txt"], '"letter.txt" is not of a language that Sprig knows'),
        (["summarize", "odd.py", "--line", "99"], "no function covers line 99"),
        (["summarize", "--jsonl", "odd.py"], "is not a JSON object"),
        (["summarize", "--jsonl", "no-code.jsonl"], 'needs "id", "language" and "code"'),
        (["embed", "--jsonl", "no-code.jsonl", "--output", "v.npy"], 'needs "code" with "language", or "query"'),
        (["embed", "--jsonl", "cobol.jsonl", "--output", "v.npy"], 'unknown language "cobol"'),
        (["embed", "--jsonl", "query.jsonl", "--output", "no/such/v.npy"], 'cannot write "no/such/v.npy"'),
        (["export", "--task", "search", "--model", "x", "--language", "cobol", "--output", "o"], "unknown language"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_bad_input_gets_one_sentence(capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words, says):
    monkeypatch.chdir(tmp_path)
    Path("odd.py").write_text("def f(): pass\n")
    Path("no-code.jsonl").write_text('{"id": 1}\n')
    Path("cobol.jsonl").write_text('{"id": 1, "language": "cobol", "code": "x"}\n')
    Path("query.jsonl").write_text('{"id": 1, "query": "x"}\n')
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert says in err
    assert err.startswith("sprig: ")
    assert err.count("\n") == 1


def test_bad_usage_ends_with_2_as_well(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["search", "--threads", "none"])
    assert stopped.value.code == 2
    assert "invalid" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error(project: Path):
    command = f'"{sys.executable}" -m sprig_server models --json | head -c 1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_is_in_the_readme():
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    own = ("search", "summarize", "embed", "index", "models", "doctor", "serve")
    for command in (*own, "export", "evaluate", "corpus", "train"):
        assert f"sprig {command}" in readme


def test_the_exporter_says_what_it_misses(tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    words = ["export", "--task", "search", "--model", "x", "--language", "python", "--output", "o"]
    done = subprocess.run(
        [sys.executable, "-m", "sprig_server", *words],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert 'pip install "sprig-lsp[export]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_index_says_what_it_leaves_out(capsys, tmp_path: Path):
    (tmp_path / "own.py").write_text(SOURCE)
    (tmp_path / "made.ts").write_text("// @generated by a tool\nexport function made() { return 1; }\n")
    (tmp_path / "data.js").write_text("x" * 1_000_001)
    code, out, _ = run(capsys, "index", "--workspace", tmp_path)
    assert code == 0
    assert "left out: 1 generated or minified, 1 larger than 1 MB" in out


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 exist on Linux only")
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_names_that_are_not_utf_8_are_indexed_and_printed(tmp_path: Path, encoding: str):
    folder = tmp_path / os.fsdecode(b"d\xff")
    folder.mkdir()
    (folder / os.fsdecode(b"caf\xe9.py")).write_text("def latin_name():\n    return 2\n")
    (folder / "größe.py").write_text("def zeta_last():\n    return 3\n")

    def sprig(*words: str) -> str:
        command = [sys.executable, "-m", "sprig_server", *words, "--workspace", folder]
        env = {**os.environ, "PYTHONIOENCODING": encoding}
        done = subprocess.run(command, capture_output=True, env=env, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode(encoding)

    assert "2 functions" in sprig("index")
    assert "latin_name" in sprig("search", "latin", "name")
    hits = json.loads(sprig("search", "zeta last", "--json"))["hits"]
    assert {hit["name"]: hit["path"] for hit in hits if hit["kind"] == "function"} == {
        "zeta_last": "größe.py",
        "latin_name": "caf\ufffd.py",
    }


def test_lone_surrogates_in_questions_and_records_are_replaced(capsys, project: Path, tmp_path: Path):
    """A terminal hands over bytes that are not UTF-8 as such, and JSON can hold them."""
    code, out, _ = run(capsys, "search", "clamp number \udcff", "--workspace", project, "--json")
    assert code == 0
    assert json.loads(out)["hits"][0]["name"] == "clamp_number"
    record = {"id": 1, "language": "python", "code": "def f(a):\n    return '\ud800' + a\n"}
    (tmp_path / "in.jsonl").write_text(json.dumps(record) + "\n" + json.dumps({"query": "x \udc00"}))
    assert run(capsys, "embed", "--jsonl", tmp_path / "in.jsonl", "--output", tmp_path / "v.npy")[0] == 0
    (tmp_path / "one.jsonl").write_text(json.dumps(record))
    code, out, _ = run(capsys, "summarize", "--jsonl", tmp_path / "one.jsonl")
    assert (code, json.loads(out)["id"]) == (0, 1)


# Encodings of what comes in and of what goes out.

FOREIGN = '''\
def greet():
    """Say hello: 你好 → world."""
    return "你好"


def 你好(x):
    return x + 1
'''


def sprig(*words: object, encoding: str, folder: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The command as a process of its own, its output in some encoding."""
    return subprocess.run(
        [sys.executable, "-m", "sprig_server", *map(str, words)],
        env={**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C"},
        cwd=folder,
        input=stdin,
        capture_output=True,
        check=False,
    )


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    folder = tmp_path / "foreign"
    folder.mkdir()
    (folder / "a.py").write_text(FOREIGN, encoding="utf-8")
    (folder / "q.txt").write_bytes("\ufeffsay hello\r\n\r\n你好\r\n".encode())
    (folder / "j.jsonl").write_bytes('\ufeff{"id": "你", "language": "python", "code": "def f(): pass"}\r\n'.encode())
    return folder


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "latin-1"])
def test_output_is_right_in_any_encoding(foreign: Path, encoding: str):
    for words in (
        ["search", "hello"],
        ["summarize", "a.py"],
        ["index"],
        ["index", "--list"],
        ["trim", "a.py", "--line", 1],
    ):
        done = sprig(*words, encoding=encoding, folder=foreign)
        assert (done.returncode, done.stderr) == (0, b""), words
    done = sprig("search", "--queries", "q.txt", "--json", encoding=encoding, folder=foreign)
    answers = [json.loads(line) for line in done.stdout.decode(encoding).splitlines()]
    assert [answer["query"] for answer in answers] == ["say hello", "你好"]
    assert {hit["name"] for hit in answers[1]["hits"]} >= {"greet", "你好"}
    done = sprig("summarize", "--jsonl", "j.jsonl", encoding=encoding, folder=foreign)
    assert json.loads(done.stdout.decode(encoding))["id"] == "你"


def test_a_closed_output_is_no_error(foreign: Path):
    for command in ("search hello", "summarize a.py --json", "index --list"):
        done = subprocess.run(
            f'"{sys.executable}" -m sprig_server {command} >&-',
            shell=True,
            cwd=foreign,
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b""), command


@pytest.mark.parametrize(
    "data",
    [
        '{"id": 1, "language": "python", "code": "def f(): pass"}\n'.encode("utf-16"),
        b'\n\n{"id": 1, "language": "python", "code": "def f(\\ud800): pass\\u0000"}',
        b'{"id": "\\udc80", "language": "python", "code": "def f(): return \'\\ud83d\\ude00\'"}\r\n \r\n',
    ],
    ids=["utf-16", "half a character", "half a character as id"],
)
def test_records_are_read_as_they_are_written(tmp_path: Path, data: bytes):
    (tmp_path / "in.jsonl").write_bytes(data)
    for words, stdin in ((["summarize", "--jsonl", "in.jsonl"], b""), (["summarize", "--jsonl", "-"], data)):
        done = sprig(*words, encoding="utf-8", folder=tmp_path, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, b"")
        assert json.loads(done.stdout)["summary"]
    assert sprig("embed", "--jsonl", "in.jsonl", "--output", "v.npy", encoding="utf-8", folder=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"id": 1, "query": "x"}\n\xff\n', "line 2 of"),
        (b"\n[1]\n", "line 2 of"),
        (b"\0\0\n", "line 1 of"),
        (b"[" * 100_000, "line 1 of"),
        (b'{"id": ' + b"1" * 5000 + b"}", "line 1 of"),
        ('{"query": "x"}'.encode("utf-16-le"), "line 1 of"),
    ],
    ids=["not utf-8", "no object", "zeros", "deep", "long number", "utf-16 without a mark"],
)
def test_a_line_that_cannot_be_read_is_named(capsys, tmp_path: Path, data: bytes, says: str):
    (tmp_path / "in.jsonl").write_bytes(data)
    code, out, err = run(capsys, "embed", "--jsonl", tmp_path / "in.jsonl", "--output", tmp_path / "v.npy")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


def test_a_question_may_hold_half_a_character(capsys, project: Path):
    code, out, _ = run(capsys, "search", "deliver \udce9 \0", "--workspace", project, "--json")
    assert code == 0
    assert json.loads(out)["hits"][0]["name"] == "Mailbox.deliver"
