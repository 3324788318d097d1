"""The drawn summaries as a page of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from sprig_export.evaluate.report import Report, Sample, describe
from sprig_server.types import MIN_CONFIDENCE

_MARKS = re.compile(r"([\\`*_<>\[\]|#~])")


def render_samples(report: Report) -> str:
    """Every sample of a report, good and bad as drawn, under what it takes to draw them again."""
    held_out = any(sample.package for sample in report.samples)
    words = ["sprig evaluate --suite standard --data DATA", *(["--held-out CORPUS"] if held_out else [])]
    words += [f"--limit {report.limit}"] if report.limit is not None else []
    lines = [
        "# Results: generated summaries, unselected",
        "",
        "What the installed bundles write about functions that they were not trained on. Nothing is selected: the",
        f"functions are drawn with seed {report.seed}, and good and bad summaries are shown alike. The reference is",
        "the first sentence of a function's own documentation, which the model does not see. ROUGE-L is from 0 to 100.",
        f"The confidence is a mean log-probability. A hover hides summaries below {MIN_CONFIDENCE:g} by default.",
        "",
        "```",
        f"{' '.join(words)} --output REPORT --samples FILE.md",
        "```",
        "",
        f"({describe(report)})",
    ]
    for (language, data), samples in groupby(report.samples, lambda sample: (sample.language, sample.data)):
        lines += ["", f"## {language}, from {data}", ""]
        for number, sample in enumerate(samples, 1):
            lines += _item(number, sample)
    return "\n".join(lines) + "\n"


def _item(number: int, sample: Sample) -> Iterator[str]:
    package = f", package {_escape(sample.package)}" if sample.package else ""
    hidden = "" if sample.shown else ", hidden by default"
    yield f"{number}. **{_escape(sample.name)}**{package}"
    yield f"   - reference: {_escape(sample.reference)}"
    yield f"   - generated: {_escape(sample.generated)}"
    yield f"   - confidence {sample.confidence:.2f}{hidden}; ROUGE-L {sample.rouge_l:.1f}"


def _escape(text: str) -> str:
    return _MARKS.sub(r"\\\1", " ".join(text.split()))
