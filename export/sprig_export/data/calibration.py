"""The calibration data of an export: text to count tokens in and to learn from, and held-out functions to measure
on.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sprig_export.config.recipe import served_languages
from sprig_export.config.request import Example
from sprig_export.data.queries import keywords, question
from sprig_export.models.prompts import fill_prompt
from sprig_server.code.text import search_input, summary_input
from sprig_server.errors import InvalidInput
from sprig_server.types import Task

_MOST_COUNTED = 60_000  # pairs; more would not change any decision
_MOST_TRIALS = 1000
_MOST_PUT_ASIDE = 300
_MOST_FUNCTIONS = 500
_WEIGHT_OF_PROSE = 3
_HELD_OUT = 5  # one of this many files of a folder is for measuring
_LEAST = 20  # the fewest functions that describe a language
ENOUGH = 50
"""With fewer functions, choices and figures are unreliable."""
_CHOSEN_BY = 8  # one of this many held-out functions is for choosing; no figure is made with it
_DOCUMENTATION = 0.5  # the share of search texts that are unchanged documentation


@dataclass(frozen=True, slots=True)
class Calibration:
    """Texts of a language as the model will read them, and documented functions that it was not trained on."""

    name: str
    pairs: tuple[tuple[str, str], ...]
    """Code as the model reads it, and its prose (a query, or the summary)."""
    examples: tuple[Example, ...]
    trials: tuple[Example, ...] = ()
    """Functions for making choices: neither learned from nor measured on. They come from held-out packages if there are
    enough, because a model that was distilled before has seen the others.
    """
    functions: tuple[Example, ...] = ()
    """Some of `pairs` as they are in their files, for collecting token importance."""

    def texts(self) -> Iterator[str]:
        """Everything to count tokens in. Prose counts three times, because queries and summaries consist of its
        words.
        """
        for code, prose in self.pairs:
            yield code
            yield from [prose] * _WEIGHT_OF_PROSE


@dataclass(frozen=True, slots=True)
class InputFormat:
    """How functions are presented to a model.

    Attributes:
        task: decides how code is presented, and whether the prose is queries or summaries.
        language: the programming language, or several, separated by commas.
        prompt: the prompt of a decoder-only model, instead of the input of an encoder-decoder.
    """

    task: Task
    language: str
    prompt: str | None = None

    def pair(self, row: dict[str, str], draw: random.Random) -> tuple[str, str]:
        """The code of a corpus row as the model reads it, and the prose that goes with it: a query or the summary."""
        if self.task == "search":
            return search_input(row["code"]), _asked(row, draw)
        if self.prompt is not None:
            return fill_prompt(self.prompt, row["code"], row["language"]), f" {row['summary']}"
        return summary_input(row["code"], row["language"]), row["summary"]


def read_calibration(path: Path, form: InputFormat, count: int, seed: int) -> Calibration:
    """The calibration in a corpus that `sprig corpus build` wrote, or in a folder of source code.

    Args:
        path: the corpus; or the folder, of which every fifth file is held out; or the folder of corpora named
            `python.parquet` and so on.
        form: how functions are presented to the model. Several languages get equal parts.
        count: examples to draw, with `seed`.

    Raises:
        InvalidInput: it is neither a corpus nor a folder, or is in another language, or has too few documented
            functions.
    """
    language, rows = form.language, read_rows(path, form.language)
    found = {row["language"] for row in rows}
    if path.is_file() and found and found.isdisjoint(served_languages(language)):
        raise InvalidInput(f'"{path}" holds {" and ".join(sorted(found))}, not {language}: give a corpus of {language}')
    train = [row for row in rows if row["split"] == "train"]
    held_out, choosing = split_held_out(rows)
    if len(train) < _LEAST or len(held_out) < 2:
        raise InvalidInput(
            f"{path} holds {len(train)} documented functions to calibrate on and {len(held_out)} to measure on, and "
            f"{_LEAST} and 2 are needed: give more code, or a corpus of several packages"
        )
    # Each draw has its own generator, so the training data does not depend on `count` or on the queries.
    reserved = 0 if choosing else min(_MOST_PUT_ASIDE, len(train) // 10)
    drawn = random.Random(seed).sample(train, min(_MOST_COUNTED + reserved, len(train)))
    put_aside, counted = drawn[:reserved], drawn[reserved:]
    tried = put_aside or random.Random(seed).sample(choosing, min(_MOST_TRIALS, len(choosing)))
    chosen = random.Random(seed).sample(held_out, min(count, len(held_out)))
    prose = random.Random(seed)
    pairs = tuple(form.pair(row, prose) for row in counted)
    examples, trials, functions = (
        tuple(Example(row["language"], row["code"], row["summary"]) for row in rows)
        for rows in (chosen, tried, counted[:_MOST_FUNCTIONS])
    )
    kind = "packages" if path.is_file() or _corpora(path, language) else "files"
    return Calibration(f"held-out {kind} of {path.name}", pairs, examples, trials, functions)


def split_held_out(rows: Sequence[dict[str, str]]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Split the held-out functions of a corpus into those to measure on and those for choices. The split depends on
    their code alone, so that all commands agree. If too few were left for choices, all are for measuring.
    """
    measured, choosing = list[dict[str, str]](), list[dict[str, str]]()
    for row in rows:
        if row["split"] == "valid":
            number = int(hashlib.sha1(row["code"].encode("utf-8", "replace")).hexdigest(), 16)
            (choosing if number % _CHOSEN_BY == 0 else measured).append(row)
    if len(choosing) >= ENOUGH:
        return measured, choosing
    return [row for row in rows if row["split"] == "valid"], []


