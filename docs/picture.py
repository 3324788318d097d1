"""The picture of Sprig at work in README.md: what benchmarks/demo.py prints, as an SVG without remote fonts.

python docs/picture.py        # writes docs/demo.svg
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).with_name("demo.svg")
DEMO = Path(__file__).resolve().parents[1] / "benchmarks" / "demo.py"
COLUMNS = 96

# Rich's own template loads a font from the network.
_TEMPLATE = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>The output of make demo: questions with the functions that answer them, and generated summaries</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def run_demo() -> str:
    """What the demo prints, with the colours of a terminal."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    done = subprocess.run([sys.executable, DEMO], stdout=subprocess.PIPE, env=environment, check=True)
    return done.stdout.decode("utf-8")


def draw(printed: str, title: str) -> str:
    """What was printed to a terminal, as an SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(printed.strip("\n")), crop=True, overflow="crop", no_wrap=True)
    drawn = console.export_svg(title=title, code_format=_TEMPLATE, unique_id="demo")
    return "\n".join(line.strip() for line in drawn.splitlines() if line.strip()) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(run_demo(), "make demo"), encoding="utf-8")
