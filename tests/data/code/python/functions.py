"""Functions in all their forms."""

import functools
from typing import overload


def plain(a, b=1, *args, key: int = 0, **rest) -> int:
    """Add things up.

    A second paragraph.
    """
    return a + b + key


async def fetch(url):
    '''Fetch a page.'''
    return await get(url)


def outer(x):
    def inner(y):
        "Inner says this."
        return x + y

    return inner


@functools.wraps(fallback)
@other.decorator
def decorated(n: int,
              m: int) -> int:
    # A comment is not a docstring.
    return n * m


@overload
def either(value: int) -> int: ...
@overload
def either(value: str) -> str: ...
def either(value):
    return value


double = lambda x: x * 2


def one_liner(): return 1


def only_documentation():
    """There is nothing else."""


def raw_docstring():
    r"""Matches \d+."""
    return 1


def formatted_is_no_docstring(name):
    f"""Not for {name}."""
    return name


def bytes_are_no_docstring():
    b"""Not this."""
    return 2


def statement_after_docstring():
    """Short."""; value = 3
    return value


if True:
    def conditional():
        return 4
else:
    def conditional():
        return 5


def gen[T: int](items: list[T]) -> T:
    yield from items


def größe(maß):
    """Über Größe."""
    return maß
