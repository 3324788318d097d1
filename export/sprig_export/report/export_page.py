"""The report of an export as an HTML page: what the bundle gained and lost, by stage and by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from sprig_export.report.charts import Dot, dot_chart
from sprig_export.report.frame import html_table, legend, wrap_page
from sprig_export.report.stages import describe_facts, describe_value


def render_export(report: Mapping[str, Any], name: str) -> str:
    """The text of a bundle's `report.html`, from the content of its `report.json`."""
    recipe = report["recipe"]
    described = (
        f"{recipe['task']} in {recipe['language']}, made from {recipe['model']}. Measured on {report['data']}, "
        f"seed {recipe['seed']}; speeds on the machine of the export."
    )
    sections = [*_before_and_after(report["compared"]), *_plans(report["plans"]), *_variants(report["variants"])]
    sections += _stages(report["stages"])
    return wrap_page(name, described, [*sections, *_layers(report["layers"]), *_forgotten(report["forgotten"])])


def _before_and_after(compared: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    yield "<h2>Before and after</h2>"
    rows = [
        (
            what,
            describe_value(found["before"]),
            describe_value(found["after"]),
            f"{found['after'] / found['before']:.2f}",
        )
        for what, found in compared.items()
        if found["before"]
    ]
    yield html_table(("", "before", "after", "after / before"), rows)


def _plans(plans: Mapping[str, Any]) -> Iterator[str]:
    if not plans:
        return
    yield f"<h2>Plans</h2><p>{escape(plans['why'][0].upper() + plans['why'][1:])}.</p>"
    rows = [
        (
            p["name"],
            f"{p['megabytes']:.1f}",
            f"{p['speed']:.1f}",
            "not tried" if p["kept"] is None else f"{p['kept']:.1%}",
        )
        for p in plans["considered"]
    ]
    yield html_table(("what is left", "megabytes", "times as fast", "kept after a short recovery"), rows)


def _variants(variants: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not variants:
        return
    yield "<h2>Bits</h2><p>The pruned model in every precision, on the machine of the export.</p>"
    rows = [
        (
            f"{v['linear_dtype']} products, {v['embedding_dtype']} tables",
            *(describe_value(v[what]) for what in ("megabytes", "rate", "score")),
        )
        for v in variants
    ]
    yield html_table(("", "megabytes", "functions or tokens a second", "score"), rows)


def _stages(stages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "<h2>Stages</h2>"
    rows = []
    for stage in stages:
        facts = {key: value for key, value in stage.items() if key not in ("stage", "seconds")}
        rows.append((str(stage["stage"]), f"{stage['seconds']:.1f}", describe_facts(facts)))
    yield html_table(("stage", "seconds", "what it found or left"), rows, words=True)


def _layers(layers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "<h2>Layers</h2><p>What is left of each layer that stays.</p>"
    rows = {
        str(layer["layer"]): {
            what: Dot(layer[what] / layer[f"{what}_before"], f"{layer[what]} of {layer[f'{what}_before']}")
            for what in ("units", "heads")
        }
        for layer in layers
    }
    if rows:
        classes = {"units": "d", "heads": "b"}
        yield dot_chart("what is left of each layer", rows, classes, (0.0, 0.25, 0.5, 0.75, 1.0))
        yield legend(classes, {"units": "feed-forward units", "heads": "attention heads"})


def _forgotten(forgotten: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "<h2>What was forgotten</h2>"
    if not forgotten:
        yield "<p>Nothing that was measured got worse.</p>"
        return
    rows = [(str(f["text"]), str(f["code"]), str(f["before"]), str(f["after"])) for f in forgotten]
    yield html_table(("asked, or the reference", "function", "before", "after"), rows, words=True)
