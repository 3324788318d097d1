"""The values that the modules of the server exchange: frozen, and without behaviour of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["function", "method", "constructor", "class", "module"]
Task = Literal["search", "summarize"]
TrimMethod = Literal["none", "tail", "random", "slim", "diet", "lean", "novelty"]
"""How tokens are left out before a model reads them, see `trim`."""

Vectors = NDArray[np.float32]
"""L2-normalised embeddings, float32 [n, d]."""

MIN_CONFIDENCE = -1.5
"""Below this confidence (a mean log-probability) a hover shows no generated summary, unless it is set otherwise."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text: characters [start, end) and 0-based lines, the last one included."""

    start: int
    end: int
    start_line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class Definition:
    """A function, method or constructor with a body; for the index also a class or a whole module.

    `code` is the source without the definition's own documentation and without its common indentation (of a class or
    module: without the bodies of its functions); `documentation` is the text of that documentation without comment
    marks ("" where there is none). `span` covers decorators, annotations and template headers but not a documentation
    comment above them.
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
    """One answer of a search: a function of the workspace, lines 1-based and inclusive.

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
    """A generated sentence; `confidence` is the mean log-probability of its tokens (at most 0)."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What an update of an index passed over: paths that could not be read or parsed, and how many source files are
    generated or minified, or larger than what is indexed."""

    unreadable: tuple[str, ...] = ()
    generated: int = 0
    too_large: int = 0
