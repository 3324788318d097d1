"""What editors send as settings, and what becomes of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.settings import HoverSettings, Settings, parse_settings


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
            "hover": {"enabled": True, "generate": False, "minConfidence": -1},
        }
    )
    assert problems == ()
    assert settings == Settings(
        ("/models/own", "~/other"),
        3,
        False,
        7,
        HoverSettings(enabled=True, generate=False, min_confidence=-1.0),
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
        ({"hover": {"minConfidence": "low"}}, "hover.minConfidence"),
    ],
)
def test_a_value_of_a_wrong_type_is_named_and_leaves_the_defaults(data, named):
    settings, problems = parse_settings(data)
    assert settings == Settings()
    assert len(problems) == 1
    assert f"sprig.{named}" in problems[0].replace("min_confidence", "minConfidence")


def test_every_wrong_value_is_reported():
    _, problems = parse_settings({"threads": "4", "limit": "many", "hover": {"enabled": 2}})
    assert len(problems) == 3


@pytest.mark.parametrize("data", [[], "text", 3, True])
def test_settings_that_are_no_object(data):
    settings, problems = parse_settings(data)
    assert settings == Settings()
    assert problems == (f"settings must be an object, not {data!r}",)


def test_unknown_keys_are_passed_over():
    assert parse_settings({"trace": {"server": "off"}, "limit": 9}) == (Settings(limit=9), ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["bundles", "threads", "index", "limit", "hover"])


@given(JSON | st.dictionaries(KEYS, JSON | st.dictionaries(st.sampled_from(["enabled", "minConfidence"]), JSON)))
def test_nothing_that_an_editor_sends_is_an_exception(data):
    settings, problems = parse_settings(data)
    assert isinstance(settings, Settings)
    assert settings == Settings() or not problems
