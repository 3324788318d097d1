"""The data of the standard suite: queries, candidates and sentences from benchmark files and held-out packages."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyarrow.parquet

from sprig_export.corpus.build import read_jsonl
from sprig_export.data.calibration import split_held_out
from sprig_server.code.functions import parse_functions
from sprig_server.errors import InvalidInput

LANGUAGES = ("python", "java", "javascript", "cpp")
HELD_OUT_SEARCHED = 500  # pairs of held-out packages; each query is searched in the code of all of them
HELD_OUT_SUMMARIZED = 200
NEIGHBOURS = 4_000  # training pairs for the nearest-neighbour baseline
_COLUMNS = ("package", "language", "name", "code", "summary")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Documented:
    """A function without its documentation, and the sentence that describes it. `package` is "" if unknown."""

    package: str
    language: str
    name: str
    code: str
    summary: str


@dataclass(frozen=True, slots=True)
class SearchSet:
    """Queries, candidate functions, and for each query the index of its one right function."""

    name: str
    language: str
    queries: tuple[str, ...]
    candidates: tuple[str, ...]
    relevant: tuple[int, ...]

    def drawn(self, count: int, seed: int) -> SearchSet:
        """At most `count` of the queries, drawn with `seed`, with only their answers as candidates."""
        rows = draw(range(len(self.queries)), count, seed)
        kept = sorted({self.relevant[row] for row in rows})
        place = {old: new for new, old in enumerate(kept)}
        return SearchSet(
            self.name,
            self.language,
            tuple(self.queries[row] for row in rows),
            tuple(self.candidates[old] for old in kept),
            tuple(place[self.relevant[row]] for row in rows),
        )


@dataclass(frozen=True, slots=True)
class SummarySet:
    """Functions to summarize. `pool` names the training pairs for the nearest-neighbour baseline."""

    name: str
    language: str
    functions: tuple[Documented, ...]
    pool: str


@dataclass(frozen=True, slots=True)
class Standard:
    """The data of the standard suite. `left_out` says what is missing and why."""

    search: tuple[SearchSet, ...]
    summaries: tuple[SummarySet, ...]
    pools: dict[str, tuple[Documented, ...]]
    left_out: tuple[str, ...]


def load_standard(data: Path, held_out: Path | None, limit: int | None, seed: int) -> Standard:
    """The sets of the standard suite whose files exist.

    Args:
        data: the folder of the benchmark files, gzipped JSON lines.
        held_out: the folder of `python.parquet` and so on, as `sprig corpus build` writes them.
        limit: the most examples of each set and each pool; None for all.
        seed: for drawing if there are more.

    Raises:
        InvalidInput: the folder does not exist or has none of the files, or a file has the wrong content.
    """
    for folder in filter(None, (data, held_out)):
        if not folder.is_dir():
            raise InvalidInput(f'"{folder}" is not a folder: give the folder that holds the data')
    left_out: list[str] = [] if held_out else ["held-out packages: no --held-out folder was given"]

    def present(name: str, read: Callable[[], _T]) -> list[_T]:
        try:
            return [read()]
        except _Missing as missing:
            left_out.append(f"{name}: {missing}")
            return []

    search: list[SearchSet] = present("cosqa.valid", partial(_cosqa, data))
    summaries: list[SummarySet] = []
    pools: dict[str, tuple[Documented, ...]] = {}
    name, pool = "cosqa_summarize.valid", "cosqa_summarize.train"
    for functions in present(name, partial(_described, data, name, "docstring")):
        summaries.append(SummarySet(name, "python", functions, pool))
    for functions in present(pool, partial(_described, data, pool, "docstring")):
        pools[pool] = functions
    for language in LANGUAGES:
        name, pool = f"humanevalx_{language}.test", f"training pairs {language}"
        for functions in present(name, partial(_described, data, name, "query")):
            search.append(_own_answers(name, language, functions))
        name = f"mbxp_{language}.valid"
        for functions in present(name, partial(_described, data, name, "query_short")):
            summaries.append(SummarySet(name, language, functions, pool))
        if held_out:
            name = f"held-out {language}"
            pairs = partial(_read_pairs, held_out / f"{language}.parquet", seed)
            for functions in present(name, partial(pairs, "valid", HELD_OUT_SEARCHED)):
                search.append(_own_answers(name, language, functions))
            for functions in present(name, partial(pairs, "valid", HELD_OUT_SUMMARIZED)):
                summaries.append(SummarySet(name, language, functions, pool))
            for functions in present(pool, partial(pairs, "train", NEIGHBOURS)):
                pools[pool] = functions
    if not search and not summaries:
        raise InvalidInput(f'"{data}" holds none of the benchmark files: give the folder of cosqa.valid.jsonl.gz')
    if limit is not None:
        search = [s.drawn(limit, seed) for s in search]
        summaries = [replace(s, functions=tuple(draw(s.functions, limit, seed))) for s in summaries]
        pools = {name: tuple(draw(functions, limit, seed)) for name, functions in pools.items()}
    return Standard(tuple(search), tuple(summaries), pools, tuple(dict.fromkeys(left_out)))


def draw(items: Sequence[_T], count: int, seed: int) -> list[_T]:
    """At most `count` of the items in an order drawn with `seed`."""
    return random.Random(seed).sample(items, min(count, len(items)))


class _Missing(Exception):
    """Missing data. The message says what is missing."""


def _cosqa(data: Path) -> SearchSet:
    path = _existing(data / "cosqa.valid.jsonl.gz")
    corpus = list(_texts(_existing(data / "cosqa.corpus.jsonl.gz"), ("id", "code")))
    row = {key: number for number, (key, _) in enumerate(corpus)}
    judged = list(_texts(path, ("query", "code_id")))
    unknown = next((key for _, key in judged if key not in row), None)
    if unknown is not None:
        raise InvalidInput(f'"{path}" names the code "{unknown}", which its corpus lacks: fetch both files again')
    queries, answers = zip(*judged, strict=True)
    return SearchSet(
        "cosqa.valid", "python", queries, tuple(code for _, code in corpus), tuple(row[key] for key in answers)
    )


def _own_answers(name: str, language: str, functions: Sequence[Documented]) -> SearchSet:
    """Each function's sentence as a query, with the code of all functions as candidates."""
    return SearchSet(
        name,
        language,
        tuple(function.summary for function in functions),
        tuple(function.code for function in functions),
        tuple(range(len(functions))),
    )


