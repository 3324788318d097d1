"""What editors send as settings, and what becomes of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.settings import HoverSettings, Settings, own_section, parse_settings


@pytest.mark.parametrize("data", [None, {}, {"threads": None}, {"hover": None}, {"hover": {"enabled": None}}])
def test_what_is_not_set_has_its_default(data):
    assert parse_settings(data) == (Settings(), ())


def test_the_defaults_are_usable():
    settings = Settings()
    assert settings.index
    assert settings.hover.enabled
    assert settings.thread_count >= 1
    assert settings.bundle_folders == ()


def test_names_are_in_camel_case():
    settings, problems = parse_settings(
        {
            "bundles": ["/models/own", "~/other"],
            "threads": 3,
            "index": False,
            "limit": 7,
            "hover": {"enabled": True, "generate": "always", "documentation": False},
        }
    )
    assert problems == ()
    assert settings == Settings(
        ("/models/own", "~/other"),
        3,
        False,
        7,
        HoverSettings(enabled=True, documentation=False, generate="always"),
    )
    assert settings.thread_count == 3
    assert settings.bundle_folders == (Path("/models/own"), Path.home() / "other")


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"threads": "4"}, "threads"),
        ({"threads": 1.5}, "threads"),
        ({"threads": True}, "threads"),
        ({"index": "yes"}, "index"),
        ({"index": 1}, "index"),
        ({"limit": []}, "limit"),
        ({"bundles": [1]}, "bundles"),
        ({"bundles": "/models/own"}, "bundles"),
        ({"hover": False}, "hover"),
        ({"hover": {"enabled": "no"}}, "hover.enabled"),
        ({"hover": {"documentation": "yes"}}, "hover.documentation"),
        ({"hover": {"generate": True}}, "hover.generate"),
        ({"hover": {"generate": "sometimes"}}, "hover.generate"),
        ({"hover": {"generate": ["likely"]}}, "hover.generate"),
        ({"threads": -1}, "threads"),
        ({"threads": 10**9}, "threads"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_and_its_default_holds(data, named):
    settings, problems = parse_settings(data)
    assert settings == Settings()
    assert len(problems) == 1
    assert problems[0].startswith(f"sprig.{named} is ")


def test_one_wrong_value_leaves_the_others_alone():
    sent = {"threads": "4", "limit": 9, "hover": {"enabled": 2, "generate": "never"}, "bundles": ["~no-such-user/x"]}
    settings, problems = parse_settings(sent)
    assert settings == Settings(bundles=("~no-such-user/x",), limit=9, hover=HoverSettings(generate="never"))
    assert problems == (
        'sprig.threads is "4", not a whole number from 0 to 1024',
        "sprig.hover.enabled is 2, not true or false",
    )
    assert settings.bundle_folders == (Path("~no-such-user/x"),)


def test_a_long_value_is_not_quoted_to_its_end():
    _, (problem,) = parse_settings({"limit": "x" * 1000})
    assert len(problem) < 150


def test_every_wrong_value_is_reported():
    _, problems = parse_settings({"threads": "4", "limit": "many", "hover": {"enabled": 2}})
    assert len(problems) == 3


@pytest.mark.parametrize("data", [[], "text", 3, True])
def test_settings_that_are_no_object(data):
    settings, problems = parse_settings(data)
    assert settings == Settings()
    assert len(problems) == 1
    assert problems[0].endswith("not an object")


def test_settings_that_do_not_exist_are_named():
    settings, problems = parse_settings({"limits": 3, "limit": 9, "hover": {"generated": "never"}, "colour": "green"})
    assert settings == Settings(limit=9)
    assert problems == (
        "there is no setting sprig.limits (limit?)",
        "there is no setting sprig.hover.generated (generate?)",
        "there is no setting sprig.colour",
    )


def test_what_clients_keep_for_themselves_is_passed_over():
    assert parse_settings({"trace": {"server": "off"}, "limit": 9}) == (Settings(limit=9), ())


@pytest.mark.parametrize(
    ("sent", "alone", "beside_others"),
    [
        ({"limit": 9}, {"limit": 9}, {"limit": 9}),
        ({"sprig": {"limit": 9}}, {"limit": 9}, {"limit": 9}),
        ({"sprig": {"limit": 9}, "python": {"limit": 1}}, {"limit": 9}, {"limit": 9}),
        ({"sprig": None}, None, None),
        ({"python": {}}, {"python": {}}, None),
        ({}, {}, None),
        (None, None, None),
        ([1], [1], [1]),
    ],
)
def test_the_settings_of_others_are_not_ours(sent, alone, beside_others):
    assert own_section(sent, shared=False) == alone
    assert own_section(sent, shared=True) == beside_others


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["bundles", "threads", "index", "limit", "hover"])


@given(JSON | st.dictionaries(KEYS, JSON | st.dictionaries(st.sampled_from(["enabled", "generate"]), JSON)))
def test_nothing_that_an_editor_sends_is_an_exception(data):
    settings, _ = parse_settings(data)
    assert isinstance(settings, Settings)
    assert settings == parse_settings(data)[0]
    assert 1 <= settings.limit <= 1000
    assert settings.thread_count >= 1
    assert len(settings.bundle_folders) == len(settings.bundles)
