"""From the hidden states of tokens to one vector for a text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.inference.encoder import normalize, pool

HIDDEN = np.array([[[1, 2], [3, 4], [100, 100]], [[5, 0], [100, 100], [100, 100]]], dtype=np.float32)
MASK = np.array([[1, 1, 0], [1, 0, 0]], dtype=np.int64)


def test_the_mean_counts_tokens_and_no_padding():
    np.testing.assert_array_equal(pool(HIDDEN, MASK, "mean"), [[2, 3], [5, 0]])


def test_cls_takes_the_first_token():
    np.testing.assert_array_equal(pool(HIDDEN, MASK, "cls"), [[1, 2], [5, 0]])


def test_a_row_without_tokens_is_zero():
    np.testing.assert_array_equal(pool(HIDDEN, np.zeros_like(MASK), "mean"), np.zeros((2, 2)))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@given(seed=st.integers(0, 1000), length=st.integers(1, 8), padding=st.integers(0, 8))
def test_padding_changes_nothing(pooling, seed, length, padding):
    random = np.random.default_rng(seed)
    hidden = random.normal(size=(2, length, 4)).astype(np.float32)
    mask = np.ones((2, length), dtype=np.int64)
    padded = np.concatenate([hidden, random.normal(size=(2, padding, 4)).astype(np.float32) * 1000], axis=1)
    padded_mask = np.concatenate([mask, np.zeros((2, padding), dtype=np.int64)], axis=1)
    np.testing.assert_allclose(pool(padded, padded_mask, pooling), pool(hidden, mask, pooling), atol=1e-5)


def test_normalized_rows_have_length_one():
    found = normalize(np.array([[3, 4], [0, -2], [0, 0]], dtype=np.float32))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, -1], [0, 0]], atol=1e-6)
    assert found.dtype == np.float32


@given(st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_normalizing_forgets_the_length_only(seed, factor):
    rows = np.random.default_rng(seed).normal(size=(3, 5)).astype(np.float32)
    once = normalize(rows)
    np.testing.assert_allclose(np.linalg.norm(once, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(normalize(rows * np.float32(factor)), once, atol=1e-5)
    np.testing.assert_allclose(normalize(once), once, atol=1e-6)
