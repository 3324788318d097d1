"""The corpus: first sentences, the pair filter, duplicates, and what may never be trained on."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pyarrow.parquet
import pytest

from sprig_export.corpus.build import build, split_of
from sprig_export.corpus.deduplicate import Seen, code_keys, excluded, never_train
from sprig_export.corpus.packages import read_sources, unpack
from sprig_export.corpus.pairs import accept_summary, first_sentence, make_pair
from sprig_server.code.functions import parse_functions
from sprig_server.errors import InvalidInput

CODE = """def load_settings(path, defaults):
    values = dict(defaults)
    with open(path) as stream:
        for line in stream:
            key, _, value = line.partition("=")
            values[key.strip()] = value.strip()
    return values
"""


@pytest.mark.parametrize(
    ("documentation", "sentence"),
    [
        ("Return the name.", "Return the name."),
        ("Return the name. It is cached.", "Return the name."),
        ("Return the name\nof the user.\n\nMore about it.", "Return the name of the user."),
        ("Return the name\n\n:param x: a thing", "Return the name"),
        ("Return the name of x\n:param x: a thing", "Return the name of x"),
        ("Return the name of x\nArgs:\n  x: a thing", "Return the name of x"),
        ("Sum values, e.g. Integers and so on. More.", "Sum values, e.g. Integers and so on."),
        ("This method returns the sum of two numbers.", "Returns the sum of two numbers."),
        ("This helper function is used to parse a date.", "Parse a date."),
        ("Convert a :class:`~package.Date` to ``str``.", "Convert a package.Date to str."),
        ("Follow `the link <http://example.org>`_ to its end.", "Follow the link to its end."),
        ("Drop *every* **bold** mark of <b>text</b>.", "Drop every bold mark of text."),
        ("Split the text as follows:", "Split the text as follows."),
        ("Version 2.5 of the format is read.", "Version 2.5 of the format is read."),
        (":param x: only parameters", ""),
        (">>> f(1)\n2", ""),
        ("", ""),
    ],
)
def test_first_sentence_is_cut_and_cleaned(documentation: str, sentence: str) -> None:
    assert first_sentence(documentation) == sentence


@pytest.mark.parametrize(
    ("summary", "accepted"),
    [
        ("Return the name of the user.", True),
        ("Convert camelCase (used in PHP) to snake_case.", True),
        ("Too short.", False),
        ("word " * 31, False),
        ("TODO write this documentation.", False),
        ("See the base class for details.", False),
        ("Deprecated: use the other function.", False),
        ("Gibt den Namen des Nutzers zurück.", False),
        ("a = b + c * d / [e] {f} | g", False),
        ("Inherits everything from its parent.", False),
    ],
)
def test_filter_accepts_only_sentences_that_say_something(summary: str, accepted: bool) -> None:
    assert accept_summary(summary) is accepted


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        (
            'def load(path):\n    "Read all lines of a file."\n    return open(path).readlines()\n',
            True,
        ),
        (
            'def load(path):\n    "Read all lines of a file."\n    raise NotImplementedError("later on")\n',
            False,
        ),
        (
            'def test_load(path):\n    "Read all lines of a file."\n    return open(path).readlines()\n',
            False,
        ),
        (
            'def __call__(self, path):\n    "Read all lines of a file."\n    return open(path).readlines()\n',
            False,
        ),
        ("def load(path):\n    return open(path).readlines()\n", False),
    ],
)
def test_functions_that_teach_nothing_give_no_pair(source: str, kept: bool) -> None:
    (function,) = parse_functions(source, "python")
    assert (make_pair(function) is not None) is kept


def test_pair_holds_the_code_without_its_documentation() -> None:
    (function,) = parse_functions(
        'def f(values):\n    """Add up all values."""\n    return sum(v for v in values)\n', "python"
    )
    pair = make_pair(function)
    assert pair is not None
    assert (pair.name, pair.summary) == ("f", "Add up all values.")
    assert "Add up" not in pair.code


def test_copies_and_near_copies_are_recognised() -> None:
    seen = Seen()
    assert seen.add(code_keys(CODE))
    assert not seen.add(code_keys(CODE))
    assert not seen.add(code_keys(CODE.replace("    ", "\t").replace("\n", "\n\n")))
    long = CODE + "".join(f"    values['{n}'] = compute_{n}(values, {n})\n" for n in range(30))
    assert seen.add(code_keys(long))
    assert not seen.add(code_keys(long.replace("compute_17", "calculate_17")))
    assert seen.add(
        code_keys("def other(a, b):\n    return [x * y for x, y in zip(a, b) if x is not None and y > 3]\n")
    )


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("requests-2.31.0/requests/api.py", True),
        ("pip-26.0/pip/_vendor/requests/api.py", True),
        ("app/site-packages/flask/app.py", True),
        ("app/click.py", True),
        ("requests_toolbelt-1.0/requests_toolbelt/cookies.py", False),
        ("app/requests_cache/api.py", False),
        ("django-5.2/django/http/request.py", False),
    ],
)
def test_never_train_packages_are_excluded_wherever_they_lie(path: str, out: bool) -> None:
    assert excluded(path, never_train("python")) is out


def _function(name: str, sentence: str, number: int) -> str:
    body = "".join(f"    total += weight_{number} * values[{n}] - offset_{n * number}\n" for n in range(1, 8))
    return f'def {name}(values, total):\n    """{sentence}"""\n{body}    return total\n\n\n'


def test_build_writes_pairs_once_and_counts_what_it_leaves_out(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    for package, content in {
        "one-1.0": _function("weigh", "Weigh all given values.", 3) + _function("held_back", "Never to be seen.", 5),
        "two-2.0": _function("weigh", "Weigh all given values again.", 3) + _function("mix", "Mix the values.", 11),
        "flask-3.0": _function("route", "Route all of the values.", 13),
    }.items():
        (sources / package).mkdir(parents=True)
        (sources / package / "code.py").write_text(content)
    (sources / "two-2.0" / "broken.py").write_bytes(b"def f(:\n\xff\x00  '''")
    evaluation = tmp_path / "valid.jsonl.gz"
    held_back = parse_functions(_function("held_back", "Never to be seen.", 5), "python")[0].code
    with gzip.open(evaluation, "wt") as stream:
        stream.write(json.dumps({"code": held_back}) + "\n")

    report = build([sources], "python", tmp_path / "pairs.parquet", [evaluation])

    rows = pyarrow.parquet.read_table(tmp_path / "pairs.parquet").to_pylist()
    assert sorted((row["package"], row["name"]) for row in rows) == [("one-1.0", "weigh"), ("two-2.0", "mix")]
    assert all(row["split"] == split_of(row["package"], "python") for row in rows)
    assert report.skipped["pairs that repeat evaluation data"] == 1
    assert report.skipped["duplicate pairs"] == 1
    assert report.skipped["files of packages kept for measuring"] == 1
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_build_names_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a folder"):
        build([tmp_path / "nowhere"], "python", tmp_path / "pairs.parquet", [])


def test_archives_cannot_write_outside_their_folder(tmp_path: Path) -> None:
    archive = tmp_path / "package-1.0.whl"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("package/code.py", "x = 1\n")
        zipped.writestr("../escaped.py", "x = 1\n")
        zipped.writestr("package/data.bin", "x")
    assert unpack(archive, (".py",), tmp_path / "out") == 1
    assert (tmp_path / "out" / "package" / "code.py").exists()
    assert not (tmp_path / "escaped.py").exists()


def test_sources_name_exact_versions(tmp_path: Path) -> None:
    path = tmp_path / "sources.toml"
    path.write_text('language = "python"\nregistry = "pypi"\npackages = ["django>=5"]\n')
    with pytest.raises(InvalidInput, match="one release"):
        read_sources(path)
