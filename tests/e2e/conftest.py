"""A small workspace that every end-to-end test gets a copy of."""

from __future__ import annotations

from pathlib import Path

import pytest

SHAPES = '''\
"""Shapes."""
import math


def circle_area(radius):
    """Return the area of a circle."""
    return math.pi * radius ** 2


def clamp_number(value, low, high):
    if value < low:
        return low
    if value > high:
        return high
    return value


class Basket:
    def __init__(self, owner):
        self.owner = owner
        self.prices = []

    def add_price(self, price):
        self.prices.append(price)

    def total(self):
        result = 0
        for price in self.prices:
            result += clamp_number(price, 0, 100)
        return result
'''

MAIL = """\
from shapes import Basket, circle_area


def send_mail(server, sender, receiver, text):
    connection = server.connect()
    try:
        connection.login(sender)
        connection.deliver(receiver, text)
    finally:
        connection.close()


def report(basket):
    print(basket.total(), circle_area(2))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "shapes.py").write_text(SHAPES)
    (folder / "mail.py").write_text(MAIL)
    return folder


def position(text: str, marker: str, offset: int = 0) -> dict[str, int]:
    """Line and character (ASCII text) of the first occurrence of `marker`."""
    before = text[: text.index(marker) + offset]
    return {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
