"""The metric code on values that were worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_export.evaluate.metrics import rouge_l, sentence_bleu, tokenize
from sprig_export.evaluate.search import reciprocal_ranks
from sprig_export.evaluate.summaries import repeats, score_summaries

SENTENCES = st.lists(
    st.sampled_from(["the", "a", "file", "list", "opens", "sorts", "reads", "of", "."]), max_size=8
).map(" ".join)


def test_a_sentence_matches_itself():
    assert sentence_bleu("Return the sum of two numbers.", "return the SUM of two numbers .") == pytest.approx(100)


def test_bleu_by_hand():
    # 3 of 4 words match, 2+1 of 3+1 pairs, 1+1 of 2+1 triples, 0+1 of 1+1 quadruples; equal lengths.
    expected = 100 * (3 / 4 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    assert sentence_bleu("sort the list quickly", "sort the list slowly") == pytest.approx(expected)


def test_a_short_answer_is_penalised():
    # Both words match; orders above have nothing to count, (0 + 1) / (0 + 1); 2 words for 6.
    expected = 100 * math.exp(1 - 7 / 3) * (1 * 2 / 2 * 1 * 1) ** 0.25
    assert sentence_bleu("sort the", "sort the list in some order") == pytest.approx(expected)


def test_nothing_in_common_is_zero():
    assert sentence_bleu("open a socket", "sort numbers") == 0
    assert sentence_bleu("", "sort numbers") == 0
    assert rouge_l("", "sort") == 0


@given(SENTENCES, SENTENCES)
def test_scores_stay_in_range(hypothesis: str, reference: str):
    assert 0 <= sentence_bleu(hypothesis, reference) <= 100 + 1e-9
    assert 0 <= rouge_l(hypothesis, reference) <= 100 + 1e-9


def test_rouge_by_hand():
    # longest common subsequence "sort list order" (3) of 4 and 6 words: 2 * 3 / 10.
    assert rouge_l("sort list by order", "sort the list in some order") == pytest.approx(60)


def test_words_and_marks_are_tokens():
    assert tokenize("Don't (re)open x_1.") == ["don", "'", "t", "(", "re", ")", "open", "x_1", "."]


def test_ranks_count_ties_against_the_model():
    queries = np.eye(2, dtype=np.float32)
    candidates = np.array([[1, 0], [1, 0], [0, 1], [0.5, 0.5]], dtype=np.float32)
    assert reciprocal_ranks(queries, candidates, [0, 2]).tolist() == [1 / 2, 1]
    assert reciprocal_ranks(queries, candidates, [3, 3]).tolist() == [1 / 3, 1 / 2]


def test_repetition_is_seen():
    assert repeats("the the The list")
    assert not repeats("the list the list the list")
    assert score_summaries(["a a a", "b"], ["x", "b"])["repeats"] == 0.5
