"""Plain prose as Markdown: paragraphs, lists, drawings and examples as they are written, and nothing misread."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from sprig_server.markup.escape import escape_markdown
from sprig_server.markup.sections import Kept

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^\n`]*\n(.*?)(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.M | re.S)
_CODE = re.compile(r"(?<![`\\])(`{1,2})(?!`)([^`\n]+(?:\n[^`\n]+)?)\1(?!`)")
_MARK = re.compile("\ue002")
_TITLE = re.compile(r"\A[ \t]*([^\n]{1,80})\n[ \t]*(?:\\?[-=~^+*\"'])+[ \t]*(?=\n|\Z)")
_PIECE = re.compile("[\ue000\ue002]\\d+\ue001")
_ITEM = re.compile(r"^([ \t]*)(?:([-*+\u2022])|(\d{1,3})[.)])[ \t]+(?=\S)", re.M)
_COLUMNS = re.compile(r"\S {3,}\S|[\u2500-\u259f]|[|+]-{2,}[|+]|^\s*[|+/\\].*[|+/\\]\s*$")
_OPENS = re.compile(r"[({\[]$|^\s*(?:def|class|with|for|while|if|try|else)\b.*:$")
_DUNDER = re.compile(r"(?<![\w.`/])(?:\w+\.)*__\w+?__(?:\(\))?(?![\w/])")
_DELIMITER = re.compile(r"\s*\|?\s*:?-{2,}:?\s*\|[\s|:-]*$")
_BLANK = re.compile(r"\n(?:[ \t]*\n)+")


def keep_code(text: str, kept: Kept, language: str = "") -> str:
    """A text with its fenced blocks kept; those without a language get one."""
    return _FENCE.sub(lambda match: kept.block(match[3], match[2] or language), text)


def keep_spans(text: str, kept: Kept) -> str:
    """A text with its code in backticks kept."""
    return _CODE.sub(lambda match: kept.span(match[2]), text)


def keep_names(text: str, kept: Kept) -> str:
    """A text with names such as `__init__` kept as code, because Markdown would make them bold."""
    return _DUNDER.sub(lambda match: kept.span(match[0]), text)


def plain_markdown(text: str, kept: Kept) -> str:
    """Plain text as Markdown. What is kept in it stays."""
    return laid_out(keep_names(keep_spans(keep_code(text, kept), kept), kept), kept, _lines)


def laid_out(text: str, kept: Kept, read: Callable[[str], str]) -> str:
    """A text as paragraphs, where code and drawings are kept.

    Args:
        text: the text, in which code between marks is kept already.
        kept: where code is kept.
        read: reads a paragraph or a list as Markdown.
    """
    found: list[str] = []
    in_list = False
    for part in _parts(text):
        in_list = _ITEM.search(part) is not None or (in_list and part.startswith("  "))
        is_indented = all(line.startswith("    ") or not line.strip() for line in part.split("\n"))
        if is_drawn(part) or (is_indented and not in_list and not _MARK.search(part)):
            found.append(kept.block(part).strip("\n"))
        else:
            found.append(titled(read(part)))
    return "\n\n".join(found)


def _parts(text: str) -> list[str]:
    """The paragraphs of a text. Indented ones in a row are one."""
    parts: list[str] = []
    for part in _BLANK.split(text.strip("\n")):
        if parts and part.startswith("    ") and parts[-1].startswith("    "):
            parts[-1] += f"\n\n{part}"
        elif part.strip():
            parts.append(part)
    return parts


def _lines(paragraph: str) -> str:
    """A paragraph or a list in which nothing else is Markdown."""
    numbers = sum(match[3] is not None for match in _ITEM.finditer(paragraph))
    return "\n".join(_line(line, numbers > 1) for line in paragraph.split("\n"))


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def is_drawn(paragraph: str) -> bool:
    """Whether the spaces of a paragraph count: it is code, or has columns or several depths, and is no list."""
    lines = paragraph.strip("\n").split("\n")
    if len(lines) < 2 or any(_ITEM.match(line) or _DELIMITER.match(line) for line in lines):
        return False
    if any(_OPENS.search(line) and _margin(below) > _margin(line) for line, below in pairwise(lines)):
        return True
    depths = {_margin(line) for line in lines if _margin(line) > _margin(lines[0])}
    return len(depths) > 1 or sum(_COLUMNS.search(line) is not None for line in lines) * 2 > len(lines)


def _line(line: str, is_numbered: bool) -> str:
    """A line in which only the mark of an item is Markdown."""
    item = _ITEM.match(line)
    if item is None or (item[3] and not is_numbered):
        margin = _margin(line)
        return line[:margin] + escaped(line[margin:])
    return f"{item[1]}{'-' if item[2] else f'{item[3]}.'} {escaped(line[item.end() :])}"


def escaped(text: str) -> str:
    """Text in which nothing is markup but what is kept."""
    pieces, place = [], 0
    for match in _PIECE.finditer(text):
        pieces += [escape_markdown(text[place : match.start()]), match[0]]
        place = match.end()
    return "".join([*pieces, escape_markdown(text[place:])])


def titled(paragraph: str) -> str:
    """A paragraph whose first line is bold, if the second one underlines it."""
    title = _TITLE.match(paragraph)
    if title is None or len(re.sub(r"[\\\s]", "", paragraph[title.end(1) : title.end()])) < 3:
        return paragraph
    return f"**{title[1].strip()}**\n\n{paragraph[title.end() :].lstrip()}".rstrip()
