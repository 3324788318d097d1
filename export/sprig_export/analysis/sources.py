"""Reading the functions to analyse, from a corpus or a folder of source code."""

from __future__ import annotations

import random
from pathlib import Path

from sprig_server.code.functions import parse_functions
from sprig_server.code.languages import language_of_path
from sprig_server.code.lines import decode
from sprig_server.errors import InvalidInput


def read_functions(source: Path, language: str, count: int, seed: int) -> list[str]:
    """The code of functions without their documentation, without duplicates, in random order.

    Args:
        source: a Parquet file of `sprig corpus build`, or a folder of source files.
        language: the name of a language. Code in other languages is ignored.
        count: the most functions.
        seed: for the order.

    Raises:
        InvalidInput: the file or folder does not exist, or contains no function in that language.
    """
    draw = random.Random(seed)
    functions = _of_folder(source, language, count, draw) if source.is_dir() else _of_corpus(source, language)
    if not functions:
        raise InvalidInput(f'"{source}" holds no function in {language}: name another corpus or language')
    different = list(dict.fromkeys(functions))
    return draw.sample(different, min(count, len(different)))


def _of_corpus(path: Path, language: str) -> list[str]:
    import pyarrow.parquet  # a folder is read without it

    try:
        rows = pyarrow.parquet.read_table(path, columns=["code", "language"]).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise InvalidInput(f'"{path}" is not a corpus that `sprig corpus build` wrote ({error})') from error
    return [row["code"] for row in rows if row["language"] == language]


def _of_folder(folder: Path, language: str, count: int, draw: random.Random) -> list[str]:
    """Functions of files in random order, until there are a few times as many as needed."""
    paths = sorted(path for path in folder.rglob("*") if language_of_path(path.name) is not None and path.is_file())
    draw.shuffle(paths)
    functions: list[str] = []
    for path in paths:
        known = language_of_path(path.name)
        if known is None or known.name != language:
            continue
        try:
            text = decode(path.read_bytes())
        except OSError as error:
            raise InvalidInput(f'"{path}" cannot be read ({error.strerror})') from None
        functions.extend(function.code for function in parse_functions(text, known.name))
        if len(functions) > 4 * count:
            break
    return functions
