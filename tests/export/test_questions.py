"""Questions that people asked: two published collections become pairs, and nothing of the evaluation data stays."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from sprig_export.corpus.build import read_jsonl
from sprig_export.corpus.questions import collect
from sprig_server.errors import InvalidInput

TABLE = [
    ("1", "11", "How to reverse a list?", "items = [1, 2, 3]\\nitems[::-1]", "0"),
    ("2", "12", "sort a dictionary by value", "sorted(ages.items(), key=lambda item: item[1])", "0"),
    ("3", "13", "short", "x = compute(everything, twice)", ""),
    ("4", "14", "a question whose code says nothing", "x", "0"),
    ("5", "15", "read a file line by line", "with open(path) as stream:\\n    lines = list(stream)", "0"),
]
CONALA = [
    {"intent": "Reverse the items of a list", "snippet": "items = [1, 2, 3]\nitems[::-1]"},
    {"intent": "convert a string to bytes", "snippet": "data = text.encode('utf-8')"},
]


@pytest.fixture
def collections(tmp_path: Path) -> list[Path]:
    table, listed = tmp_path / "valid.txt", tmp_path / "train.json"
    table.write_text("".join("\t".join(row) + "\n" for row in TABLE))
    listed.write_text(json.dumps(CONALA))
    return [table, listed]


def test_questions_come_with_their_code_and_once(collections: list[Path], tmp_path: Path) -> None:
    evaluation = tmp_path / "valid.jsonl.gz"
    with gzip.open(evaluation, "wt") as stream:
        stream.write(json.dumps({"query": "Sort a dictionary by  value?", "code": "other()"}) + "\n")
    output = tmp_path / "questions.jsonl.gz"
    assert collect(collections, "python", output, [evaluation]) == 3
    records = list(read_jsonl(output))
    assert [record["query"] for record in records] == [
        "How to reverse a list?",
        "read a file line by line",
        "convert a string to bytes",
    ]
    assert records[0]["code"] == "items = [1, 2, 3]\nitems[::-1]"
    assert {record["language"] for record in records} == {"python"}


def test_code_of_the_evaluation_data_is_left_out_too(collections: list[Path], tmp_path: Path) -> None:
    evaluation = tmp_path / "valid.jsonl"
    evaluation.write_text(json.dumps({"query": "something else", "code": "data = text.encode('utf-8')"}) + "\n")
    assert collect(collections, "python", tmp_path / "questions.jsonl.gz", [evaluation]) == 3


@pytest.mark.parametrize(("name", "content"), [("a.txt", "one\ttwo\n"), ("a.json", "{"), ("a.json", '[{"x": 1}]')])
def test_files_of_another_kind_are_named(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidInput, match="neither a CODE-NN table"):
        collect([tmp_path / name], "python", tmp_path / "questions.jsonl.gz", [])
