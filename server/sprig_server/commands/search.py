"""sprig search: search a folder of code."""

from __future__ import annotations

from argparse import Namespace
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from sprig_server.code.lines import decode, split_lines
from sprig_server.commands.terminal import (
    displayable,
    messages,
    output,
    progress,
    read_lines,
    tell_of_removed,
    warn_of_missing_packs,
    warn_of_unreadable,
    write_json,
)
from sprig_server.errors import InvalidInput
from sprig_server.index.build import Control
from sprig_server.index.cache import limit_cache
from sprig_server.index.files import MAX_BYTES
from sprig_server.index.folder_index import FolderIndex, Mode
from sprig_server.index.regular_file import read_regular
from sprig_server.inference.models import Models
from sprig_server.types import Hit

_EXCERPT_LINES = 6


def run(arguments: Namespace) -> int:
    """Answer one query, or one on each line of a file."""
    queries = [" ".join(arguments.query)] if arguments.query else []
    if arguments.queries:
        queries += [line for line in read_lines(arguments.queries) if line.strip()]
    if not queries or not all(query.strip() for query in queries):
        raise InvalidInput('the query "" is empty: say in a few words what the code you look for does')
    mode: Mode = "dense" if arguments.dense_only else "lexical" if arguments.lexical_only else "hybrid"
    index = FolderIndex(arguments.workspace, Models(arguments.bundle, arguments.threads))
    if index.unwritable is not None:
        messages().print(f"{index.unwritable}; this time the index is kept in a temporary folder", markup=False)
    with progress() as report:
        left_out = index.update(control=Control(report), encode=mode != "lexical")
    warn_of_unreadable(left_out)
    warn_of_missing_packs(index)
    for query in queries:
        hits = index.search(query, arguments.k, arguments.language, mode)
        if arguments.json:
            write_json({"query": query, "hits": [asdict(hit) | {"path": displayable(hit.path)} for hit in hits]})
        else:
            show_hits(index.root, query, hits)
    index.close()
    tell_of_removed(limit_cache())
    return 0


def show_hits(root: Path, query: str, hits: list[Hit]) -> None:
    """Print hits with an excerpt of each."""
    console = output()
    if not hits:
        console.print(f'nothing found for "{query}"', markup=False)
    for place, hit in enumerate(hits, 1):
        head = Text(f"{place:2} ")
        head.append(hit.name, style="bold")
        head.append(f"  {hit.kind}", style="dim")
        head.append(f"  {displayable(hit.path)}:{hit.name_line}-{hit.end_line}", style="cyan")
        head.append(f"  {hit.score:.2f}", style="dim")
        console.print(head)
        with suppress(OSError):  # deleted meanwhile: the hit has no excerpt
            _show_excerpt(console, root, hit)


def _show_excerpt(console: Console, root: Path, hit: Hit) -> None:
    data, _ = read_regular(root / hit.path, MAX_BYTES)
    lines = split_lines(decode(data))[hit.start_line - 1 : hit.end_line]
    excerpt = "".join(lines[:_EXCERPT_LINES]).rstrip()
    if console.is_terminal:
        console.print(Syntax(excerpt, hit.language, start_line=hit.start_line, line_numbers=True))
    else:
        console.print("\n".join(f"     {line}" for line in excerpt.splitlines()), markup=False)
