"""A row of the search table: every column on one set of queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from sprig_export.evaluate.datasets import SearchSet
from sprig_export.evaluate.metrics import bm25
from sprig_export.evaluate.models import SearchModel
from sprig_export.evaluate.results import BASE, BASELINE, BM25, BUNDLE, Comparison, SearchFigure
from sprig_export.evaluate.search import bootstrap_interval, ranks
from sprig_export.report.progress import Announce, stage
from sprig_server.code.text import search_passage

_TOP = 10


def measure_search(
    data: SearchSet, columns: Mapping[str, SearchModel | None], seed: int, announce: Announce
) -> tuple[list[SearchFigure], list[Comparison]]:
    """Measure full text and every model on one set: vectors alone, code alone, all candidates."""
    code = [search_passage(candidate, 0, data.language) for candidate in data.candidates]
    places = {BM25: ranks(bm25(data.queries, data.candidates), data.relevant)}
    for column, model in columns.items():
        if model is not None:
            tick = stage(announce, f"{data.name}: {column} reads queries", len(data.queries))
            queries = model.encode_queries(data.queries, tick)
            tick = stage(announce, f"{data.name}: {column} reads functions", len(code))
            places[column] = ranks(queries @ model.encode_code(code, tick).T, data.relevant)
    figures = [_figure(data, column, rank, seed) for column, rank in places.items()]
    return figures, list(_compare(data, {column: 1 / rank for column, rank in places.items()}, seed))


def _figure(data: SearchSet, column: str, rank: NDArray[np.int64], seed: int) -> SearchFigure:
    low, high = bootstrap_interval(1 / rank, seed)
    return SearchFigure(
        data.name,
        data.language,
        column,
        n=len(rank),
        pool=len(data.candidates),
        seed=seed,
        mrr=float((1 / rank).mean()),
        low=low,
        high=high,
        recall_at_10=float((rank <= _TOP).mean()),
    )


def _compare(data: SearchSet, gains: Mapping[str, NDArray[np.float64]], seed: int) -> Iterator[Comparison]:
    """Compare the base with the unpruned model, and the bundle with the base. `gains` are 1 / rank."""
    n = len(data.queries)
    if BASE in gains and BASELINE in gains:
        difference = gains[BASE] - gains[BASELINE]
        interval = bootstrap_interval(difference, seed)
        of, value = f"{BASE} - {BASELINE}", float(difference.mean())
        yield Comparison(data.name, data.language, "mrr", of, n, seed, value, *interval)
    if BASE in gains and BUNDLE in gains:
        kept = float(gains[BUNDLE].mean() / gains[BASE].mean())
        yield Comparison(data.name, data.language, "mrr", f"{BUNDLE} / {BASE}", n, seed, kept)
