"""What an export reads of a language's corpus: text to count tokens in, and held-out functions to measure on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sprig_export.samples import Example
from sprig_server.code.text import search_input, summary_input
from sprig_server.errors import InvalidInput
from sprig_server.types import Task

_MOST_COUNTED = 60_000  # pairs; more change no count that decides
_WEIGHT_OF_PROSE = 3  # times that documentation is counted: queries and summaries are made of its words


@dataclass(frozen=True, slots=True)
class Calibration:
    """Texts of a language as the model will be fed them, and documented functions of packages it was not trained on."""

    name: str
    texts: tuple[str, ...]
    examples: tuple[Example, ...]


def read_calibration(path: Path, task: Task, count: int, seed: int) -> Calibration:
    """The calibration in a corpus that `sprig corpus build` wrote.

    Args:
        task: decides how code is presented, and which prose goes with it (queries or summaries).
        count: examples to draw, with `seed`.

    Raises:
        InvalidInput: the file is no such corpus, or has no held-out functions.
    """
    import pyarrow.parquet  # most exports read none

    try:
        rows = pyarrow.parquet.read_table(
            path, columns=["code", "language", "documentation", "summary", "split"]
        ).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise InvalidInput(f"{path} is not a corpus that `sprig corpus build` wrote: {error}.") from error
    draw = random.Random(seed)
    train = [row for row in rows if row["split"] == "train"]
    held_out = [row for row in rows if row["split"] == "valid"]
    if not held_out:
        raise InvalidInput(f"{path} holds no package that is kept for validation; build it from more packages.")
    counted = draw.sample(train, min(_MOST_COUNTED, len(train)))
    chosen = draw.sample(held_out, min(count, len(held_out)))
    texts = tuple(text for row in counted for text in _texts(row, task))
    examples = tuple(Example(row["language"], row["code"], row["summary"]) for row in chosen)
    return Calibration(f"held-out packages of {path.name}", texts, examples)


def _texts(row: dict[str, str], task: Task) -> Iterator[str]:
    if task == "search":
        yield search_input(row["code"])
        yield from [row["documentation"][:2000]] * _WEIGHT_OF_PROSE
    else:
        yield summary_input(row["code"], row["language"])
        yield from [row["summary"]] * _WEIGHT_OF_PROSE
