"""The page of an export: what it shows of a report, and that nothing in it can run."""

from __future__ import annotations

from typing import Any

from sprig_export.report.export_page import render_export

REPORT: dict[str, Any] = {
    "recipe": {"task": "search", "language": "java", "model": "base", "seed": 7},
    "data": "held-out packages of java.parquet (400)",
    "stages": [{"stage": "cut", "seconds": 61.04, "parameters": 7_000_000, "score": 0.78125}],
    "compared": {
        "parameters": {"before": 22_000_000, "after": 7_000_000},
        "MRR": {"before": 0.8, "after": 0.784},
        "functions a second, before in PyTorch": {"before": 0.0, "after": 200.0},
    },
    "layers": [{"layer": "encoder.0", "units": 768, "units_before": 1536, "heads": 12, "heads_before": 12}],
    "plans": {
        "why": "it is <at most> 10 MB",
        "considered": [
            {"name": "6 of 6 layers", "megabytes": 12.44, "speed": 2.0, "kept": None},
            {"name": "3 of 6 layers", "megabytes": 7.06, "speed": 4.1, "kept": 0.912},
        ],
    },
    "variants": [{"linear_dtype": "int8", "embedding_dtype": "int4", "megabytes": 7.1, "rate": 99.5, "score": 0.78}],
    "forgotten": [{"text": "a <b>query</b>", "code": "int f() {", "before": "rank 1", "after": "rank 9"}],
}


def test_a_page_shows_what_was_gained_and_lost() -> None:
    page = render_export(REPORT, "search-java")
    assert "<title>Sprig: search-java</title>" in page
    assert "held-out packages of java.parquet (400)" in page
    assert "22,000,000" in page and "0.98" in page, "the MRR after, as a share of the one before"
    assert "functions a second" not in page, "what was not measured before is not compared"
    assert "parameters 7,000,000, score 0.7812" in page
    assert "768 of 1536" in page
    assert "It is &lt;at most&gt; 10 MB." in page
    assert "<td>3 of 6 layers</td><td>7.1</td><td>4.1</td><td>91.2%</td>" in page
    assert "<td>int8 products, int4 tables</td><td>7.1</td><td>99.5</td><td>0.78</td>" in page


def test_an_export_by_recipe_shows_no_plans() -> None:
    page = render_export(REPORT | {"plans": {}, "variants": []}, "search-java")
    assert "<h2>Plans</h2>" not in page and "<h2>Bits</h2>" not in page
    assert "rank 9" in page


def test_what_comes_from_code_is_only_shown() -> None:
    page = render_export(REPORT, "search-java")
    assert "a &lt;b&gt;query&lt;/b&gt;" in page
    assert "<script" not in page and "src=" not in page


def test_nothing_forgotten_is_said() -> None:
    assert "Nothing that was measured got worse." in render_export(REPORT | {"forgotten": [], "layers": []}, "x")
