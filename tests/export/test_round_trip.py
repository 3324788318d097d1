"""The round trip: a function's rank when its sentence is the question."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sprig_export.evaluate.round_trip import find_ranks, reciprocal_mean


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_sentence_that_is_its_functions_vector_finds_it_first() -> None:
    functions = unit(np.random.default_rng(0).normal(size=(30, 8)))
    assert find_ranks(functions, functions, 200).tolist() == [1] * 30
    assert reciprocal_mean(find_ranks(functions, functions, 200)) == 1.0


def test_a_sentence_about_another_function_comes_behind_it() -> None:
    functions = np.eye(4, dtype=np.float32)
    sentences = unit(functions + 2 * functions[[1, 0, 2, 3]])
    assert find_ranks(functions, sentences, 4).tolist() == [2, 2, 1, 1]
    assert reciprocal_mean(find_ranks(functions, sentences, 4)) == 0.75


@given(st.integers(1, 12), st.integers(1, 20), st.integers(0, 5))
def test_ranks_lie_among_those_that_are_searched(n: int, among: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    functions, sentences = unit(draw.normal(size=(n, 6))), unit(draw.normal(size=(n, 6)))
    ranks = find_ranks(functions, sentences, among, seed)
    assert ((ranks >= 1) & (ranks <= min(n, among))).all()
    assert (ranks == find_ranks(functions, sentences, among, seed)).all()


def test_without_functions_there_is_no_mean() -> None:
    nothing = np.zeros((0, 4), dtype=np.float32)
    assert reciprocal_mean(find_ranks(nothing, nothing, 10)) == 0.0
