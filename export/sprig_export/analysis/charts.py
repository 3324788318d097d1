"""A heat map and a curve as inline SVG. Colours come from the classes of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

_CELL_WIDTH, _CELL_HEIGHT = 64, 30  # pixels
_LEFT, _TOP = 120, 26  # pixels for the labels of rows and columns
_WIDTH, _HEIGHT, _MARGIN = 860, 300, 46


def heat_map(
    label: str, rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]], most: float, form: str
) -> str:
    """A cell for each value: the further from 0, the stronger its colour, of class `more` above 0 and `less` below.

    Args:
        label: what the chart shows, for those who cannot see it.
        values: one row of numbers for each of `rows`.
        most: the value, above 0, from which on the colour is full.
        form: a format for the values, as in "{:.2f}".
    """
    parts = [
        _text("axis", _LEFT + (place + 0.5) * _CELL_WIDTH, _TOP - 8, name, "middle")
        for place, name in enumerate(columns)
    ]
    for line, (name, row) in enumerate(zip(rows, values, strict=True)):
        y = _TOP + line * _CELL_HEIGHT
        parts.append(_text("label", _LEFT - 8, y + 19, name, "end"))
        for place, value in enumerate(row):
            x = _LEFT + place * _CELL_WIDTH
            strength = min(abs(value) / most, 1)
            css = "less" if value < 0 else "more"
            text = form.format(value)
            title = escape(f"{name}, {columns[place]}: {text}")
            parts.append(
                f'<rect class="{css}" x="{x}" y="{y}" width="{_CELL_WIDTH - 2}" height="{_CELL_HEIGHT - 2}" '
                f'fill-opacity="{0.6 * strength:.3f}"><title>{title}</title></rect>'
            )
            parts.append(_text("cell", x + _CELL_WIDTH / 2 - 1, y + 19, text, "middle"))
    return _svg(label, _LEFT + len(columns) * _CELL_WIDTH, _TOP + len(rows) * _CELL_HEIGHT, parts)


def curves(
    label: str,
    lines: Mapping[str, Sequence[tuple[float, float]]],
    classes: Mapping[str, str],
    mark: float,
    logarithmic: bool,
) -> str:
    """Shares (0 to 1, upwards) over numbers, with a broken line at the share `mark`.

    Args:
        lines: points with ascending numbers, by name.
        classes: the CSS class of each line.
        logarithmic: whether each tenfold takes the same room; all numbers are then above 0.
    """
    scale: Callable[[float], float] = math.log10 if logarithmic else float
    numbers = sorted({x for line in lines.values() for x, _ in line})
    start, end = scale(numbers[0]), scale(numbers[-1])
    width, height = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN

    def place(x: float, y: float) -> tuple[float, float]:
        return _MARGIN + width * (scale(x) - start) / ((end - start) or 1), _MARGIN + height * (1 - y)

    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        _, y = place(numbers[0], share)
        parts.append(_line("grid", _MARGIN, y, _MARGIN + width, y))
        parts.append(_text("axis", _MARGIN - 6, y + 4, f"{share:.0%}", "end"))
    for x in _ticks(numbers, logarithmic):
        across, _ = place(x, 0)
        parts.append(_text("axis", across, _HEIGHT - _MARGIN + 18, f"{x:,g}", "middle"))
    _, y = place(numbers[0], mark)
    parts.append(_line("mark", _MARGIN, y, _MARGIN + width, y))
    for name, line in lines.items():
        points = [place(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="line {classes[name]}" points="{path}"/>')
        for (x, y), (number, share) in zip(points, line, strict=True):
            title = escape(f"{name}, {number:,g}: {share:.1%}")
            parts.append(
                f'<circle class="dot {classes[name]}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{title}</title></circle>'
            )
    return _svg(label, _WIDTH, _HEIGHT, parts)


def _ticks(numbers: Sequence[float], logarithmic: bool) -> list[float]:
    """Where the axis is marked: at every number, or, for many of them, at both ends and the powers of ten between."""
    if not logarithmic:
        return list(numbers)
    powers = [10.0**power for power in range(math.ceil(math.log10(numbers[0])), math.ceil(math.log10(numbers[-1])))]
    return sorted({numbers[0], *powers, numbers[-1]})


def _svg(label: str, width: float, height: float, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
    return "\n".join([f'<svg role="img" aria-label="{escape(label)}" {size}>', *parts, "</svg>"])


def _line(css: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(css: str, x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
