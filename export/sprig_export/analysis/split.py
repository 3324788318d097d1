"""Splitting words for training, choosing and testing: balanced, and no word type in two splits.

A probe that has seen "return" in training memorizes it as a keyword. Whether activations show that a word is a keyword
can be tested only with unseen words (Sharma et al., on redundancy and concepts of code models).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sprig_server.errors import InvalidInput

Split = Literal["train", "dev", "test"]

_SPLITS: tuple[Split, ...] = ("train", "dev", "test")
# Of five neighbours in frequency, one is for testing and one for choosing. If fewer are left, the first entries are
# used.
_PATTERN: tuple[Split, ...] = ("train", "test", "dev", "train", "train")
_LEAST_TYPES = 3  # word types of a class in training; with fewer, the class would be a list of words
_LEAST_SHARE = 0.25  # the least share of the requested words; a class with fewer is left out


@dataclass(frozen=True, slots=True)
class Sizes:
    """The numbers of words of each class for training, choosing and testing."""

    train: int
    dev: int
    test: int


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The drawn words as row numbers, int64: equally many of each class in `train`, `dev` and `test`.

    `seen` contains further occurrences of word types in `train`, also balanced; it may be empty. `split_of` gives the
    split of every word type. `left_out` gives the reason for each missing class.
    """

    classes: tuple[str, ...]
    train: NDArray[np.int64]
    seen: NDArray[np.int64]
    dev: NDArray[np.int64]
    test: NDArray[np.int64]
    split_of: dict[str, Split]
    left_out: dict[str, str]


def draw_sample(types: Sequence[str], labels: Sequence[str], classes: Sequence[str], sizes: Sizes, seed: int) -> Sample:
    """A balanced sample of words.

    A class is left out if it has less than a quarter of the requested words in some split, or fewer than three word
    types in training. All others are cut to the size of the smallest. Every type of a class occurs once before one
    occurs twice.

    Args:
        types: the word type of each word.
        labels: the class of each word, one of `classes`.

    Raises:
        InvalidInput: fewer than two classes are left.
    """
    split_of = split_types(types, labels, seed)
    pools: dict[str, dict[Split, list[int]]] = {name: {split: [] for split in _SPLITS} for name in classes}
    for row, (kind, label) in enumerate(zip(types, labels, strict=True)):
        pools[label][split_of[kind]].append(row)
    rows: dict[str, dict[Split, NDArray[np.int64]]] = {}
    left_out = {}
    wanted: dict[Split, int] = {"train": sizes.train, "dev": sizes.dev, "test": sizes.test}
    for name, pool in pools.items():
        if reason := _too_few(pool, types, wanted):
            left_out[name] = reason
        else:
            rows[name] = {split: _in_turn(own, types) for split, own in pool.items()}
    if len(rows) < 2:
        raise InvalidInput(
            "the corpus has too few words to tell classes apart: "
            + "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        )
    # If words for training are scarce, a part of them is reserved for `seen`.
    share = sizes.train / (sizes.train + sizes.test)
    train = [found["train"][: math.ceil(share * len(found["train"]))] for found in rows.values()]
    drawn = {split: _balanced([found[split] for found in rows.values()], wanted[split]) for split in ("dev", "test")}
    drawn["train"] = _balanced(train, sizes.train)
    known, used = {types[row] for row in drawn["train"]}, set(drawn["train"].tolist())
    again = [
        _in_turn([row for row in found["train"].tolist() if types[row] in known and row not in used], types)
        for found in rows.values()
    ]
    seen = _balanced(again, sizes.test)
    return Sample(tuple(rows), drawn["train"], seen, drawn["dev"], drawn["test"], split_of, left_out)


def split_types(types: Sequence[str], labels: Sequence[str], seed: int) -> dict[str, Split]:
    """A split for each word type, in all classes it occurs in.

    The types of a class (the one they occur in most) are ordered by frequency, and each five in a row are assigned at
    random, so that every split gets frequent and rare types.
    """
    counts = Counter(types)
    by_label: dict[str, Counter[str]] = {}
    for kind, label in zip(types, labels, strict=True):
        by_label.setdefault(label, Counter())[kind] += 1
    members: dict[str, list[str]] = {label: [] for label in sorted(by_label)}
    for kind in sorted(counts, key=lambda kind: (-counts[kind], kind)):
        members[max(members, key=lambda label: by_label[label][kind])].append(kind)
    draw = np.random.default_rng(seed)
    split_of: dict[str, Split] = {}
    for own in members.values():
        for start in range(0, len(own), len(_PATTERN)):
            group = own[start : start + len(_PATTERN)]
            for kind, place in zip(group, draw.permutation(len(group)), strict=True):
                split_of[kind] = _PATTERN[place]
    return split_of


def _in_turn(rows: Iterable[int], types: Sequence[str]) -> NDArray[np.int64]:
    """Row numbers, with the first occurrence of every type before the second one of any."""
    seen: Counter[str] = Counter()
    turns = []
    for row in rows:
        turns.append((seen[types[row]], row))
        seen[types[row]] += 1
    return np.array([row for _, row in sorted(turns)], dtype=np.int64)


def _too_few(pool: Mapping[Split, Sequence[int]], types: Sequence[str], wanted: Mapping[Split, int]) -> str:
    """Why a class is left out; "" if it is not."""
    if not any(pool.values()):
        return "no such word"
    short = {split: size for split, size in wanted.items() if len(pool[split]) < max(1, _LEAST_SHARE * size)}
    if short:
        return "too few words: " + ", ".join(
            f"{len(pool[split])} of {size} for {split}" for split, size in short.items()
        )
    kinds = len({types[row] for row in pool["train"]})
    return f"only {kinds} different words for train" if kinds < _LEAST_TYPES else ""


def _balanced(groups: Sequence[NDArray[np.int64]], most: int) -> NDArray[np.int64]:
    size = min(most, *(len(rows) for rows in groups))
    return np.concatenate([rows[:size] for rows in groups])
