"""Trimmers: what stays of a function, by the golden examples of the papers and by what holds for all of them."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.bundle.importance import parse_importance, render_importance
from sprig_server.code.statements import CLASSES, Statements, split_statements
from sprig_server.code.text import search_input, search_passage, summary_passage
from sprig_server.errors import InvalidBundle
from sprig_server.trim.baselines import trim_random, trim_tail
from sprig_server.trim.collect import Collector, cls_attention, cross_attention
from sprig_server.trim.dietcode import fill_knapsack, trim_diet
from sprig_server.trim.importance import Importance
from sprig_server.trim.leancode import drop_lowest, trim_lean
from sprig_server.trim.methods import WITHOUT_TABLE, make_trimmer
from sprig_server.trim.novelty import novelty_table, occurrences, trim_novel
from sprig_server.trim.slimcode import trim_slim
from sprig_server.trim.tokens import Tokens, kept_count, place_tokens
from sprig_server.types import TrimMethod

SLIM = "int add ( int a , int b ) { if ( a > b ) { return foo ( a ) ; } return b ; }"
SLIM_NEXT = ["return", "return", "if", "foo", "b", "a", "b", "a", "b", "int", "a", "int", "add", "int"]


def words_of(text: str, statements: Statements, language: str = "java") -> Tokens:
    """A text in words, each a token with a number of its own."""
    found = list(re.finditer(r"\S+", text))
    numbers: dict[str, int] = {}
    ids = [numbers.setdefault(match[0], len(numbers)) for match in found]
    return place_tokens(search_passage(text, 0, language), ids, [match.span() for match in found], statements)


def parsed(text: str, language: str) -> Tokens:
    return words_of(text, split_statements(text, language), language)


def table_of(tokens: Tokens, weights: dict[str, dict[str, float]]) -> Importance:
    """The table with these weights by class and word, as if each had been seen once."""
    ids = dict(zip(tokens.pieces(), tokens.ids.tolist(), strict=True))
    size = max(ids.values()) + 1
    entries = sorted(
        (CLASSES.index(category) * size + ids[word], weight)
        for category, own in weights.items()
        for word, weight in own.items()
    )
    keys, means = (np.array(column) for column in zip(*entries, strict=True))
    return Importance(size, keys, means.astype(np.float32), np.zeros_like(means, np.float32), np.ones_like(keys))


def joined(tokens: Tokens, kept: np.ndarray) -> str:
    pieces = tokens.pieces()
    return " ".join(pieces[place] for place in kept)


@pytest.mark.parametrize(
    ("ratio", "left"),
    [
        (0.1, "public int add ( int a ) return a + b ;"),
        (0.3, "public int add int a return a + b"),
        (0.5, "public add int a return a b"),
    ],
)
def test_lean_golden(ratio: float, left: str) -> None:
    """`a` was never seen in a signature: it weighs 1 and stays longest. Of equals the earlier goes first."""
    text = "public int add ( int a ) { return a + b ; }"
    ends = {"method": text.index("{") + 1, "return": text.index(";") + 1, "none": len(text)}
    begins = [0, *ends.values()]
    columns = begins[:-1], list(ends.values()), [CLASSES.index(name) for name in ends]
    statements = Statements(*(np.array(column) for column in columns))
    tokens = words_of(text, statements)
    weights = {
        "method": {"public": 0.5, "int": 0.1, "add": 0.9, "(": 0.02, ")": 0.02, "{": 0.01},
        "return": {"return": 0.2, "a": 0.3, "+": 0.05, "b": 0.3, ";": 0.01},
        "none": {"}": 0.001},
    }
    kept = trim_lean(tokens, kept_count(len(tokens), ratio), table_of(tokens, weights).faithful())
    assert joined(tokens, kept) == left


def test_diet_golden() -> None:
    """The knapsack is filled over its brim by the longest statement; then the lowest words go."""
    values, lengths = [4.1e-3, 2.4e-3, 2.5e-3, 3.4e-3], [5, 6, 4, 3]
    assert fill_knapsack(lengths, values, 8 + 6) == [0, 2, 3]
    assert fill_knapsack(lengths, values, 8) == [0, 3]
    names = ("method", "variable", "if", "return")
    owner = np.repeat(np.arange(4), lengths)
    classes = np.array([CLASSES.index(name) for name in names])[owner]
    places = np.arange(len(owner))
    tokens = Tokens("x" * len(owner), "java", places, places, places, places + 1, owner, classes)
    means = np.ones(len(owner))
    means[[1, 12, 13, 16]] = [0.4, 0.1, 0.2, 0.3]
    kept = trim_diet(tokens, 8, means, dict(zip(names, values, strict=True)))
    assert kept.tolist() == [0, 2, 3, 4, 11, 14, 15, 17]


@pytest.mark.parametrize("removed", range(len(SLIM_NEXT) + 1))
def test_slim_golden(removed: int) -> None:
    """Symbols first, then by level, each from the end backwards; the signature last."""
    tokens = parsed(SLIM, "java")
    words = ["int", "add", "int", "a", "int", "b", "if", "a", "b", "return", "foo", "a", "return", "b"]
    left = joined(tokens, trim_slim(tokens, 14 - removed)).split()
    assert sorted(left + SLIM_NEXT[:removed]) == sorted(words)


TRIMMERS = {
    "lean": lambda tokens, count: trim_lean(tokens, count, np.random.default_rng(0).random((len(CLASSES), 99))),
    "diet": lambda tokens, count: trim_diet(tokens, count, np.random.default_rng(0).random(99)),
    "slim": trim_slim,
    "novelty": lambda tokens, count: trim_novel(tokens, count, np.random.default_rng(0).random(99)),
    "tail": trim_tail,
    "random": trim_random,
}
LINES = [
    "int a = f(b, 1);",
    "if (a > b) {",
    "}",
    "return a;",
    "// note",
    "for (;;) {",
    "log.info(a);",
    "x += y;",
    "é ¿",
]


@given(
    lines=st.lists(st.sampled_from(LINES), max_size=12), ratio=st.floats(0, 0.99), name=st.sampled_from(list(TRIMMERS))
)
def test_what_stays_is_a_part_in_its_order(lines: list[str], ratio: float, name: str) -> None:
    tokens = parsed("void f() {\n" + "\n".join(lines), "java")
    count = kept_count(len(tokens), ratio)
    kept = TRIMMERS[name](tokens, count)
    assert kept.dtype == np.int64
    assert len(kept) == count or (name == "diet" and len(kept) <= count), (
        "DietCode may leave room that no statement fits"
    )
    assert (np.diff(kept) > 0).all()
    assert not len(kept) or (kept[0] >= 0 and kept[-1] < len(tokens))
    assert kept.tolist() == TRIMMERS[name](tokens, count).tolist(), "the same again"


@given(
    lines=st.lists(st.sampled_from(LINES), max_size=12),
    name=st.sampled_from(["lean", "slim", "tail", "random", "novelty"]),
)
def test_less_is_a_part_of_more(lines: list[str], name: str) -> None:
    tokens = parsed("\n".join(lines), "java")
    kept = [set(TRIMMERS[name](tokens, kept_count(len(tokens), ratio)).tolist()) for ratio in (0.0, 0.1, 0.3, 0.5, 0.9)]
    assert kept[0] == set(range(len(tokens)))
    assert all(less <= more for more, less in pairwise(kept))


@pytest.mark.parametrize("n", [10, 30, 70])
def test_shares_are_those_of_arithmetic(n: int) -> None:
    assert [kept_count(n, ratio) for ratio in (0.1, 0.2, 0.3, 0.4, 0.5)] == [n * k // 10 for k in (9, 8, 7, 6, 5)]


def test_something_always_stays() -> None:
    assert [kept_count(n, 0.99) for n in (0, 1, 5)] == [0, 1, 1]
    assert [kept_count(n, 0.5, 32) for n in (0, 9, 32, 50, 64, 90)] == [0, 9, 32, 32, 32, 45]
    with pytest.raises(ValueError, match="not a share of tokens"):
        kept_count(5, 1.0)


@given(st.lists(st.integers(0, 5)))
def test_occurrences_are_counted(ids: list[int]) -> None:
    expected = [ids[:place].count(number) for place, number in enumerate(ids)]
    assert occurrences(np.array(ids, dtype=np.int64)).tolist() == expected


def test_novelty_drops_repetitions_and_what_comes_late() -> None:
    tokens = parsed("total = start + step\nreturn total", "python")
    left = [joined(tokens, trim_novel(tokens, count, np.ones(6))) for count in (6, 5, 3)]
    assert left == ["total = start + step return", "total = start + step", "total = start"]
    weights = novelty_table(np.array([0.0, 0.0025, 0.09, 0.0025, 0.09, 0.09]))  # the operators get little
    assert weights[0] == pytest.approx(np.sqrt(0.055)), "what was never seen is like the average"
    assert joined(tokens, trim_novel(tokens, 4, weights)) == "total start step return"


@pytest.mark.parametrize("method", get_args(TrimMethod))
def test_every_method_has_a_trimmer(method: TrimMethod) -> None:
    tokens = parsed("x = 1\nreturn x", "python")
    collector = Collector(9)
    collector.add(tokens, np.arange(5.0))
    kept = make_trimmer(method, collector.finish())(tokens, 3)
    assert len(kept) == (5 if method == "none" else 3)
    if method not in (*WITHOUT_TABLE, "none"):
        with pytest.raises(ValueError, match="needs a table"):
            make_trimmer(method, None)


@given(st.lists(st.integers(0, 3), max_size=20), st.floats(0.01, 1.0), st.integers(0, 20))
def test_only_the_order_of_weights_counts(weights: list[int], factor: float, count: int) -> None:
    found, count = np.array(weights, dtype=np.float64), min(count, len(weights))
    assert drop_lowest(found, count).tolist() == drop_lowest(factor * found, count).tolist()
    assert drop_lowest(np.ones(len(weights)), count).tolist() == list(range(len(weights) - count, len(weights)))


def test_attention_of_heads_is_averaged_before_the_maximum() -> None:
    two_targets = np.array([[[0.1, 0.7], [0.6, 0.2]]])
    assert cross_attention(two_targets).tolist() == [0.6, 0.7]
    heads = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert cross_attention(heads).tolist() == [0.5, 0.5]
    assert cls_attention(np.array([[[0.2, 0.8], [0.5, 0.5]], [[0.4, 0.6], [0.5, 0.5]]])).tolist() == pytest.approx(
        [0.3, 0.7]
    )


def test_a_table_is_the_mean_over_what_was_seen() -> None:
    tokens = parsed("x = 1\nreturn x", "python")
    collector = Collector(9)
    collector.add(tokens, np.array([0.2, 0.1, 0.3, 0.5, 0.4]))
    collector.add(tokens, np.array([0.4, 0.1, 0.3, 0.5, 0.0]))
    table = collector.finish()
    x, variable, returned = tokens.ids[0], CLASSES.index("variable"), CLASSES.index("return")
    assert table.faithful()[variable, x] == pytest.approx(0.3)
    assert table.faithful()[returned, x] == pytest.approx(0.2)
    assert table.faithful()[CLASSES.index("if"), x] == 1.0, "never seen"
    assert table.class_means()[variable] == pytest.approx(1.4 / 6)
    assert table.variances[np.flatnonzero(table.keys == variable * 9 + x)] == pytest.approx([0.01])


def test_what_was_seen_too_rarely_is_estimated() -> None:
    """From the token in all classes, else from its class; a class that was never seen keeps its tokens."""
    tokens = parsed("x = 1\nreturn x", "python")
    collector = Collector(9)
    for _ in range(4):
        collector.add(tokens, np.array([0.2, 0.1, 0.3, 0.5, 0.4]))
    table = collector.finish().backed_off()
    x, equals, variable = tokens.ids[0], tokens.ids[1], CLASSES.index("variable")
    assert table[variable, x] == pytest.approx(0.3), "8 times in all, 4 times here: the token's mean"
    assert table[variable, equals] == pytest.approx(0.2), "4 times in all: the mean of its class"
    assert table[CLASSES.index("if"), equals] == 1.0
    assert table[CLASSES.index("if"), x] == pytest.approx(0.3)


def test_tables_come_back_as_they_were_and_damage_is_named() -> None:
    collector = Collector(9)
    collector.add(parsed("x = 1\nreturn x", "python"), np.arange(5.0))
    table = collector.finish()
    again = parse_importance(render_importance(table))
    assert (again.faithful() == table.faithful()).all()
    assert (again.counts == table.counts).all()
    data = render_importance(table)
    outside = Importance(1, np.array([99]), *(array[:1] for array in (table.means, table.variances, table.counts)))
    for damaged in (b"", data[: len(data) // 2], render_importance(outside)):
        with pytest.raises(InvalidBundle, match=r"importance\.npz .*export the bundle again"):
            parse_importance(damaged)


@given(lines=st.lists(st.sampled_from(["", "  ", "\tdef f(x):", "    return  x ", "é = 1\r"]), max_size=8))
def test_what_a_model_reads_knows_where_it_stands_in_the_code(lines: list[str]) -> None:
    code = "\n".join(lines)
    text = search_input(code, "Says it.", "a.f")
    for passage in (search_passage(text, len(text) - len(code), "python"), summary_passage(code, "python")):
        origins = passage.origins(np.arange(len(passage.text)))
        pairs = [(mine, code[place]) for mine, place in zip(passage.text, origins.tolist(), strict=True) if place >= 0]
        assert all(mine == there or (mine == "\n" and there.isspace()) for mine, there in pairs)
        assert "".join(mine for mine, _ in pairs).split() == code.split()


def test_special_tokens_and_what_stands_before_the_code_are_no_tokens_of_it() -> None:
    code = "x = 1\n    return x"
    passage = summary_passage(code, "python")
    found = list(re.finditer(r"\S+", passage.text))
    spans = [(0, 0), *(match.span() for match in found), (0, 0)]
    tokens = place_tokens(passage, list(range(len(spans))), spans, split_statements(code, "python"))
    assert tokens.pieces() == ["x", "=", "1", "return", "x"]
    assert tokens.places.tolist() == [2, 3, 4, 5, 6], "behind the special token and the language's tag"
    assert [CLASSES[number] for number in tokens.classes] == ["variable"] * 3 + ["return"] * 2
