"""What a model must beat: full text in search, and in summaries a function's own name and its neighbour's sentence."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sprig_server.code.words import STOP_WORDS, split_identifier, split_words
from sprig_server.types import Vectors

# The constants of SQLite's full text, which the server's lexical search uses.
_K1 = 1.2
_B = 0.75


def bm25(queries: Sequence[str], documents: Sequence[str]) -> NDArray[np.float64]:
    """BM25 scores over identifiers and their parts: float64 [q, c], at least 0.

    A query's stop words count only where it has no others, and a repeated word counts once.
    """
    counts = [Counter(split_words(document)) for document in documents]
    lengths = np.array([count.total() for count in counts], dtype=np.float64)  # [c]
    norms = _K1 * (1 - _B + _B * lengths / max(lengths.mean(), 1.0))
    postings: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for row, count in enumerate(counts):
        for word, times in count.items():
            postings[word].append((row, times))
    scores = np.zeros((len(queries), len(documents)))
    for query, into in zip(queries, scores, strict=True):
        words = dict.fromkeys(split_words(query))
        for word in [word for word in words if word not in STOP_WORDS] or words:
            if word in postings:
                rows, times = np.array(postings[word]).T
                rarity = math.log1p((len(documents) - len(rows) + 0.5) / (len(rows) + 0.5))
                into[rows] += rarity * times * (_K1 + 1) / (times + norms[rows])
    return scores


def words_of_name(name: str) -> str:
    """The words of an identifier as a sentence: "parse http url" for `parseHTTP_url`."""
    return " ".join(split_identifier(name))


def nearest(vectors: Vectors, pool: Vectors) -> NDArray[np.int64]:
    """For each vector [n, d] the row of the pool [p, d] with the highest cosine: int64 [n]."""
    rows: NDArray[np.int64] = (vectors @ pool.T).argmax(axis=1)
    return rows
