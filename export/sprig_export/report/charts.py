"""Five kinds of charts as inline SVG: dots with intervals, lines over a threshold, curves, scatter, and heat maps.

Colours come from the classes of the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LEFT, _RIGHT = 860, 190, 70  # pixels: the whole chart, the row labels, room for the last value
_LANE, _GAP, _AXIS = 13, 12, 22  # pixels: one dot's height, the space between rows, the axis below them
_CELL_WIDTH, _CELL_HEIGHT = 64, 30  # pixels: one cell of a heat map
_FIELD_LEFT, _FIELD_TOP = 120, 26  # pixels for the labels of its rows and columns
_CURVES_WIDTH, _CURVES_HEIGHT, _CURVES_MARGIN = 860, 300, 46
_SMALL_WIDTH, _SMALL_HEIGHT, _MARGIN = 270, 190, 34


@dataclass(frozen=True, slots=True)
class Dot:
    """A value, its text, and its interval if it has one."""

    value: float
    text: str
    low: float | None = None
    high: float | None = None


def dot_chart(
    label: str, rows: Mapping[str, Mapping[str, Dot]], classes: Mapping[str, str], ticks: Sequence[float]
) -> str:
    """A chart with a row for each data set and a lane for each column.

    Args:
        label: what the chart shows, for those who cannot see it.
        rows: the dots by row and column. A missing column leaves its lane empty.
        classes: the CSS class of every column, in the order of the lanes.
        ticks: the marks of the axis, ascending. The first and the last are its ends.
    """
    start, end = ticks[0], ticks[-1]

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (min(max(value, start), end) - start) / (end - start)

    row_height = len(classes) * _LANE + _GAP
    height = len(rows) * row_height
    parts = [_line("grid", x(tick), 0, x(tick), height) for tick in ticks]
    parts += [_text("axis", x(tick), height + 15, f"{tick:g}", "middle") for tick in ticks]
    for number, (name, dots) in enumerate(rows.items()):
        top = number * row_height
        parts.append(_text("label", _LEFT - 10, top + row_height / 2 + 4, name, "end"))
        parts.append(_line("rule", 0, top + row_height, _WIDTH, top + row_height))
        for lane, (column, css) in enumerate(classes.items()):
            if column in dots:
                y = top + _GAP / 2 + (lane + 0.5) * _LANE
                parts += _dot(dots[column], f"{name}, {column}", css, x, y)
    return _svg(label, _WIDTH, height + _AXIS, parts)


def line_chart(
    label: str, lines: Mapping[str, Sequence[tuple[float, float]]], classes: Mapping[str, str], mark: float
) -> str:
    """A chart of shares (0 to 1, vertical) over a threshold, with a dashed line at the threshold `mark`."""
    across = [x for line in lines.values() for x, _ in line] + [mark]
    start, end = min(across), max(across)
    width, height = _SMALL_WIDTH - 2 * _MARGIN, _SMALL_HEIGHT - 2 * _MARGIN

    def place(x: float, y: float) -> tuple[float, float]:
        return _MARGIN + width * (x - start) / ((end - start) or 1), _MARGIN + height * (1 - y)

    parts = []
    for share in (0.0, 0.5, 1.0):
        left, y = place(start, share)
        parts.append(_line("grid", left, y, left + width, y))
        parts.append(_text("axis", left - 5, y + 4, f"{share:.0%}", "end"))
    parts += [_text("axis", place(x, 0)[0], _SMALL_HEIGHT - 16, f"{x:.1f}", "middle") for x in (start, end)]
    parts.append(_line("mark", *place(mark, 0), *place(mark, 1)))
    for name, line in lines.items():
        points = [place(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="line {classes[name]}" points="{path}"/>')
        for (x, y), (threshold, share) in zip(points, line, strict=True):
            title = escape(f"{name} at {threshold:.2f}: {share:.0%}")
            parts.append(
                f'<circle class="dot {classes[name]}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"><title>{title}</title></circle>'
            )
    return _svg(label, _SMALL_WIDTH, _SMALL_HEIGHT, parts)


def heat_map(label: str, rows: Mapping[str, Mapping[str, float]], most: float, form: str) -> str:
    """A heat map: the further a value is from 0, the stronger its colour, of class `more` above 0 and `less` below.

    Args:
        label: what the chart shows, for those who cannot see it.
        rows: numbers by row and column; all rows have the same columns.
        most: the value, above 0, from which the colour is full.
        form: a format for the values, as in "{:.2f}".
    """
    columns = list(next(iter(rows.values())))
    parts = [
        _text("axis", _FIELD_LEFT + (place + 0.5) * _CELL_WIDTH, _FIELD_TOP - 8, name, "middle")
        for place, name in enumerate(columns)
    ]
    for line, (name, row) in enumerate(rows.items()):
        y = _FIELD_TOP + line * _CELL_HEIGHT
        parts.append(_text("label", _FIELD_LEFT - 8, y + 19, name, "end"))
        for place, (column, value) in enumerate(row.items()):
            x = _FIELD_LEFT + place * _CELL_WIDTH
            strength = min(abs(value) / most, 1)
            css = "less" if value < 0 else "more"
            text = form.format(value)
            title = escape(f"{name}, {column}: {text}")
            parts.append(
                f'<rect class="{css}" x="{x}" y="{y}" width="{_CELL_WIDTH - 2}" height="{_CELL_HEIGHT - 2}" '
                f'fill-opacity="{0.6 * strength:.3f}"><title>{title}</title></rect>'
            )
            parts.append(_text("cell", x + _CELL_WIDTH / 2 - 1, y + 19, text, "middle"))
    return _svg(label, _FIELD_LEFT + len(columns) * _CELL_WIDTH, _FIELD_TOP + len(rows) * _CELL_HEIGHT, parts)


def curves(
    label: str,
    lines: Mapping[str, Sequence[tuple[float, float]]],
    classes: Mapping[str, str],
    mark: float,
    logarithmic: bool,
) -> str:
    """A chart of shares (0 to 1, vertical) over numbers, with a dashed line at the share `mark`.

    Args:
        lines: points with ascending numbers, by name.
        classes: the CSS class of each line.
        logarithmic: whether the horizontal axis is logarithmic. All numbers must then be above 0.
    """
    scale: Callable[[float], float] = math.log10 if logarithmic else float
    numbers = sorted({x for line in lines.values() for x, _ in line})
    start, end = scale(numbers[0]), scale(numbers[-1])
    width, height = _CURVES_WIDTH - 2 * _CURVES_MARGIN, _CURVES_HEIGHT - 2 * _CURVES_MARGIN

    def place(x: float, y: float) -> tuple[float, float]:
        return _CURVES_MARGIN + width * (scale(x) - start) / ((end - start) or 1), _CURVES_MARGIN + height * (1 - y)

    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        _, y = place(numbers[0], share)
        parts.append(_line("grid", _CURVES_MARGIN, y, _CURVES_MARGIN + width, y))
        parts.append(_text("axis", _CURVES_MARGIN - 6, y + 4, f"{share:.0%}", "end"))
    for x in _ticks(numbers, logarithmic):
        across, _ = place(x, 0)
        parts.append(_text("axis", across, _CURVES_HEIGHT - _CURVES_MARGIN + 18, f"{x:,g}", "middle"))
    _, y = place(numbers[0], mark)
    parts.append(_line("mark", _CURVES_MARGIN, y, _CURVES_MARGIN + width, y))
    for name, line in lines.items():
        points = [place(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="line {classes[name]}" points="{path}"/>')
        for (x, y), (number, share) in zip(points, line, strict=True):
            title = escape(f"{name}, {number:,g}: {share:.1%}")
            parts.append(
                f'<circle class="dot {classes[name]}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{title}</title></circle>'
            )
    return _svg(label, _CURVES_WIDTH, _CURVES_HEIGHT, parts)


@dataclass(frozen=True, slots=True)
class Group:
    """Dots that share a CSS class: (x, y, name) of each; x is above 0."""

    css: str
    dots: tuple[tuple[float, float, str], ...]


def scatter(
    label: str, groups: Mapping[str, Group], line: Sequence[tuple[float, float]], mark: float, across: str
) -> str:
    """A scatter chart over a logarithmic axis, with the best dots joined and a dashed line at the height `mark`.

    Args:
        groups: the dots, by what they have in common.
        line: (x, y) of the points to join, in order.
        across: the label of the horizontal axis.
    """
    places = sorted({x for group in groups.values() for x, _, _ in group.dots})
    heights = [y for group in groups.values() for _, y, _ in group.dots] + [mark]
    start, end, low, high = math.log10(places[0]), math.log10(places[-1]), min(heights), max(heights)
    width, height = _CURVES_WIDTH - 2 * _CURVES_MARGIN, _CURVES_HEIGHT - 2 * _CURVES_MARGIN

    def place(x: float, y: float) -> tuple[float, float]:
        up = (y - low) / ((high - low) or 1)
        return (
            _CURVES_MARGIN + width * (math.log10(x) - start) / ((end - start) or 1),
            _CURVES_MARGIN + height * (1 - up),
        )

    parts = []
    for step in range(5):
        value = low + step * (high - low) / 4
        _, y = place(places[0], value)
        parts.append(_line("grid", _CURVES_MARGIN, y, _CURVES_MARGIN + width, y))
        parts.append(_text("axis", _CURVES_MARGIN - 6, y + 4, f"{value:.3g}", "end"))
    for x in _ticks(places, True):
        parts.append(_text("axis", place(x, low)[0], _CURVES_HEIGHT - _CURVES_MARGIN + 18, f"{x:,.3g}", "middle"))
    parts.append(_text("axis", _CURVES_MARGIN + width, _CURVES_HEIGHT - 8, across, "end"))
    _, y = place(places[0], mark)
    parts.append(_line("mark", _CURVES_MARGIN, y, _CURVES_MARGIN + width, y))
    path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in line)
    parts.append(f'<polyline class="line {next(iter(groups.values())).css}" points="{path}"/>')
    for shared, group in groups.items():
        for x, y, name in group.dots:
            left, top = place(x, y)
            title = escape(f"{name}, {shared}: {y:.3f} at {x:.3g} {across}")
            where = f'class="dot {group.css}" cx="{left:.1f}" cy="{top:.1f}" r="4"'
            parts.append(f"<circle {where}><title>{title}</title></circle>")
    return _svg(label, _CURVES_WIDTH, _CURVES_HEIGHT, parts)


def _ticks(numbers: Sequence[float], logarithmic: bool) -> list[float]:
    """The marks of the axis: every number, or, if there are many, both ends and the powers of ten between them."""
    if not logarithmic:
        return list(numbers)
    powers = [10.0**power for power in range(math.ceil(math.log10(numbers[0])), math.ceil(math.log10(numbers[-1])))]
    return sorted({numbers[0], *powers, numbers[-1]})


def _dot(dot: Dot, name: str, css: str, x: Callable[[float], float], y: float) -> Iterator[str]:
    right = x(dot.value)
    if dot.low is not None and dot.high is not None:
        right = max(right, x(dot.high))
        yield _line(f"interval {css}", x(dot.low), y, x(dot.high), y)
    yield (
        f'<circle class="dot {css}" cx="{x(dot.value):.1f}" cy="{y:.1f}" r="4">'
        f"<title>{escape(f'{name}: {dot.text}')}</title></circle>"
    )
    yield _text("value", right + 8, y + 3.5, dot.text, "start")


def _svg(label: str, width: float, height: float, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
    return "\n".join([f'<svg role="img" aria-label="{escape(label)}" {size}>', *parts, "</svg>"])


def _line(css: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(css: str, x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
