"""What an export reads of a language's corpus: text to count tokens in, and held-out functions to measure on."""

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

_MOST_COUNTED = 60_000  # pairs; more change no count that decides
_MOST_TRIALS = 1000
_MOST_PUT_ASIDE = 300
_MOST_FUNCTIONS = 500
_WEIGHT_OF_PROSE = 3
_HELD_OUT = 5  # one file of a folder in so many is for measuring
_LEAST = 20  # functions: below, nothing can be said of a language
ENOUGH = 50
"""Functions, below which little can be said by choosing or measuring on them."""
_CHOSEN_BY = 8  # one held-out function in so many is for choosing, and no figure is made with it
_DOCUMENTATION = 0.5  # the share of search texts that are documentation as it stands


@dataclass(frozen=True, slots=True)
class Calibration:
    """Texts of a language as the model will be fed them, and documented functions of packages it was not trained on."""

    name: str
    pairs: tuple[tuple[str, str], ...]
    """Code as the model reads it, and the prose that goes with it (a query's text, or the summary)."""
    examples: tuple[Example, ...]
    trials: tuple[Example, ...] = ()
    """To choose by: neither learnt from nor measured on. Of held-out packages where these have enough, since a model
    that was distilled before has seen the others."""
    functions: tuple[Example, ...] = ()
    """Some of `pairs` as they stand in their files: to see which of their tokens a model attends to."""

    def texts(self) -> Iterator[str]:
        """Everything to count tokens in; prose three times, since queries and summaries are made of its words."""
        for code, prose in self.pairs:
            yield code
            yield from [prose] * _WEIGHT_OF_PROSE


def read_calibration(
    path: Path, task: Task, language: str, count: int, seed: int, prompt: str | None = None
) -> Calibration:
    """The calibration in a corpus that `sprig corpus build` wrote, or in a folder of source code.

    Args:
        path: the corpus; or the folder, of which every fifth file is held out; or the folder of corpora named
            `python.parquet` and so on.
        task: decides how code is presented, and which prose goes with it (queries or summaries).
        language: what the code is written in; several with commas between have equal parts.
        count: examples to draw, with `seed`.
        prompt: what a decoder-only model reads, instead of the input of an encoder-decoder.

    Raises:
        InvalidInput: neither a corpus nor a folder, a corpus of another language, or too few functions with
            documentation.
    """
    rows = read_rows(path, language)
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
    # Each draw has a generator of its own: what is learnt hangs neither on `count` nor on what is asked.
    reserved = 0 if choosing else min(_MOST_PUT_ASIDE, len(train) // 10)
    drawn = random.Random(seed).sample(train, min(_MOST_COUNTED + reserved, len(train)))
    put_aside, counted = drawn[:reserved], drawn[reserved:]
    tried = put_aside or random.Random(seed).sample(choosing, min(_MOST_TRIALS, len(choosing)))
    chosen = random.Random(seed).sample(held_out, min(count, len(held_out)))
    prose = random.Random(seed)
    pairs = tuple(_pair(row, task, prompt, prose) for row in counted)
    examples, trials, functions = (
        tuple(Example(row["language"], row["code"], row["summary"]) for row in rows)
        for rows in (chosen, tried, counted[:_MOST_FUNCTIONS])
    )
    kind = "files" if path.is_dir() else "packages"
    return Calibration(f"held-out {kind} of {path.name}", pairs, examples, trials, functions)


def split_held_out(rows: Sequence[dict[str, str]]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The held-out functions of a corpus to measure on, and those to choose by: by their code alone, so that every
    command agrees. Where the latter would be too few, all are to measure on."""
    measured, choosing = list[dict[str, str]](), list[dict[str, str]]()
    for row in rows:
        if row["split"] == "valid":
            number = int(hashlib.sha1(row["code"].encode("utf-8", "replace")).hexdigest(), 16)
            (choosing if number % _CHOSEN_BY == 0 else measured).append(row)
    if len(choosing) >= ENOUGH:
        return measured, choosing
    return [row for row in rows if row["split"] == "valid"], []


def read_rows(path: Path, language: str) -> list[dict[str, str]]:
    """The documented functions of a corpus, of a folder of corpora or, mined here, of a folder of source code; of
    several languages, with commas between, equally many.

    Raises:
        InvalidInput: a file that is no corpus.
    """
    if not path.is_dir():
        return _read_corpus(path)
    named = [name.strip() for name in language.split(",")]
    corpora = [path / f"{name}.parquet" for name in named]
    if all(corpus.is_file() for corpus in corpora):
        return _equal_parts([_read_corpus(corpus) for corpus in corpora])
    return _equal_parts([_read_folder(path, name) for name in named])


def _equal_parts(languages: Sequence[list[dict[str, str]]]) -> list[dict[str, str]]:
    """As many functions of each language as there are of the rarest, of either split."""
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


def _pair(row: dict[str, str], task: Task, prompt: str | None, draw: random.Random) -> tuple[str, str]:
    if task == "search":
        return search_input(row["code"]), _asked(row, draw)
    if prompt is not None:
        return fill_prompt(prompt, row["code"], row["language"]), f" {row['summary']}"
    return summary_input(row["code"], row["language"]), row["summary"]


def _asked(row: dict[str, str], draw: random.Random) -> str:
    """Documentation half of the time, else what somebody might type who looks for the function."""
    if draw.random() < _DOCUMENTATION:
        return row["documentation"][:2000]
    return draw.choice((question, keywords))(row["summary"], row["language"], draw)
