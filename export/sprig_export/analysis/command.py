"""`sprig analyze`: run the study and write it as a page."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

from rich.console import Console

from sprig_export.analysis.report import Report, conclude, render_json
from sprig_export.analysis.sections import sections
from sprig_export.analysis.study import analyze
from sprig_export.analysis.words import Study
from sprig_export.report.frame import wrap_page
from sprig_export.report.progress import shown_progress
from sprig_server.errors import InvalidInput


def run(plan: Study, output: Path, messages: Console) -> None:
    """Analyse a model. Writes `report.json` and `report.html` into `output`, and prints the conclusions.

    Raises:
        InvalidInput: the model or the corpus cannot be used, or the files cannot be written.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)  # checked before the long work
    except OSError as error:
        raise InvalidInput(f'cannot write to "{output}" ({error.strerror}): give another folder') from None
    with shown_progress(messages) as announce:
        report = analyze(plan, announce)
    (output / "report.json").write_text(render_json(report), encoding="utf-8")
    (output / "report.html").write_text(render_page(report), encoding="utf-8")
    said = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    for sentence in conclude(report):
        said.print(sentence, markup=False)
    messages.print(f"wrote {output / 'report.json'} and {output / 'report.html'}", markup=False)


def render_page(report: Report) -> str:
    """The text of `report.html`."""
    subject, data = report.subject, report.data
    made = (
        f"{data.language}, {data.functions:,} functions of {data.corpus}, at most {data.window} sub-tokens of each; "
        f"{report.date}, seed {report.seed}; weights {subject.sha256[:12]}"
    )
    told = (f"<p>{escape(sentence)}</p>" for sentence in conclude(report))
    return wrap_page(f"What {subject.name} knows of code", made, [*told, *sections(report)])