def _described(data: Path, name: str, sentence: str) -> tuple[Documented, ...]:
    """The functions of a benchmark file, described by the text in the field `sentence`."""
    path = _existing(data / f"{name}.jsonl.gz")
    return tuple(
        Documented("", language, next((f.name for f in parse_functions(code, language)), ""), code, text)
        for language, code, text in _texts(path, ("language", "code", sentence))
    )


def _texts(path: Path, fields: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The text fields of every record.

    Raises:
        InvalidInput: the file cannot be read or is empty, or a record lacks one of the fields.
    """
    number = 0
    for number, record in enumerate(read_jsonl(path), 1):
        values = [record.get(field) for field in fields]
        for field, value in zip(fields, values, strict=True):
            if not isinstance(value, str):
                raise InvalidInput(f'record {number} of "{path}" has no text "{field}": fetch the file again')
        yield tuple(str(value) for value in values)
    if not number:
        raise InvalidInput(f'"{path}" holds no record: fetch the file again')


def _read_pairs(path: Path, seed: int, split: str, count: int) -> tuple[Documented, ...]:
    """At most `count` pairs of a split of a corpus, drawn with `seed`, without those that exports use for choices."""
    _existing(path)
    try:
        table = pyarrow.parquet.read_table(path, columns=[*_COLUMNS, "split"], filters=[("split", "=", split)])
    except (OSError, pyarrow.ArrowException) as error:
        raise InvalidInput(f'"{path}" is not a corpus ({error}): give files that sprig corpus build wrote') from None
    if not table.num_rows:
        raise _Missing(f"{path.name} holds no {split} pairs")
    if split == "train":
        rows = table.take(draw(range(table.num_rows), count, seed)).to_pylist()
    else:
        rows = draw(split_held_out(table.to_pylist())[0], count, seed)
    return tuple(Documented(**{name: row[name] for name in _COLUMNS}) for row in rows)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise _Missing(f"there is no {path.name}")
    return path
