"""Sprig's own part of the protocol: commands, and the types of their arguments and results (docs/protocol.md)."""

from __future__ import annotations

import attrs
from lsprotocol import types as lsp

SEARCH = "sprig.search"
STATUS = "sprig.status"
TRIM = "sprig.trim"
REGENERATE = "sprig.regenerateSummary"
HIDE = "sprig.hideSummary"
INSERT = "sprig.insertSummary"


@attrs.define(kw_only=True)
class SearchParams:
    """The one argument of `sprig.search`."""

    query: str
    """A question in words, or a name."""
    limit: int = 20
    """The maximum number of hits, 1 to 1000."""
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
    """Whether everything in the workspace could be found. False while it is being indexed, if that was cancelled or
    failed, and if no folder is open.
    """
    message: str | None = None
    """Why not everything could be found, and how far indexing has come."""


@attrs.define(kw_only=True)
class TrimParams:
    """The one argument of `sprig.trim`."""

    text_document: lsp.TextDocumentIdentifier
    position: lsp.Position
    """A position in the function."""
    task: str = "search"
    """Which model: "search" or "summarize"."""
    method: str | None = None
    """The trimming method, instead of the bundle's own."""
    ratio: float | None = None
    """The share to leave out, instead of the bundle's own: at least 0, less than 1."""


@attrs.define(kw_only=True)
class TrimmedToken:
    """One token of a function."""

    range: lsp.Range
    """The range in `TrimResult.code`."""
    kept: bool
    importance: float
    """The attention it gets, relative to the token that gets most: 0 to 1."""


@attrs.define(kw_only=True)
class TrimResult:
    """The result of `sprig.trim`."""

    name: str
    """The qualified name of the function."""
    language: str
    code: str
    """The function without its documentation, as models read it."""
    method: str
    ratio: float
    least: int
    """The number of tokens of a function that stay at least."""
    tokens: list[TrimmedToken]


@attrs.define(kw_only=True)
class SummaryParams:
    """The one argument of `sprig.regenerateSummary`, `sprig.hideSummary` and `sprig.insertSummary`."""

    text_document: lsp.TextDocumentIdentifier
    position: lsp.Position
    """A position in the function."""


@attrs.define(kw_only=True)
class SummaryResult:
    """The result of `sprig.regenerateSummary`."""

    name: str
    """The qualified name of the function."""
    text: str
    probability: float
    """The probability that the sentence is right, 0 to 1."""


@attrs.define(kw_only=True)
class FolderStatus:
    """The index of one workspace folder."""

    uri: str
    files: int
    functions: int
    definitions: int
    encoded: int
    """The number of definitions that have a vector, and so are found by meaning."""
    generated: int
    """The number of generated or minified files that are left out."""
    too_large: int
    """The number of files that are left out because they are too large."""
    unreadable: int
    """The number of files and folders that could not be read or parsed."""
    indexing: bool
    complete: bool
    """Whether everything in the folder is indexed."""
    message: str | None = None
    """Why not everything is indexed, and how far indexing has come."""
    error: str | None = None
    """Why indexing failed, if it did."""


@attrs.define(kw_only=True)
class BundleStatus:
    """A bundle that the server can use."""

    name: str
    task: str
    languages: list[str]
    digest: str


@attrs.define(kw_only=True)
class PackStatus:
    """An installed language pack."""

    name: str
    version: str
    problems: list[str]
    """The problems of this version of Sprig with its bundles."""


@attrs.define(kw_only=True)
class DocumentStatus:
    """An open document without hovers."""

    uri: str
    problem: str
    """Why the document is not parsed."""


@attrs.define(kw_only=True)
class StatusResult:
    """The result of `sprig.status`."""

    version: str
    folders: list[FolderStatus]
    bundles: list[BundleStatus]
    packs: list[PackStatus]
    failures: list[str]
    """What fails in the background, a sentence each. Entries are removed when the work succeeds again."""
    missing_packs: list[str]
    """The packs that this workspace lacks, as extras of `sprig-lsp`."""
    documents: list[DocumentStatus]
    """The documents that are too large or too deep to be parsed."""
