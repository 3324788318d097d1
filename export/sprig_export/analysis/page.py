"""An analysis as one page of HTML that needs nothing else: no script, no network, light and dark."""

from __future__ import annotations

from html import escape

from sprig_export.analysis.report import Report, conclude
from sprig_export.analysis.sections import sections

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --soft: #667080; --rule: #dfe3e8;
  --a: #8a909c; --b: #2f6fbf; --c: #c8701a; --d: #13805f; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e4e7eb; --soft: #98a1ae; --rule: #30363e;
  --a: #8f96a3; --b: #74aef2; --c: #eda65b; --d: #52c9a2; } }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; } .soft { color: var(--soft); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem 1rem .25rem 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 500; }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; font-size: 13px; }
.legend svg { vertical-align: -1px; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .axis { fill: var(--soft); font-size: 10.5px; } svg .cell { font-size: 10.5px; }
.grid { stroke: var(--rule); } .mark { stroke: var(--soft); stroke-dasharray: 4 3; }
.line { fill: none; stroke-width: 2; } .more { fill: var(--c); } .less { fill: var(--b); }
.a { stroke: var(--a); } .dot.a { fill: var(--a); } .b { stroke: var(--b); } .dot.b { fill: var(--b); }
.d { stroke: var(--d); } .dot.d { fill: var(--d); } .line { fill: none; }
"""


def render_page(report: Report) -> str:
    """The text of `report.html`."""
    subject, data = report.subject, report.data
    made = (
        f"{data.language}, {data.functions:,} functions of {data.corpus}, at most {data.window} sub-tokens of each; "
        f"{report.date}, seed {report.seed}; weights {subject.sha256[:12]}"
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            # Even a mistake in here could not reach a network.
            """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">""",
            '<meta name="viewport" content="width=device-width">',
            f"<title>Sprig: analysis</title><style>{_STYLE}</style></head><body>",
            f'<h1>What {escape(subject.name)} knows of code</h1><p class="soft">{escape(made)}</p>',
            *(f"<p>{escape(sentence)}</p>" for sentence in conclude(report)),
            *sections(report),
            "</body></html>\n",
        ]
    )
