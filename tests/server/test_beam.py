"""Beam search, over next-token functions small enough to reckon by hand."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.bundle.manifest import Rules
from sprig_server.errors import Cancelled
from sprig_server.inference.beam import BeamSettings, beam_search, log_softmax
from sprig_server.inference.rules import penalize

START, END = 0, 1


class Tree:
    """A next-token function from probabilities by prefix; keeps the prefix of each row as a cache would."""

    def __init__(self, table, vocabulary):
        self.table = table
        self.vocabulary = vocabulary
        self.prefixes = [()]
        self.calls = 0

    def __call__(self, tokens, parents):
        if self.calls:
            self.prefixes = [(*self.prefixes[p], int(t)) for p, t in zip(parents, tokens, strict=True)]
        else:
            assert (tokens.tolist(), parents.tolist()) == ([START], [0])
        self.calls += 1
        rows = [self.table(prefix) for prefix in self.prefixes]
        return np.log(np.array(rows, dtype=np.float64)).astype(np.float32) + 3.0  # logits have any offset


def tree(table, vocabulary=4):
    tiny = 1e-12

    def probabilities(prefix):
        row = table.get(prefix, {END: 1.0})
        return [max(row.get(token, 0.0), tiny) for token in range(vocabulary)]

    return Tree(probabilities, vocabulary)


# Greedy takes 2 and then finds nothing good; 3 is less likely at first and certain from then on.
TRAP = {
    (): {2: 0.6, 3: 0.4},
    (2,): {2: 0.35, 3: 0.35, END: 0.3},
    (2, 2): {END: 1.0},
    (3,): {3: 1.0},
    (3, 3): {END: 1.0},
}


def search(step, **options):
    read, stop = options.pop("read", [START]), options.pop("stop", lambda: False)
    return beam_search(step, read, BeamSettings(**{"ends": {END}, "max_new_tokens": 8} | options), stop)


def test_greedy_follows_the_likeliest_token():
    found = search(tree(TRAP))
    assert found.tokens == (2, 2)
    assert found.score == pytest.approx((log(0.6) + log(0.35) + log(1.0)) / 3, abs=1e-6)


def test_two_beams_find_the_path_that_greedy_misses():
    found = search(tree(TRAP), beams=2)
    assert found.tokens == (3, 3)
    assert found.score == pytest.approx(log(0.4) / 3, abs=1e-6)


def test_the_score_is_the_mean_over_the_tokens_and_the_end():
    found = search(tree({(): {2: 0.5, END: 0.1}, (2,): {END: 0.25, 3: 0.05}}))
    total = [0.5 / 0.6, 0.25 / 0.3]
    assert found.tokens == (2,)
    assert found.score == pytest.approx(sum(map(log, total)) / 2, abs=1e-5)


def test_an_end_at_once_is_an_empty_sequence():
    step = tree({(): {END: 0.9, 2: 0.1}})
    assert search(step).tokens == ()
    assert step.calls == 1


def test_a_better_sequence_that_ends_later_wins_over_one_that_ended():
    table = {(): {END: 0.4, 2: 0.6}, (2,): {3: 1.0}, (2, 3): {END: 1.0}}
    found = search(tree(table), beams=2)
    assert found.tokens == (2, 3)
    assert found.score == pytest.approx(log(0.6) / 3, abs=1e-6)


def test_a_sequence_that_ended_better_than_every_open_one_so_far_is_the_answer():
    step = tree({(): {END: 0.6, 2: 0.4}, (2,): {3: 1.0}, (2, 3): {END: 1.0}})
    assert search(step, beams=2).tokens == ()
    assert step.calls == 1


@pytest.mark.parametrize("beams", [1, 2, 5])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_more_tokens_than_allowed(beams, limit):
    endless = Tree(lambda prefix: [1e-12, 1e-12, 0.7, 0.3], 4)
    found = search(endless, beams=beams, max_new_tokens=limit)
    assert found.tokens == (2,) * limit
    assert endless.calls == limit
    assert found.score == pytest.approx(log(0.7), abs=1e-5)


def test_no_step_is_taken_once_the_answer_is_certain():
    step = tree({(): {2: 1.0}, (2,): {END: 1.0}})
    assert search(step, beams=3).tokens == (2,)
    assert step.calls == 2


def test_stopping_ends_the_search_before_the_next_step():
    answers = iter([False, False, True])
    step = Tree(lambda prefix: [1e-12, 1e-12, 0.5, 0.5], 4)
    with pytest.raises(Cancelled):
        search(step, stop=lambda: next(answers))
    assert step.calls == 2


def test_stopping_at_once_takes_no_step():
    step = tree(TRAP)
    with pytest.raises(Cancelled):
        search(step, stop=lambda: True)
    assert step.calls == 0


def test_more_beams_than_there_are_candidates():
    assert search(tree(TRAP), beams=50).tokens == (3, 3)


def random_table(seed, vocabulary):
    """Probabilities that are fixed by the prefix and the seed."""

    def probabilities(prefix):
        return np.random.default_rng([seed, len(prefix), *prefix]).dirichlet(np.ones(vocabulary))

    return probabilities


def brute_force(table, vocabulary, limit):
    """(mean, tokens) of the best sequence, but no further than where an ended one beats every open one."""
    others = [token for token in range(vocabulary) if token != END]
    opened = [(0.0, ())]
    ended = []
    for length in range(1, limit + 1):
        ended += [((total + log(table(tokens)[END])) / length, tokens) for total, tokens in opened]
        opened = [(total + log(table(tokens)[token]), (*tokens, token)) for total, tokens in opened for token in others]
        total, tokens = max(opened)
        if max(ended)[0] >= total / length:
            return max(ended)
    return total / limit, tokens


@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(1, 3))
def test_with_enough_beams_nothing_better_exists(seed, vocabulary, limit):
    table = random_table(seed, vocabulary)
    score, tokens = brute_force(table, vocabulary, limit)
    found = search(Tree(table, vocabulary), beams=vocabulary**limit, max_new_tokens=limit)
    assert (found.tokens, found.score) == (tokens, pytest.approx(score, abs=1e-5))


@given(st.integers(0, 10_000))
def test_the_score_is_that_of_the_tokens(seed):
    table = random_table(seed, 5)
    found = search(Tree(table, 5), beams=3, max_new_tokens=6)
    path = [*found.tokens, END] if len(found.tokens) < 6 else list(found.tokens)
    total = sum(log(table(tuple(path[:place]))[token]) for place, token in enumerate(path))
    assert found.score == pytest.approx(total / len(path), abs=1e-5)
    assert END not in found.tokens


@given(st.integers(0, 10_000))
def test_one_beam_is_the_path_of_best_tokens(seed):
    table = random_table(seed, 5)
    path = []
    while len(path) < 6 and (best := int(np.argmax(table(tuple(path))))) != END:
        path.append(best)
    assert search(Tree(table, 5), max_new_tokens=6).tokens == tuple(path)


def test_log_softmax():
    logits = np.array([[0.0, log(3.0)], [1000.0, 1000.0]], dtype=np.float32)
    np.testing.assert_allclose(np.exp(log_softmax(logits)), [[0.25, 0.75], [0.5, 0.5]], atol=1e-6)


def test_no_run_of_tokens_stands_twice():
    """The likeliest continuation goes round and round; blocked, it must take the next best way out."""
    from sprig_server.inference.beam import repeating_tokens

    assert repeating_tokens((1, 2, 3, 1, 2), 3) == [3]
    assert repeating_tokens((1, 2, 1, 2, 1), 2) == [2, 2]
    assert repeating_tokens((5,), 1) == [5]
    assert repeating_tokens((1, 2), 3) == []
    assert repeating_tokens((1, 2, 1), 0) == []

    def step(tokens, parents):
        logits = np.full((len(tokens), 4), -9.0, dtype=np.float32)
        logits[np.arange(len(tokens)), np.where(tokens == 1, 2, 1)] = 5.0  # 1 2 1 2 ...
        logits[:, 3] = 0.0
        return logits

    assert search(step, read=[0], ends={3}).tokens == (1, 2, 1, 2, 1, 2, 1, 2)
    assert search(step, read=[0], ends={3}, no_repeat=3).tokens == (1, 2, 1, 2)


def test_any_of_several_ends_ends_a_sequence():
    table = {(): {2: 1.0}, (2,): {END: 0.2, 3: 0.5, 2: 0.3}, (2, 3): {2: 1.0}}
    assert search(tree(table), ends={END, 3}).tokens == (2,)
    assert search(tree(table), ends={END}, max_new_tokens=2).tokens == (2, 3)


def test_rows_that_only_end_leave_the_other_beams_open():
    table = {(): {END: 0.3, 3: 0.4, 2: 0.3}, (2,): {2: 1.0}, (2, 2): {END: 1.0}}
    assert search(tree(table), ends={END, 3}, beams=2).tokens in {(), (2, 2)}


@pytest.mark.parametrize("beams", [1, 3])
def test_rules_hold_in_every_beam(beams):
    table = {(): {2: 0.6, 3: 0.4}, (2,): {2: 0.9, 3: 0.1}, (3,): {2: 0.9, 3: 0.1}}

    def written(**rules):
        return search(tree(table, 5), beams=beams, max_new_tokens=4, rules=Rules(**rules)).tokens

    assert written(first=4)[0] == 4
    assert 2 not in written(never=(2,))
    assert written(never_first=(2,))[0] == 3
    assert written(never_first=(2,), first=2)[:2] != (2, 2)
    assert (2, 2) not in zip(written(never_runs=((2, 2),)), written(never_runs=((2, 2),))[1:], strict=False)


def test_a_summary_of_full_length_ends_as_the_rules_say():
    endless = tree({}, 4)
    endless.table = lambda prefix: [1e-12, 0.1, 0.6, 0.3]
    assert search(endless, max_new_tokens=3).tokens == (2, 2, 2)
    again = tree({}, 4)
    again.table = endless.table
    found = search(again, max_new_tokens=3, rules=Rules(last=END))
    assert found.tokens == (2, 2)
    assert found.score == pytest.approx(2 * log(0.6) / 3, abs=1e-5), "what has to be is certain"


def test_what_was_read_or_written_is_penalized_whatever_its_sign():
    logits = np.array([[2.0, -2.0, 1.5, -2.5]], dtype=np.float32)
    assert penalize(logits, [(0, 1, 0)], Rules(repetition=2.0)).tolist() == [[1.0, -4.0, 1.5, -2.5]]
    assert penalize(logits, [(0, 1)], Rules()) is logits
