"""Sprig's own part of the protocol: the commands and the types of their arguments and results (docs/protocol.md)."""

from __future__ import annotations

import attrs
from lsprotocol import types as lsp

SEARCH = "sprig.search"
STATUS = "sprig.status"
TRIM = "sprig.trim"


@attrs.define(kw_only=True)
class SearchParams:
    """The one argument of `sprig.search`."""

    query: str
    """A question in words, or a name."""
    limit: int = 20
    """How many hits at most, 1 to 1000."""
    language: str | None = None
    """Only definitions in this language."""


@attrs.define(kw_only=True)
class SearchHit:
    """One definition that answers a question, best first in its list."""

    location: lsp.Location
    name: str
    """Qualified name."""
    kind: str
    """"function", "method", "constructor", "class" or "module"."""
    language: str
    score: float
    """Comparable within one result only; higher is better."""


@attrs.define(kw_only=True)
class SearchResult:
    """The result of `sprig.search`."""

    hits: list[SearchHit]
    complete: bool
    """Whether everything in the workspace could be found: not while it is being indexed, nor where that was
    cancelled or failed, nor where no folder is open."""
    message: str | None = None
    """Why it could not, and how far the index has come."""


@attrs.define(kw_only=True)
class TrimParams:
    """The one argument of `sprig.trim`."""

    text_document: lsp.TextDocumentIdentifier
    position: lsp.Position
    """In the function."""
    task: str = "search"
    """For which model: "search" or "summarize"."""
    method: str | None = None
    """How to choose what is left out, if not as the bundle does."""
    ratio: float | None = None
    """The share to leave out, if not the bundle's: at least 0, less than 1."""


@attrs.define(kw_only=True)
class TrimmedToken:
    """One token of a function."""

    range: lsp.Range
    """In `TrimResult.code`."""
    kept: bool
    importance: float
    """How much the model attends to it, beside the one it attends to most: 0 to 1."""


@attrs.define(kw_only=True)
class TrimResult:
    """The result of `sprig.trim`."""

    name: str
    """Qualified name of the function."""
    language: str
    code: str
    """The function without its documentation, as models read it."""
    method: str
    ratio: float
    least: int
    """Tokens of a function that stay at least."""
    tokens: list[TrimmedToken]


@attrs.define(kw_only=True)
class FolderStatus:
    """The index of one workspace folder."""

    uri: str
    files: int
    functions: int
    definitions: int
    encoded: int
    """How many definitions have a vector, and so are found by meaning."""
    generated: int
    """Files that are left out since they are generated or minified."""
    too_large: int
    """Files that are left out for their size."""
    unreadable: int
    """Files and folders that could not be read or parsed."""
    indexing: bool
    complete: bool
    """Whether everything in it is indexed."""
    message: str | None = None
    """Why it is not, and how far the index has come."""
    error: str | None = None
    """Why indexing failed, where it did."""


@attrs.define(kw_only=True)
class BundleStatus:
    """A bundle that the server can use."""

    name: str
    task: str
    languages: list[str]
    digest: str


@attrs.define(kw_only=True)
class PackStatus:
    """A language pack that is installed."""

    name: str
    version: str
    problems: list[str]
    """What this version of Sprig cannot use of it."""


@attrs.define(kw_only=True)
class DocumentStatus:
    """An open document without hovers."""

    uri: str
    problem: str
    """Why it is not parsed."""


@attrs.define(kw_only=True)
class StatusResult:
    """The result of `sprig.status`."""

    version: str
    folders: list[FolderStatus]
    bundles: list[BundleStatus]
    packs: list[PackStatus]
    failures: list[str]
    """What fails in the background, in a sentence each; one that works again is gone."""
    missing_packs: list[str]
    """Packs that the workspace's code would need to be found by meaning, as the extras of `sprig-lsp`."""
    documents: list[DocumentStatus]
    """Those that are too large or too deep to be parsed."""
