"""From two ranked lists to one. What each rule is worth may change; which way it pulls may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.index.ranking import fuse, rank
from sprig_server.index.store import Entry


def entry(number, name="other", path=None, kind="function", line=1):
    path = path if path is not None else f"file{number}.py"
    return Entry(path, name.split(".")[-1], name, kind, "python", line, line + 3, f"content{number}", False, number)


def ranked(query, *candidates, scores=None):
    """Names of the candidates as they are ranked; without scores they are all equally good to begin with."""
    entries = {e.id: e for e in candidates}
    given = dict(zip(entries, scores or [0.5] * len(entries), strict=True))
    return [e.id for e, _ in rank(query, given, entries)]


def test_fusion_adds_reciprocal_ranks():
    scores = fuse([[1, 2, 3], [3, 1]])
    assert scores == pytest.approx({1: (1 + 61 / 62) / 2, 2: 61 / 62 / 2, 3: (61 / 63 + 1) / 2})


def test_first_in_all_lists_is_one():
    assert fuse([[7, 8], [7], [7, 9]])[7] == pytest.approx(1.0)
    assert fuse([[7]]) == {7: 1.0}
    assert fuse([]) == fuse([[]]) == {}


def test_two_good_ranks_beat_one_best():
    scores = fuse([[1, 2], [3, 2]])
    assert max(scores, key=scores.get) == 2


@given(st.lists(st.lists(st.integers(0, 20), unique=True), max_size=4))
def test_fused_scores_are_positive_and_at_most_one_and_keep_agreed_orders(rankings):
    scores = fuse(rankings)
    assert set(scores) == {item for ranking in rankings for item in ranking}
    assert all(0 < score <= 1 + 1e-9 for score in scores.values())
    for a in scores:
        for b in scores:
            if all(a in r and b in r and r.index(a) < r.index(b) for r in rankings):
                assert scores[a] > scores[b]


def test_without_anything_to_go_by_the_scores_decide():
    assert ranked("zebra", entry(1), entry(2), entry(3), scores=[0.2, 0.9, 0.5]) == [2, 3, 1]


def test_equal_scores_are_ordered_by_path():
    candidates = [entry(1, path="b.py"), entry(2, path="a.py"), entry(3, path="c.py")]
    assert ranked("zebra", *candidates) == [2, 1, 3]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("parse a url", "parse_url"),
        ("parsing urls", "parse_url"),
        ("how do I parse a url?", "parseURL"),
        ("encode text", "Encoder.encode"),
    ],
)
def test_a_name_with_words_of_the_question_comes_first(query, name):
    assert ranked(query, entry(1), entry(2, name), scores=[0.5, 0.45]) == [2, 1]


def test_more_of_the_name_in_the_question_is_better():
    candidates = [
        entry(1, "parse_header_line_again"),
        entry(2, "parse_header_line"),
        entry(3, "parse_header"),
    ]
    assert ranked("parse a header", *candidates) == [3, 2, 1]


@pytest.mark.parametrize("query", ["parse_url", "parseUrl", "PARSE_URL", "parse_url()", "where is parse_url defined"])
def test_a_definition_that_is_asked_for_by_its_name_beats_what_mentions_it(query):
    name = "parseUrl" if "Url" in query else "parse_url"
    assert ranked(query, entry(1, name + "_list"), entry(2, name), scores=[0.9, 0.5]) == [2, 1]


def test_a_single_plain_word_asks_for_a_name():
    assert ranked("session", entry(1, "close_session"), entry(2, "Session", kind="class"), scores=[0.6, 0.5]) == [2, 1]


def test_a_module_is_not_the_definition_of_its_name():
    function, module = entry(1, "clamp_number"), entry(2, "clamp_number", kind="module")
    assert ranked("clamp_number", module, function) == [1, 2]


def test_a_file_named_like_the_question_comes_first():
    assert ranked("send mail", entry(1, path="a/util.py"), entry(2, path="z/mail.py"), scores=[0.5, 0.48]) == [2, 1]


def test_a_folder_named_like_the_question_comes_first():
    assert ranked("send mail", entry(1, path="util/a.py"), entry(2, path="zmail/mail/a.py"), scores=[0.5, 0.49]) == [
        2,
        1,
    ]


def test_what_is_left_of_a_module_comes_after_definitions():
    assert ranked("zebra", entry(1, kind="module"), entry(2), scores=[0.51, 0.5]) == [2, 1]


@pytest.mark.parametrize(
    "path",
    [
        "tests/test_mail.py",
        "src/tests/helper.py",
        "pkg/mail_test.py",
        "web/mail.test.ts",
        "web/mail.spec.js",
        "src/test/java/MailTest.java",
        "conftest.py",
        "benchmarks/speed.py",
        "examples/mail.py",
        "docs/conf.py",
        "vendor/six.py",
        "web/dist/app.js",
        "pkg/__init__.py",
        "types/mail.d.ts",
        "pkg/mail.pyi",
        "web/app.min.js",
    ],
)
def test_tests_examples_and_generated_files_come_after_real_code(path):
    assert ranked("zebra", entry(1, path=path), entry(2, path="zzz/code.py"), scores=[0.6, 0.5]) == [2, 1]


@pytest.mark.parametrize(
    "path", ["src/contest.py", "src/latest/a.py", "src/testimony.py", "src/document.py", "src/greatest.py"]
)
def test_paths_that_only_look_like_tests_are_real_code(path):
    assert ranked("zebra", entry(1, path=path), entry(2, path="zzz/code.py"), scores=[0.6, 0.5]) == [1, 2]


def test_who_asks_for_tests_gets_them():
    assert ranked("test for zebra", entry(1, path="tests/test_a.py"), entry(2, path="b.py"), scores=[0.6, 0.5]) == [
        1,
        2,
    ]


def test_further_hits_of_a_file_make_room_for_other_files():
    candidates = [entry(n, path="a.py", line=n) for n in (1, 2, 3)] + [entry(4, path="b.py")]
    assert ranked("zebra", *candidates, scores=[0.9, 0.89, 0.88, 0.7]) == [1, 4, 2, 3]


def test_the_best_hit_of_a_file_with_many_hits_is_raised():
    crowd = [entry(n, path="crowd.py", line=n) for n in (1, 2, 3, 4)]
    assert ranked("zebra", *crowd, entry(5, path="alone.py"), scores=[0.5, 0.4, 0.4, 0.4, 0.51])[0] == 1


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0.01, 1.0)), max_size=8), st.text(max_size=20))
def test_ranking_keeps_every_candidate_once_and_sorts_by_score(rows, query):
    entries = {n: entry(n, path=f"{path}.py", line=n) for n, (path, _) in enumerate(rows)}
    found = rank(query, {n: score for n, (_, score) in enumerate(rows)}, entries)
    assert sorted(e.id for e, _ in found) == sorted(entries)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_candidates_that_are_gone_are_passed_over():
    assert [e.id for e, _ in rank("zebra", {1: 0.5, 2: 0.9}, {1: entry(1)})] == [1]
    assert rank("zebra", {}, {}) == []
