"""`sprig evaluate`: progress and tables in the terminal, and the files it writes."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sprig_export.evaluate.page import render_page
from sprig_export.evaluate.progress import shown_progress
from sprig_export.evaluate.report import Report, describe, render_json
from sprig_export.evaluate.samples_page import render_samples
from sprig_export.evaluate.suite import Plan, run_standard
from sprig_export.evaluate.tables import tables
from sprig_server.errors import InvalidInput

_PIPE_WIDTH = 260  # characters; nothing is wrapped where nobody looks at a screen


def evaluate(plan: Plan, output: Path, samples: Path | None, messages: Console) -> None:
    """Run the standard suite; write `report.json` and `report.html` into `output`, drawn summaries to `samples`.

    Raises:
        InvalidInput: the plan cannot be carried out, or the files cannot be written.
        InvalidBundle: a bundle is damaged.
    """
    for folder in filter(None, (output, samples and samples.parent)):  # before the long work, not after it
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(f'cannot write to "{folder}" ({error.strerror}): give another folder') from None
    with shown_progress(messages) as announce:
        report = run_standard(plan, announce)
    (output / "report.json").write_text(render_json(report), encoding="utf-8")
    (output / "report.html").write_text(render_page(report), encoding="utf-8")
    if samples is not None:
        samples.write_text(render_samples(report), encoding="utf-8")
    print_report(report, Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH))
    messages.print(f"wrote {output / 'report.json'} and {output / 'report.html'}", markup=False)


def print_report(report: Report, console: Console) -> None:
    """The tables of a report, and what was left out."""
    for made in tables(report):
        table = Table(title=made.title, caption=made.meaning, box=None, title_justify="left", caption_justify="left")
        for number, column in enumerate(made.head):
            table.add_column(column, justify="right" if number else "left")
        for row in made.rows:
            table.add_row(*row)
        console.print(table)
        console.print()
    for reason in report.left_out:
        console.print(f"left out: {reason}", markup=False)
    console.print(describe(report), markup=False)
