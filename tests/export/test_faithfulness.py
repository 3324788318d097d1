"""Faithfulness and defects of sentences, which need no reference."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_export.evaluate.faithfulness import Written, defects, faithfulness, score_faithfulness

CODE = "def merge(rows, other):\n    rows.extend(other)\n    rows.sort(key=str.lower)\n    return rows"
ENGLISH = frozenset({"carrots", "quickly"})


@pytest.mark.parametrize(
    ("sentence", "share", "wrong"),
    [
        ("Merges the rows and sorts them by their lower key.", 1.0, ()),
        ("Merges the carrots quickly.", 0.0, ()),
        ("Merges rows of the list of carrots.", 2 / 3, ()),
        ("Merges the content to the content of the content.", 1.0, ("content twice",)),
        ("Merges rows and sorted rows.", 1.0, ()),  # the code has them more than once too
        ("Rows that are extended.", 1.0, ("no verb",)),
        ("Merges the hridbrid rows.", 0.5, ("hridbrid is no word",)),
        ("Does it.", 0.0, ("no verb", "says nothing")),
        ("", 0.0, ("no verb", "says nothing")),
    ],
)
def test_sentences(sentence: str, share: float, wrong: tuple[str, ...]) -> None:
    written = Written(sentence, "merge", CODE)
    assert faithfulness(written) == pytest.approx(share)
    assert defects(written, ENGLISH) == wrong


def test_scores_are_means() -> None:
    good, bad = Written("Merges the rows.", "merge", CODE), Written("Rows of carrots.", "merge", CODE)
    assert score_faithfulness([good, bad], ENGLISH) == {"faithfulness": 0.5, "defects": 0.5}
    assert all(map(math.isnan, score_faithfulness([], ENGLISH).values()))


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_can_be_judged(sentence: str, code: str) -> None:
    written = Written(sentence, "f", code)
    assert 0.0 <= faithfulness(written) <= 1.0
    assert len(set(defects(written, ()))) == len(defects(written, ()))
