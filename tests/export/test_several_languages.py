"""A bundle for several languages: which it serves, and the code it is made with."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from sprig_export.config.recipe import served_languages
from sprig_export.data.calibration import read_rows

BODY = "names.sort()\n    found = names\n    return found"


@pytest.mark.parametrize(
    ("language", "served"),
    [
        ("java", ("java",)),
        ("javascript", ("javascript", "typescript")),
        ("python, javascript,cpp", ("python", "javascript", "typescript", "cpp")),
    ],
)
def test_the_languages_that_are_served(language: str, served: tuple[str, ...]) -> None:
    assert served_languages(language) == served


def test_every_language_has_an_equal_part_of_the_code(tmp_path: Path) -> None:
    for language, train, valid in (("python", 9, 2), ("java", 5, 4)):
        rows = [
            {"name": f"f{n}", "code": f"f{n}()", "language": language, "documentation": "", "summary": "Runs."}
            | {"split": "train" if n < train else "valid"}
            for n in range(train + valid)
        ]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / f"{language}.parquet")
    counted = Counter((row["language"], row["split"]) for row in read_rows(tmp_path, "python, java"))
    assert counted == {
        (language, split): n for language in ("python", "java") for split, n in (("train", 5), ("valid", 2))
    }
    assert len(read_rows(tmp_path, "python")) == 11
    assert read_rows(tmp_path, "python, java") == read_rows(tmp_path, "python, java")


def test_a_folder_of_code_is_read_in_every_language(tmp_path: Path) -> None:
    for number in range(3):
        said = f"Sort the names of list {number} and return the sorted list."
        (tmp_path / f"a{number}.py").write_text(f'def f{number}(names):\n    """{said}"""\n    {BODY}\n')
        (tmp_path / f"a{number}.js").write_text(f"/** {said} */\nfunction f{number}(names) {{\n    {BODY}\n}}\n")
    assert {row["language"] for row in read_rows(tmp_path, "python, javascript")} == {"python", "javascript"}
