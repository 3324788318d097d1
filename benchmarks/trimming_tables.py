"""The tables and charts of docs/results/trimming.md, from the measurements of benchmarks/trimming.py."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tables import markdown

from sprig_export.comparison.experiment import LANGUAGES
from sprig_export.report.charts import Dot, dot_chart
from sprig_export.report.frame import lone_chart
from sprig_export.trimming.measure import Trimmed
from sprig_server.code.statements import CLASSES

PAPER: dict[str, dict[str, float]] = {
    "search": {
        "method": 0.0150, "return": 0.00353, "synchronized": 0.00291, "function": 0.00289, "switch": 0.00268,
        "annotation": 0.00253, "variable": 0.00240, "getter": 0.00236, "setter": 0.00232, "throw": 0.00215,
        "try": 0.00213, "continue": 0.00213, "expression": 0.00197, "while": 0.00196, "if": 0.00191,
        "logger": 0.00189, "for": 0.00180, "catch": 0.00167, "finally": 0.00162, "break": 0.00152, "case": 0.00130,
    },
    "summary": {
        "method": 0.071, "return": 0.068, "synchronized": 0.044, "for": 0.042, "function": 0.038, "throw": 0.037,
        "if": 0.036, "variable": 0.036, "while": 0.034, "getter": 0.034, "logger": 0.034, "switch": 0.032,
        "none": 0.032, "try": 0.031, "setter": 0.031, "expression": 0.029, "catch": 0.028, "break": 0.023,
        "case": 0.022, "continue": 0.020, "finally": 0.016, "annotation": 0.014,
    },
}  # fmt: skip
"""The class means of the paper's released tables for Java and CodeBERT. Those for search are by the attention of the
first token.
"""
SERIES = {"the paper, Java": "a", "python": "b", "java": "c", "javascript": "d", "cpp": "e"}
KINDS = ("search", "summary")


def tables(output: Path) -> Iterator[tuple[str, str]]:
    """The tables of the measurements, with their names in the document."""
    for task in KINDS:
        for kind, table in (("base", kept_table), ("bundle", kept_table), ("long", long_table)):
            if found := _read(output, f"{task}-{kind}"):
                yield f"{task}-{kind}", "\n\n".join(table(language, one) for language, one in found.items())
        if (place := output / f"{task}-learning.json").is_file():
            yield f"{task}-learning", learning_table(json.loads(place.read_text(encoding="utf-8")))
    if found := _read(output, "cost"):
        yield "cost", cost_table(found)
    if (place := output / "served.json").is_file():
        yield "served", served_table(json.loads(place.read_text(encoding="utf-8")))


def charts(output: Path) -> Iterator[tuple[str, str]]:
    """The charts of the mean importance of statement classes, by name."""
    for task in KINDS:
        if found := _read(output, f"{task}-base"):
            yield f"{task}-classes", class_chart(task, {language: one["classes"] for language, one in found.items()})


def kept_table(language: str, found: Mapping[str, Any]) -> str:
    """What each method keeps of the score at each share, with intervals, and the time for a function."""
    whole, *rest = (Trimmed(**cell) for cell in found["cells"])
    own_way = rest.pop() if found.get("served") else None
    ratios = sorted({cell.ratio for cell in rest})
    rows = []
    for method in dict.fromkeys(cell.method for cell in rest):
        own = {cell.ratio: cell for cell in rest if cell.method == method}
        kept = [_kept(own[ratio]) for ratio in ratios]
        rows.append([method, *kept, f"{own[ratios[-1]].tokens:.0%}", f"{own[ratios[-1]].milliseconds:.1f}"])
    last = f"{ratios[-1]:.0%}"
    head = [language, *(f"without {ratio:.0%}" for ratio in ratios), f"tokens read at {last}", f"ms at {last}"]
    return f"{_untrimmed(whole)}{_served(own_way)}\n\n{markdown(head, rows)}"


def long_table(language: str, found: Mapping[str, Any]) -> str:
    """What is kept of functions longer than the window, compared with cutting them at the window."""
    whole, *rest = (Trimmed(**cell) for cell in found["cells"])
    rows = []
    for cell in rest:
        how = f"{cell.method}, without {cell.ratio:.0%}" if not cell.whole else f"{cell.method}, the window filled"
        rows.append([how, _kept(cell), f"{cell.tokens:.0%}", f"{cell.milliseconds:.1f}"])
    said = f"{_untrimmed(whole)[:-1]}, of {found['functions']}."
    return f"{said}\n\n{markdown([language, 'kept', 'tokens read', 'ms'], rows)}"


def learning_table(found: Mapping[str, Any]) -> str:
    """The scores of a model that was taught on whole functions, and of one taught with half of them trimmed."""
    rows = []
    for taught, cells in found["cells"].items():
        whole, *rest = own = [Trimmed(**cell) for cell in cells]
        how = "whole functions" if taught == "none" else "half of them trimmed"
        rows.append([how, f"{whole.score:.3f}", *(f"{cell.score:.3f}, {_kept(cell)}" for cell in rest)])
    head = ["taught on", *("whole" if not cell.ratio else f"without {cell.ratio:.0%}" for cell in own)]
    return markdown(head, rows)


def cost_table(found: Mapping[str, Any]) -> str:
    """What trimming takes beside what it saves: the mean over functions, and a long one."""
    rows = []
    for language, kinds in found.items():
        for kind, cost in kinds.items():
            n = cost["functions"]
            rows.append(
                [
                    f"{language}, {kind}",
                    f"{cost['tokens'] / n:.0f}",
                    f"{cost['read'] / n:.0f}",
                    f"{cost['trimming'] / n:.2f} ms",
                    f"{cost['saved'] / n:.2f} ms",
                    f"{cost['trimming'] / cost['saved']:.1%}",
                ]
            )
    return markdown(["", "tokens", "read", "trimming takes", "inference saved", "share"], rows)


def served_table(found: Mapping[str, Any]) -> str:
    """The server with and without trimming."""
    medians: dict[str, dict[str, float]] = found["medians"]
    names = {"definitions a second": "definitions indexed a second", "hover p50 / p95, uncached": "hover, uncached, ms"}
    names["query p50 / p95"] = "query, ms"
    rows = [
        [said, *(f"{figures[name]:.1f}" for figures in medians.values()), _times(name, *medians.values())]
        for name, said in names.items()
    ]
    ratios = sorted(found["ratios"])
    said = f"Package {found['package']}; indexing is {ratios[0]:.2f} to {ratios[-1]:.2f} times as fast, run by run."
    return f"{said}\n\n{markdown(['', *medians, 'ratio'], rows)}"


def class_chart(task: str, classes: Mapping[str, Mapping[str, float]]) -> str:
    """The mean attention of each class of statement beside the paper's, that of the signature being 1."""
    series = {"the paper, Java": PAPER[task], **classes}
    shares = {name: {key: value / own["method"] for key, value in own.items()} for name, own in series.items()}
    order = sorted(PAPER[task], key=lambda name: -PAPER[task][name])
    order += [name for name in CLASSES if name not in order]
    rows = {
        name: {column: Dot(own[name], f"{own[name]:.2f}") for column, own in shares.items() if name in own}
        for name in order
    }
    label = f"Mean attention by class of statement, the signature being 1: {', '.join(series)}"
    most = math.ceil(2 * max(value for own in shares.values() for value in own.values()))
    classes = {name: SERIES[name] for name in series}
    return lone_chart(dot_chart(label, rows, classes, [step / 2 for step in range(most + 1)]), classes)


def _read(output: Path, kind: str) -> dict[str, Any]:
    return {
        language: json.loads(path.read_text(encoding="utf-8"))
        for language in LANGUAGES
        if (path := output / f"{kind}-{language}.json").is_file()
    }


def _kept(cell: Trimmed) -> str:
    return f"{cell.kept:.1%} ({cell.low:.1%} to {cell.high:.1%})"


def _untrimmed(whole: Trimmed) -> str:
    return f"Untrimmed: {whole.score:.3f}, {whole.milliseconds:.1f} ms a function."


def _served(own: Trimmed | None) -> str:
    if own is None:
        return ""
    read = f"reads {own.tokens:.0%} of the tokens and keeps {_kept(own)}, {own.milliseconds:.1f} ms"
    return f" With its own setting the bundle leaves out {own.ratio:.0%}, less of short functions: it {read}."


def _times(name: str, trimmed: Mapping[str, float], whole: Mapping[str, float]) -> str:
    faster = trimmed[name] / whole[name]
    return f"{faster if name == 'definitions a second' else 1 / faster:.2f} times as fast"
