"""The values that the server's modules exchange: frozen, without behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["function", "method", "constructor", "class", "module", "variable"]
Task = Literal["search", "summarize"]
TASKS: tuple[Task, ...] = ("search", "summarize")
TrimMethod = Literal["none", "tail", "random", "slim", "diet", "lean", "novelty"]
"""How tokens are selected for removal before a model reads a function; see `trim`."""

Vectors = NDArray[np.float32]
"""L2-normalised embeddings, float32 [n, d]."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of a text: characters [start, end), and 0-based lines, both included."""

    start: int
    end: int
    start_line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class Definition:
    """A function, method or constructor with a body; for the index also a class or a module, for hovers also a constant
    or field.

    `code` is the source without the definition's documentation and without common indentation. For a class or module,
    the functions in it are left out. `documentation` is the text of the documentation without comment marks, or "".
    `span` includes decorators, annotations and template headers, but not a documentation comment above them.
    """

    name: str
    qualified_name: str
    kind: Kind
    language: str
    signature: str
    documentation: str
    code: str
    span: Span
    name_span: Span


@dataclass(frozen=True, slots=True)
class Hit:
    """A search hit: a definition of the workspace. Lines are 1-based and inclusive.

    Its name begins at `name_line` (1-based) and `name_column` (0-based, in UTF-16 units).
    """

    path: str
    start_line: int
    end_line: int
    name: str
    kind: str
    language: str
    score: float
    name_line: int
    name_column: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A generated sentence. `confidence` is the mean log-probability of its tokens, `lowest` the lowest of them."""

    text: str
    confidence: float
    lowest: float = 0.0


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What an update of an index left out: paths that could not be read or parsed, and the numbers of source files that
    are generated or minified, or too large.
    """

    unreadable: tuple[str, ...] = ()
    generated: int = 0
    too_large: int = 0
