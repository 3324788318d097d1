"""The round trip: whether a search finds a function by the sentence that was generated for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sprig_server.code.text import search_input, search_passage
from sprig_server.errors import InvalidInput
from sprig_server.inference.models import Models
from sprig_server.types import Vectors

Search = Callable[[str, Sequence[str], Sequence[str]], tuple[Vectors, Vectors]]
"""(language, functions, sentences) -> their vectors, float32 [n, d] each, L2-normalised."""


def bundle_search(threads: int = 1) -> Search:
    """The installed search bundles. They read functions as in the server, but without their names."""
    models = Models((), threads)

    def search(language: str, functions: Sequence[str], sentences: Sequence[str]) -> tuple[Vectors, Vectors]:
        bundle = models.search_bundle(language)
        if bundle is None:
            raise InvalidInput(f"no bundle for search in {language} is installed: install the pack of the language")
        encoder = models.encoder(bundle)
        passages = [search_passage(search_input(code), 0, language) for code in functions]
        return encoder.encode(passages), encoder.encode(list(sentences))

    return search


def find_ranks(functions: Vectors, sentences: Vectors, among: int, seed: int = 0) -> NDArray[np.int64]:
    """The rank of each of n functions, from 1, if its sentence is the query: int64 [n].

    Args:
        functions: float32 [n, d], L2-normalised, and `sentences` likewise, in the same order.
        among: how many functions are searched, including the right one; all if there are fewer. They are drawn for each
            sentence.
        seed: for that draw.
    """
    n, draw = len(functions), np.random.default_rng(seed)
    ranks = np.ones(n, dtype=np.int64)
    for row in range(n):
        others = np.delete(np.arange(n), row)
        if among - 1 < len(others):
            others = draw.choice(others, max(0, among - 1), replace=False)
        ranks[row] += int((functions[others] @ sentences[row] > functions[row] @ sentences[row]).sum())
    return ranks


def reciprocal_mean(ranks: NDArray[np.int64]) -> float:
    """The mean reciprocal rank."""
    return float((1.0 / ranks).mean()) if len(ranks) else 0.0
