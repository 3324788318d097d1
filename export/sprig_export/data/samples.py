"""Documented functions to validate and evaluate an export on, if the caller gives no data."""

from __future__ import annotations

import gzip
import json
import random
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from sprig_export.config.request import Example
from sprig_server.code.functions import parse_functions
from sprig_server.code.lines import decode
from sprig_server.errors import InvalidInput

_SENTENCE_END = re.compile(r"(?<=[.!?])\s|\n\s*\n")


def read_examples(path: Path, language: str) -> list[Example]:
    """Examples from JSON lines (plain or gzip) with `code` and one of `query`, `docstring`, in file order.

    Raises:
        InvalidInput: the file cannot be read, or a line is not such a record.
    """
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8") as stream:
            records = [json.loads(line) for line in stream]
        return [
            Example(r.get("language", language), r["code"], r.get("query") or r["docstring"])
            for r in records
            if r.get("relevance", 1)
        ]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InvalidInput(
            f'"{path}" cannot be used as evaluation data ({error!r}): give JSON lines with "code" and "query" or '
            '"docstring"'
        ) from None


def standard_library_examples(count: int, seed: int) -> list[Example]:
    """`count` documented functions of the running Python's standard library, drawn with `seed`."""
    found = list(_documented(Path(sysconfig.get_paths()["stdlib"])))
    random.Random(seed).shuffle(found)
    return found[:count]


def _documented(folder: Path) -> Iterator[Example]:
    skipped = {"test", "tests", "idlelib", "site-packages", "dist-packages", "lib2to3"}
    for path in sorted(folder.rglob("*.py")):
        if skipped & set(path.relative_to(folder).parts):
            continue
        for function in parse_functions(decode(path.read_bytes()), "python"):
            sentence = _SENTENCE_END.split(function.documentation, maxsplit=1)[0]
            text = " ".join(sentence.split())
            if 3 <= len(text.split()) <= 30 and function.code.count("\n") >= 3:
                yield Example("python", function.code, text)