def read_rows(path: Path, language: str) -> list[dict[str, str]]:
    """The documented functions of a corpus, of a folder of corpora, or of a folder of source code, which is mined here.
    Of several languages, separated by commas, equally many.

    Raises:
        InvalidInput: a file is not a corpus.
    """
    if not path.is_dir():
        return _read_corpus(path)
    if corpora := _corpora(path, language):
        return _equal_parts([_read_corpus(corpus) for corpus in corpora])
    return _equal_parts([_read_folder(path, name.strip()) for name in language.split(",")])


def _corpora(folder: Path, language: str) -> list[Path]:
    """The corpora of languages in a folder; none if one of them is missing."""
    corpora = [folder / f"{name.strip()}.parquet" for name in language.split(",")]
    return corpora if all(corpus.is_file() for corpus in corpora) else []


def _equal_parts(languages: Sequence[list[dict[str, str]]]) -> list[dict[str, str]]:
    """As many functions of each language as the rarest one has, in each split."""
    if len(languages) == 1:
        return languages[0]
    chosen = []
    for split in ("train", "valid"):
        parts = [[row for row in rows if row["split"] == split] for rows in languages]
        least = min(map(len, parts))
        chosen += [row for part in parts for row in random.Random(0).sample(part, least)]
    return chosen


def _read_corpus(path: Path) -> list[dict[str, str]]:
    import pyarrow.parquet  # most exports read none

    try:
        columns = ["name", "code", "language", "documentation", "summary", "split"]
        rows: list[dict[str, str]] = pyarrow.parquet.read_table(path, columns=columns).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise InvalidInput(f"{path} is not a corpus that `sprig corpus build` wrote: {error}.") from error
    return rows


def _read_folder(folder: Path, language: str) -> list[dict[str, str]]:
    from sprig_export.corpus.mining import mine_folder

    rows = []
    for row in mine_folder(folder, "javascript" if language == "typescript" else language):
        held_out = int(hashlib.sha1(str(row["path"]).encode()).hexdigest(), 16) % _HELD_OUT == 0
        rows.append({**{key: str(value) for key, value in row.items()}, "split": "valid" if held_out else "train"})
    return rows


def _asked(row: dict[str, str], draw: random.Random) -> str:
    """Documentation half of the time, otherwise a query that a person might type to find the function."""
    if draw.random() < _DOCUMENTATION:
        return row["documentation"][:2000]
    return draw.choice((question, keywords))(row["summary"], row["language"], draw)
