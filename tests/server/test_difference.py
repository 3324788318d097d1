"""Where a place of a text was in the version before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.code.difference import difference, old_offset

TEXTS = st.text(alphabet="ab (\n", max_size=30)


@given(TEXTS, TEXTS)
def test_outside_of_the_difference_texts_are_equal(old, new):
    changed = difference(old, new)
    assert old[: changed.start] == new[: changed.start]
    assert old[changed.old_end :] == new[changed.new_end :]
    assert changed.start <= min(changed.old_end, changed.new_end)


@given(TEXTS, TEXTS)
def test_equal_texts_have_no_difference(old, new):
    changed = difference(old, new)
    assert (changed.start == changed.old_end == changed.new_end) == (old == new)


@given(TEXTS, st.integers(0, 30), TEXTS, st.integers(0, 40))
def test_a_place_is_of_the_same_word_in_both_texts(old, at, inserted, offset):
    new = old[:at] + inserted + old[at:]
    offset = min(offset, len(new))
    before = old_offset(old, new, offset)
    if before is not None:
        assert 0 <= before <= len(old)
        assert new[offset : offset + 1].isalnum() == old[before : before + 1].isalnum()
        assert word(new, offset) == word(old, before)


def word(text, offset):
    """The letters right around an offset."""
    first, last = offset, offset
    while first and text[first - 1].isalnum():
        first -= 1
    while last < len(text) and text[last].isalnum():
        last += 1
    return text[first:last]


@pytest.mark.parametrize(
    ("old", "new", "marker", "found"),
    [
        ("send(x)\nread(y)", "send(x)\n\nread(y)", "read", "read"),
        ("send(x)\nread(y)", "send(x)\nread(yes)", "send", "send"),
        ("send(x)", "sender(x)", "sender", None),
        ("send(x)", "resend(x)", "resend", None),
        ("", "send(x)", "send", None),
        ("a = 1\nsend(x)", "send(x)", "send", "send"),
        ("resend(x)", "send(x)", "send", None),
        ("sender(x)", "send(x)", "send", None),
    ],
)
def test_a_word_that_was_typed_at_has_no_place_in_the_text_before(old, new, marker, found):
    for offset in range(new.index(marker), new.index(marker) + len(marker)):
        before = old_offset(old, new, offset)
        assert (before is None) == (found is None)
        if before is not None:
            assert word(old, before) == found
