"""Merging two ranked lists: fusion, then rules about code. Pure functions over plain values.

The constants below were chosen on the questions of `benchmarks/repo_search.py`, which is a development set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from sprig_server.code.words import STOP_WORDS, identifiers, split_identifier, split_words, stem
from sprig_server.index.store import Entry

# Reciprocal rank fusion (Cormack et al. 2009); 60 is the constant of the paper.
_FUSION = 60.0

# The fused score is multiplied by 1 plus each of these, times the share of the name's words that the query contains.
_NAME_BOOST = 0.3
_FILE_BOOST = 0.8
_FOLDER_BOOST = 0.3
# The same for a definition whose name is in the query.
_DEFINITION_BOOST = 1.0
# The best hit of the file with the largest sum of scores gains this share of the top score; other files in proportion.
_COHERENCE_BOOST = 0.3
# Factors for tests and other files that rarely hold the answer, for module-level code, and for each further hit of a
# file.
_MARGINAL_WEIGHT = 0.5
_MODULE_WEIGHT = 0.6
_REPEAT_DECAY = 0.5

_MARGINAL = re.compile(
    r"(?:^|/)(?:tests?|testing|__tests__|spec|specs|benchmarks?|examples?|docs?|vendor|third_party|dist|locales?)/"
    r"|(?:^|/)(?:test_[^/]*|[^/]*_test|[^/]*[.-](?:test|spec)|[^/]*Tests?|conftest)\.\w+$"
    r"|(?:^|/)__init__\.pyi?$|\.d\.[cm]?ts$|\.pyi$|\.min\.js$|(?:^|/)package-info\.java$"
)


def fuse(rankings: Sequence[Sequence[int]], most: int | None = None) -> dict[int, float]:
    """Reciprocal rank fusion: the sum of 1 / (60 + rank) over the rankings.

    Args:
        most: how many of the rankings can contain the same item; None for all. An item that is first in that many
            scores 1.
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking):
            scores[item] = scores.get(item, 0.0) + (_FUSION + 1) / (_FUSION + 1 + rank) / (most or len(rankings))
    return scores


def rank(query: str, scores: Mapping[int, float], entries: Mapping[int, Entry]) -> list[tuple[Entry, float]]:
    """The entries, best first, with their final scores: fused, raised for names and paths, lowered for tests and
    repeats.
    """
    words = {stem(word) for word in split_words(query) if word not in STOP_WORDS}
    asked = {name.lower() for name in identifiers(query)}
    if len(query.split()) == 1:
        asked.add(query.strip("()").lower())
    boosted = {
        item: score * (1.0 + _boost(entries[item], words, asked)) * _weight(query, entries[item])
        for item, score in scores.items()
        if item in entries
    }
    _add_up_files(boosted, entries)
    ordered = sorted(boosted.items(), key=lambda pair: (-pair[1], entries[pair[0]].path, entries[pair[0]].start_line))
    return _damp_repeats([(entries[item], score) for item, score in ordered])


def _boost(entry: Entry, words: set[str], asked: set[str]) -> float:
    boost = 0.0
    if entry.kind != "module" and entry.name.lower() in asked:
        boost += _DEFINITION_BOOST
    boost += _NAME_BOOST * _share(words, split_identifier(entry.name))
    path = PurePosixPath(entry.path)
    boost += _FILE_BOOST * _share(words, split_words(path.name.split(".")[0]))
    return boost + _FOLDER_BOOST * _share(words, split_words(path.parent.name))


def _share(words: set[str], name: Iterable[str]) -> float:
    """The share of a name's words that the query contains."""
    parts = {stem(part) for part in name if len(part) > 1}
    return len(parts & words) / len(parts) if parts else 0.0


def _weight(query: str, entry: Entry) -> float:
    weight = _MODULE_WEIGHT if entry.kind == "module" else 1.0
    asks_for_tests = "test" in query.lower()
    return weight * _MARGINAL_WEIGHT if _MARGINAL.search(entry.path) and not asks_for_tests else weight


def _add_up_files(scores: dict[int, float], entries: Mapping[int, Entry]) -> None:
    """Raise the best hit of each file by the sum of the file's scores, relative to the file with the largest sum."""
    totals: dict[str, float] = {}
    best: dict[str, int] = {}
    for item, score in scores.items():
        path = entries[item].path
        totals[path] = totals.get(path, 0.0) + score
        if path not in best or score > scores[best[path]]:
            best[path] = item
    strongest, top = max(totals.values(), default=1.0), max(scores.values(), default=0.0)
    for path, item in best.items():
        scores[item] += _COHERENCE_BOOST * top * totals[path] / strongest


def _damp_repeats(ordered: list[tuple[Entry, float]]) -> list[tuple[Entry, float]]:
    """Halve the score of each further hit of a file, and sort again."""
    seen: dict[str, int] = {}
    damped = []
    for entry, score in ordered:
        damped.append((entry, score * _REPEAT_DECAY ** seen.get(entry.path, 0)))
        seen[entry.path] = seen.get(entry.path, 0) + 1
    return sorted(damped, key=lambda pair: -pair[1])
