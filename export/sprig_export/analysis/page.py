"""An analysis as one page of HTML."""

from __future__ import annotations

from html import escape

from sprig_export.analysis.report import Report, conclude
from sprig_export.analysis.sections import sections
from sprig_export.report.page import wrap_page


def render_page(report: Report) -> str:
    """The text of `report.html`."""
    subject, data = report.subject, report.data
    made = (
        f"{data.language}, {data.functions:,} functions of {data.corpus}, at most {data.window} sub-tokens of each; "
        f"{report.date}, seed {report.seed}; weights {subject.sha256[:12]}"
    )
    told = (f"<p>{escape(sentence)}</p>" for sentence in conclude(report))
    return wrap_page(f"What {subject.name} knows of code", made, [*told, *sections(report)])
