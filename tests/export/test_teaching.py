"""What a model may learn: sentences in one form, about the code alone, that stand on the function's own words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_export.corpus.grounding import content_words, ground, names_what_is_there
from sprig_export.corpus.sentence_words import VERBS
from sprig_export.corpus.teaching import conjugate, first_verb, teaching_sentence, third_person

CODE = """def read_config(path, encoding):
    with open(path, encoding=encoding) as stream:
        text = stream.read()
    settings = parse_toml(text)
    if "server" not in settings:
        raise ConfigError("no server")
    return settings
"""


def teaches(summary: str, code: str = CODE, name: str = "Loader.read_config") -> str | None:
    return teaching_sentence(summary, name, code)


@pytest.mark.parametrize(
    ("summary", "sentence"),
    [
        ("Parse the TOML settings in a file", "Parses the TOML settings in a file."),
        ("Parses the TOML text and return its settings.", "Parses the TOML text and returns its settings."),
        ("Open a path, then parse the text of the stream.", "Opens a path, then parses the text of the stream."),
        ("Raise ConfigError if the settings have no server", "Raises ConfigError if the settings have no server."),
        ("Return the settings in a directory.", None),  # no directory here
    ],
)
def test_a_sentence_takes_one_form(summary: str, sentence: str | None) -> None:
    assert teaches(summary) == sentence


@pytest.mark.parametrize(
    "summary",
    [
        "The settings of a path.",  # no verb
        "Read the config.",  # three words, which the name says
        "Read the config of a config.",  # one word again and again
        "Parse TOML settings, see the documentation of the server.",
        "TODO: parse the text of the settings.",
        "Parse the settings that you opened in the stream.",
        "Parse the settings which should have a server.",
        "Deprecated, parse the settings of the stream.",
        "Parse the <b>settings</b> of the stream.",
        "Parse the settings of the stream (a text).",
        "Parse the settings - read the text of the stream.",
        "Parse the YAML settings of a stream.",  # an acronym that is not there
        "Parse the settings of a stream in 3.5 seconds.",
        "Parse the settings of the `Session` stream.",
        "Ship orders, invoices and parcels to a warehouse.",
        "Parse the settings of the stream. It is quick.",
        " ".join(["Parse the settings of", *["the stream and"] * 8, "the path."]),
    ],
)
def test_what_teaches_nothing_or_what_is_not_there_is_left_out(summary: str) -> None:
    assert teaches(summary) is None


def test_what_is_returned_has_to_be_returned() -> None:
    assert teaches("Return the parsed settings of a stream.") is not None
    assert (
        teaches("Return the parsed settings of a stream.", CODE.replace("return settings", "self.settings = 1")) is None
    )


def test_very_short_and_very_long_functions_are_left_out() -> None:
    assert teaches("Parse the text of settings.", "def f(text): return parse(text, settings)") is None
    assert teaches("Parse the TOML settings in a file", CODE + "    text = 1\n" * 40) is None


@pytest.mark.parametrize(
    "line",
    [
        "# Parse the TOML settings in a file.",  # copied, not understood
        "raise NotImplementedError",
        "settings = (_a = text) !== null && _a !== void 0 ? _a : settings",  # written by a compiler
    ],
)
def test_code_that_says_it_already_or_shows_nothing_is_left_out(line: str) -> None:
    assert teaches("Parse the TOML settings in a file", f"{CODE}    {line}\n") is None


@pytest.mark.parametrize(
    ("verb", "form"),
    [
        ("parse", "parses"),
        ("copy", "copies"),
        ("push", "pushes"),
        ("go", "goes"),
        ("destroy", "destroys"),
        ("fix", "fixes"),
        ("pass", "passes"),
        ("catch", "catches"),
    ],
)
def test_the_third_person(verb: str, form: str) -> None:
    assert conjugate(verb) == form


@pytest.mark.parametrize(
    ("summary", "sentence"),
    [
        ("Add names and list the files", "Adds names and lists the files."),
        ("Add names and list items", "Adds names and list items."),
        ("Check name and return value of it", "Checks name and return value of it."),
        ("Remove and prune imported paths", None),
        ("Run when the plugin is attached", None),
        ("Sort the   names.\n", "Sorts the names."),
    ],
)
def test_a_second_verb_follows_the_first(summary: str, sentence: str | None) -> None:
    assert third_person(summary) == sentence


@given(st.sampled_from(sorted(VERBS)), st.lists(st.sampled_from(["the", "file", "of", "names"]), min_size=1))
def test_the_form_is_stable(verb: str, words: list[str]) -> None:
    sentence = third_person(" ".join([verb, *words]))
    if sentence is not None:
        assert third_person(sentence) == sentence
        assert first_verb(sentence) == verb
        assert sentence.endswith(".") and sentence[0].isupper()


def test_grounding_counts_what_stems_from_the_function() -> None:
    found = ground("Reads encoded parameters of a carrot directory.", "f", "def f(params, dir, encoding): ...")
    assert (found.words, found.own, found.known, found.named) == (4, 0.75, 0.75, 0.0)
    assert ground("Returns it.", "f", "return it").words == 0
    common = ground("Counts the elements of a list.", "f", "def f(n): ...")
    assert (common.own, common.known) == (0.0, 1.0)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=20))
def test_any_text_can_be_judged(sentence: str, code: str, name: str) -> None:
    found = ground(sentence, name, code)
    assert 0.0 <= found.own <= found.known <= 1.0 and 0.0 <= found.named <= 1.0
    assert found.words == len(set(content_words(sentence)))
    names_what_is_there(sentence, code)
    teaching_sentence(sentence, name, code)


@given(st.lists(st.sampled_from(["alpha", "beta_gamma", "readHTTP", "x2"]), min_size=1, max_size=6))
def test_what_is_copied_from_the_code_is_grounded(words: list[str]) -> None:
    found = ground("Returns " + " ".join(words), "f", " ".join(words))
    assert found.own == found.known == 1.0
    assert names_what_is_there("Returns " + " ".join(words), " ".join(words))
