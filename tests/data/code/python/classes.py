from __future__ import annotations

import abc
from dataclasses import dataclass


@dataclass(frozen=True)
class Point(Base, metaclass=abc.ABCMeta):
    """A point in the plane.

    It does not move.
    """

    x: float
    y: float = 0.0

    def __init__(self, x):
        """Make a point."""
        self.x = x

    @property
    def norm(self) -> float:
        return (self.x**2 + self.y**2) ** 0.5

    @norm.setter
    def norm(self, value: float) -> None:
        self.x = value

    @staticmethod
    def origin():
        return Point(0)

    @classmethod
    async def load(cls, path):
        async with open(path) as stream:
            return cls(await stream.read())

    @abc.abstractmethod
    def area(self): ...

    def __eq__(self, other):
        return self.x == other.x

    class Inner:
        def method(self):
            def local():
                return 1

            return local()

    key = lambda self: self.x


class Empty:
    pass


def factory():
    class Local:
        """Made inside."""

        def run(self):
            return 1

    return Local


class Generic[T](list[T]):
    def first(self) -> T:
        return self[0]
