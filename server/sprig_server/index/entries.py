"""The definitions of a file, as entries of an index."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from sprig_server.code.languages import Language, language_of_path
from sprig_server.code.last_good_parse import Mark, find_standing, mark_of
from sprig_server.code.lines import Lines, decode
from sprig_server.code.parsed_source import ParsedSource, name_of, parse_source
from sprig_server.code.text import Passage, search_input, search_passage
from sprig_server.errors import NotParsed
from sprig_server.index.store import Entry, digest_of
from sprig_server.types import Definition

_log = logging.getLogger(__name__)

_OVERLOAD = re.compile(r"(?:@.*\n)*?@(?:\w+\.)*overload\b")

Parse = Callable[[str, str, str], ParsedSource]
"""Parses a text, like `code.parsed_source.parse_source`. A server parses large texts in another process."""

Item = tuple[Entry, Passage]
"""An entry, and the passage that is encoded for it."""


def parse_file(
    path: str, data: bytes, parse: Parse = parse_source, known: Callable[[], list[Item]] = list
) -> list[Item]:
    """The definitions of a file; empty if its language is unknown, or if it is too large or too deep.

    Args:
        known: the entries of the file in the index. If the file is unfinished now, those that it still contains stay.
    """
    language = language_of_path(path)
    if language is None:
        return []
    text = decode(data)
    module = PurePosixPath(path).stem
    try:
        source = parse(text, name_of(language), module)
    except NotParsed as error:
        _log.warning("%s is not indexed: %s", path, error)
        return []
    lines = Lines(text)
    trusted = {id(d) for d in (source.definitions if source.whole else source.kept)}
    found = [_item(path, lines, d, _known_as(d, language, module), id(d) in trusted) for d in source.definitions]
    return _without_overloads(found if source.whole else _with_last_good(found, source, known(), lines))


def _item(path: str, lines: Lines, definition: Definition, qualified_name: str, trusted: bool) -> Item:
    content = search_input(definition.code, definition.documentation, qualified_name)
    name_line, name_column = lines.position(definition.name_span.start, "utf-16")
    entry = Entry(
        path,
        qualified_name if definition.name == definition.qualified_name else definition.name,
        qualified_name,
        definition.kind,
        definition.language,
        definition.span.start_line + 1,
        definition.span.end_line + 1,
        digest_of(content.encode("utf-8", errors="replace")),
        bool(definition.documentation),
        name_line=name_line + 1,
        name_column=name_column,
        mark=mark_of(lines.text, definition) if trusted and definition.kind != "module" else None,
    )
    return entry, search_passage(content, len(content) - len(definition.code), definition.language)


def _without_overloads(items: list[Item]) -> list[Item]:
    """Without the stubs of Python's `@overload`: what is looked for is their implementation."""
    stubs = [entry.language == "python" and _OVERLOAD.match(passage.code) is not None for entry, passage in items]
    implemented = {item[0].qualified_name for item, is_stub in zip(items, stubs, strict=True) if not is_stub}
    return [
        item
        for item, is_stub in zip(items, stubs, strict=True)
        if not (is_stub and item[0].qualified_name in implemented)
    ]


def _known_as(definition: Definition, language: Language, module: str) -> str:
    """Entries in which a value that a module exports without a name has the name of the file."""
    first, _, rest = definition.qualified_name.partition(language.separator)
    if first not in language.unnamed_exports:
        return definition.qualified_name
    return language.separator.join(part for part in (module, rest) if part)


def _with_last_good(found: Sequence[Item], source: ParsedSource, known: Sequence[Item], lines: Lines) -> list[Item]:
    """The definitions of an unfinished text. Where it is unchanged, they are those that the index has from the last
    whole text.
    """
    before = [(entry, entry.mark, passage) for entry, passage in known if entry.mark is not None]
    standing = find_standing([mark for _, mark, _ in before], source)
    items = dict(zip(map(id, source.definitions), found, strict=True))
    read = {d.name_span.start: d for d in source.definitions if d.kind != "module"}
    kept = []
    for (entry, mark, passage), start in zip(before, standing.starts, strict=True):
        if start is None:
            continue
        stays, again = _moved(entry, mark, start, lines), read.get(start + mark.name)
        if again is not None and (not mark.is_whole or mark_of(lines.text, again) == stays.mark):
            other, text = items[id(again)]
            if (other.qualified_name, other.kind) == (entry.qualified_name, entry.kind):
                stays, passage = replace(other, mark=stays.mark), text  # the comments above it may have changed
        kept.append((stays, passage))
    modules = [d for d in source.definitions if d.kind == "module"]
    return [*kept, *(items[id(d)] for d in (*standing.new, *modules))]


def _moved(entry: Entry, mark: Mark, start: int, lines: Lines) -> Entry:
    """An entry whose definition now begins at `start`."""
    first, name = lines.line_of(start), lines.position(start + mark.name, "utf-16")
    return replace(
        entry,
        start_line=first + 1,
        end_line=min(first + 1 + entry.end_line - entry.start_line, len(lines)),
        name_line=name[0] + 1,
        name_column=name[1],
        mark=replace(mark, start=start, behind=len(lines.text) - start),
    )
