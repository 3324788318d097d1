"""Drawing the curves of a training log as SVG."""

from __future__ import annotations

import json
from collections import defaultdict
from html import escape
from pathlib import Path

_WIDTH, _HEIGHT, _MARGIN = 640, 160, 48
_LEFT_OUT = frozenset({"step", "rate", "seconds_per_step", "minutes_left", "tokens_per_second"})
_STYLE = (
    "text{font:11px sans-serif;fill:#666}path{fill:none;stroke:#2a7de1;stroke-width:1.5}rect{fill:none;stroke:#bbb}"
)


def write_plot(log: Path, picture: Path) -> None:
    """Draw each logged figure over the steps, in its own panel. Figures with only one point are left out."""
    curves: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for line in log.read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        for name, value in values.items():
            if name not in _LEFT_OUT and isinstance(value, (int, float)):
                curves[name].append((values["step"], value))
    panels = [(name, points) for name, points in sorted(curves.items()) if len(points) > 1]
    height = len(panels) * (_HEIGHT + _MARGIN) + _MARGIN
    body = "".join(_panel(name, points, index) for index, (name, points) in enumerate(panels))
    size = f'width="{_WIDTH + 2 * _MARGIN}" height="{height}"'
    picture.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{_STYLE}</style>{body}</svg>\n')


def _panel(name: str, points: list[tuple[float, float]], index: int) -> str:
    top = _MARGIN / 2 + index * (_HEIGHT + _MARGIN)
    steps, values = [x for x, _ in points], [y for _, y in points]
    low, high, first, last = min(values), max(values), min(steps), max(steps)
    across, along = (high - low) or 1.0, (last - first) or 1.0
    places = (
        f"{_MARGIN + (x - first) / along * _WIDTH:.1f} {top + _HEIGHT - (y - low) / across * _HEIGHT:.1f}"
        for x, y in points
    )
    marks = ((high, top + 10), (low, top + _HEIGHT))
    labels = "".join(f'<text x="{_MARGIN - 4}" y="{y:.0f}" text-anchor="end">{value:.3g}</text>' for value, y in marks)
    frame = f'<rect x="{_MARGIN}" y="{top:.0f}" width="{_WIDTH}" height="{_HEIGHT}"/>'
    title = f'<text x="{_MARGIN + 6}" y="{top + 14:.0f}">{escape(name)}, steps {first:.0f} to {last:.0f}</text>'
    return f'{frame}{title}{labels}<path d="M{" L".join(places)}"/>'
