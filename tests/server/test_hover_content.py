"""Hover without an editor: which function a position means, and how the answer is written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.code.functions import parse_functions
from sprig_server.code.parsed_source import parse_source
from sprig_server.errors import Cancelled
from sprig_server.hover_content import MemoryCache, name_at, summarize
from sprig_server.inference.models import Models
from sprig_server.markup.escape import escape_markdown

TEXT = "def load(path):\n    return parse(open_it(path))\n\n\ndef parse(data):\n    return data.strip()\n"
OTHER = parse_functions("def open_it(path):\n    return open(path)\n", "python")


@pytest.fixture(scope="module")
def models() -> Models:
    return Models((), threads=2)


@pytest.mark.parametrize(
    ("marker", "name", "kind"),
    [
        ("load", "load", "definition"),
        ("parse(open", "parse", "call"),
        ("open_it", "open_it", "call"),
        ("path)", "path", "reference"),
        ("return", None, ""),
        ("strip", "strip", "call"),
        ("data.strip", "data", "reference"),
    ],
)
def test_a_name_is_defined_or_called_or_stands_for_something(marker: str, name: str | None, kind: str):
    found = name_at(parse_source(TEXT, "python", "m"), TEXT.index(marker) + 1)
    assert (TEXT[found.start : found.end] if found else None) == name
    assert [k for k in ("definition", "call", "reference") if getattr(found, k, None)] == ([kind] if kind else [])


def test_a_summary_is_generated_once(models: Models):
    (function,) = OTHER
    cache = MemoryCache()
    first = summarize(function, models, cache, lambda: False)
    assert first is not None
    assert first.text
    assert summarize(function, models, cache, lambda: True) == first, "the cache needs no model"
    with pytest.raises(Cancelled):
        summarize(function, models, MemoryCache(), lambda: True)


def test_no_bundle_means_no_summary():
    models = Models((), threads=1)
    models.bundles = tuple(bundle for bundle in models.bundles if "cpp" not in bundle.manifest.languages)
    (function,) = parse_functions("int f() { return 1; }", "cpp")
    assert summarize(function, models, MemoryCache(), lambda: False) is None


def test_memory_forgets_the_oldest():
    cache = MemoryCache()
    for number in range(3000):
        cache.put_summary(str(number), "b", "text", -1.0)
        cache.summary("0", "b")
    assert cache.summary("1", "b") is None
    assert cache.summary("0", "b") == ("text", -1.0)
    assert cache.summary("2999", "b") == ("text", -1.0)


@given(st.text(alphabet="<>*_`[]()#\\!|~ab &:.-+\n", max_size=30))
def test_escaped_text_has_no_markup_left(text: str):
    escaped = escape_markdown(text)
    assert re.sub(r"\\(.)", r"\1", escaped) == text
    bare = re.sub(r"\\.", "", escaped)
    assert not set(bare) & set("<>*_`[]#\\")
