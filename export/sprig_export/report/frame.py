"""The frame of every report: a self-contained HTML page without scripts or network, light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --soft: #667080; --rule: #dfe3e8;
  --a: #8a909c; --b: #2f6fbf; --c: #c8701a; --d: #13805f; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e4e7eb; --soft: #98a1ae; --rule: #30363e;
  --a: #8f96a3; --b: #74aef2; --c: #eda65b; --d: #52c9a2; } }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; } .soft { color: var(--soft); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; white-space: nowrap; } th { color: var(--soft); font-weight: 500; }
td:not(:first-child) { max-width: 8.2rem; }
.words td, .words th { text-align: left; white-space: nowrap; }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; font-size: 13px; }
.legend svg { vertical-align: -1px; } .many { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; } figcaption { font-size: 13px; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .axis, svg .value { fill: var(--soft); font-size: 10.5px; }
.grid, .rule { stroke: var(--rule); } .mark { stroke: var(--soft); stroke-dasharray: 4 3; }
.line { fill: none; stroke-width: 2; } .interval { stroke-width: 2; opacity: .55; } .dot { stroke-width: 1.6; }
.a { stroke: var(--a); } .dot.a { fill: var(--a); } .b { stroke: var(--b); } .dot.b { fill: var(--b); }
.c { stroke: var(--c); } .dot.c { fill: var(--c); } .d, .e { stroke: var(--d); } .dot.d { fill: var(--d); }
.dot.e { fill: var(--paper); } .line { fill: none; } .more { fill: var(--c); }
.less { fill: var(--b); } svg .cell { font-size: 10.5px; }
"""


def wrap_page(title: str, described: str, sections: Iterable[str]) -> str:
    """A whole page: its title, a sentence about its content, and sections of HTML."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            # Even a mistake in a page cannot reach a network.
            """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">""",
            '<meta name="viewport" content="width=device-width">',
            f"<title>Sprig: {escape(title)}</title><style>{_STYLE}</style></head><body>",
            f'<h1>{escape(title)}</h1><p class="soft">{escape(described)}</p>',
            *sections,
            "</body></html>\n",
        ]
    )


def lone_chart(svg: str, classes: Mapping[str, str]) -> str:
    """A chart as a separate file, for documents: on white, with a legend of its columns, which have these CSS classes.
    Colours are written out, because not all viewers know CSS variables.
    """
    colours = dict(re.findall(r"--(\w+): (#\w+)", _STYLE.split("@media")[0]))
    style = re.sub(r"var\(--(\w+)\)", lambda found: colours[found[1]], _STYLE)
    names = "".join(
        f'<circle class="dot {css}" cx="{6 + 150 * place}" cy="8" r="4"/><text x="{16 + 150 * place}" y="12">'
        f"{escape(name)}</text>"
        for place, (name, css) in enumerate(classes.items())
    )
    width, height = map(int, re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0])
    label, drawn = re.findall(r'^<svg .*?(aria-label="[^"]*")[^>]*>(.*)</svg>$', svg, re.DOTALL)[0]
    size = f'viewBox="0 0 {width} {height + 28}" width="{width}" role="img" {label}'
    paper = (
        f'<rect width="{width}" height="{height + 28}" fill="#fff"/>{names}<g transform="translate(0 28)">{drawn}</g>'
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{style}</style>{paper}</svg>\n'


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], words: bool = False) -> str:
    """An HTML table of texts; with `words`, aligned left."""
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    css = "words" if words else ""
    table = f'<table class="{css}"><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="wide">{table}</div>'


def legend(classes: Mapping[str, str], meanings: Mapping[str, str]) -> str:
    """The legend of a chart: names with their CSS class and meaning."""
    items = "".join(
        f'<li><svg width="12" height="12"><circle class="dot {css}" cx="6" cy="6" r="4"/></svg> '
        f"<b>{escape(name)}</b> <span class=soft>{escape(meanings[name])}</span></li>"
        for name, css in classes.items()
    )
    return f'<ul class="legend">{items}</ul>'
