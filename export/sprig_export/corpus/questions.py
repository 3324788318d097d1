"""Questions that people asked, with the code that answered them. They differ in style from documentation.

Two published collections of Stack Overflow questions (CC BY-SA) are read: CODE-NN's tables and CoNaLa's lists.
"""

from __future__ import annotations

import gzip
import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sprig_export.corpus.build import read_jsonl
from sprig_export.corpus.deduplicate import Seen, code_keys
from sprig_server.errors import InvalidInput

_LOG = logging.getLogger(__name__)
_COLUMNS = (4, 5)  # of CODE-NN: answer, question, title, code, mostly a label
_LEAST_QUESTION, _LEAST_CODE = 12, 20  # characters
_TEXTS = ("query", "docstring")


def collect(sources: Sequence[Path], language: str, output: Path, exclude: Sequence[Path]) -> int:
    """Write questions and their code as gzipped JSON lines. Returns their number.

    Args:
        sources: CODE-NN tables (.txt, tab-separated) and CoNaLa lists (.json).
        language: the language of the code.
        output: the file. It is replaced when everything is done.
        exclude: evaluation files (.jsonl, .jsonl.gz). Questions and code that repeat one of theirs are left out.

    Raises:
        InvalidInput: a file cannot be read, or is of neither format.
    """
    asked, seen = set[str](), Seen()
    for path in exclude:
        for record in read_jsonl(path):
            asked.update(_normalised(str(record[key])) for key in _TEXTS if record.get(key))
            seen.add(code_keys(str(record.get("code", ""))))
    records, repeated = [], 0
    for path in sources:
        for question, code in _read(path):
            if len(question) < _LEAST_QUESTION or len(code) < _LEAST_CODE:
                continue
            if _normalised(question) in asked or not seen.add(code_keys(code)):
                repeated += 1
                continue
            asked.add(_normalised(question))
            records.append({"query": question, "code": code, "language": language})
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    with gzip.open(temporary, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(record) + "\n" for record in records)
    temporary.replace(output)
    _LOG.info("%d questions; %d repeat another one or evaluation data", len(records), repeated)
    return len(records)


def _read(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_bytes().decode()  # a lone carriage return is not a line end in these tables
        yield from _conala(text) if path.suffix == ".json" else _code_nn(text)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{path} is neither a CODE-NN table (.txt) nor a CoNaLa list (.json): {error!r}.") from error


def _code_nn(text: str) -> Iterator[tuple[str, str]]:
    for line in text.strip("\n").split("\n"):
        columns = line.split("\t")
        if len(columns) not in _COLUMNS:
            raise ValueError(f"{len(columns)} columns instead of 5")
        yield columns[2].strip(), columns[3].replace("\\n", "\n")


def _conala(text: str) -> Iterator[tuple[str, str]]:
    for record in json.loads(text):
        yield str(record["intent"]).strip(), str(record["snippet"])


def _normalised(question: str) -> str:
    return " ".join(question.lower().split()).rstrip(" ?.!")
