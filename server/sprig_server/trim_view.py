"""Showing which tokens of a function a model reads: for `sprig trim` and the command `sprig.trim`."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from sprig_server.code.text import search_passage
from sprig_server.errors import InvalidInput
from sprig_server.inference.models import Models
from sprig_server.inference.reader import Explanation, Reader
from sprig_server.types import Definition, Task, TrimMethod


def open_reader(models: Models, task: Task, language: str, method: str | None, ratio: float | None) -> Reader:
    """The reader of the bundle that serves a language.

    Args:
        method: the trimming method; None for the bundle's own, or `novelty` if a ratio is given and the bundle trims
            nothing.
        ratio: the share to leave out, of short functions too; None for the bundle's own trimming.

    Raises:
        InvalidInput: no bundle serves the language, or it cannot trim with this method or ratio.
        InvalidBundle: the bundle cannot be loaded.
    """
    bundle = models.search_bundle(language) if task == "search" else models.summary_bundle(language)
    if bundle is None:
        raise InvalidInput(f"no bundle for {task} in {language} is installed: name one with --bundle")
    own = bundle.manifest.trim
    share = own.ratio if ratio is None else ratio
    if not 0.0 <= share < 1.0:
        raise InvalidInput(f"the ratio {share:g} is not a share of tokens: give at least 0 and less than 1")
    chosen = method or ("novelty" if own.method == "none" and ratio is not None else own.method)
    for known in get_args(TrimMethod):
        if known == chosen:
            return Reader(bundle, replace(own, method=known, ratio=share, least=own.least if ratio is None else 1))
    raise InvalidInput(f'unknown method "{chosen}": give one of {", ".join(get_args(TrimMethod))}')


def explain(reader: Reader, function: Definition) -> Explanation:
    """What trimming does to a function. Its name and documentation are not included."""
    if reader.task == "search":
        return reader.explain(search_passage(function.code, 0, function.language))
    return reader.explain(reader.passage(function.code, function.language))
