"""Text that Markdown shows as it stands, with as few backslashes as that takes."""

from __future__ import annotations

import re

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:])")

# What Markdown would misread, in text that is written on one line.
_ANYWHERE = re.compile(
    r"\\(?=[!-/:-@\[-`{-~]|$)"  # an escape
    r"|`"
    r"|<(?=[A-Za-z/!?])"  # a tag
    r"|&(?=#?\w+;)"  # an entity
    r"|\](?=\()|!(?=\[)"  # a link or an image
    r"|~(?=.*~)",  # something struck out
)
_EMPHASIS = re.compile(r"(?<!\s)\*|\*(?!\s)|(?<![^\W_])_|_(?![^\W_])")
_FIRST = re.compile(r"#{1,6}(?=\s|$)|[-+*](?=\s|$)|>|[-=]+\s*$|[|:\-][|:\-\s]*$|\[[ xX]\](?=\s)|\[[^\[\]]*\]:")
_NUMBER = re.compile(r"(\d{1,9})([.)])(?=\s|$)")


def escape_markdown(text: str) -> str:
    """Text in which no character is markup, for a parser."""
    return _MARKS.sub(r"\\\1", text)


def escape_misread(text: str, before: str = "\n", after: str = "\n", *, emphasis: bool = True) -> str:
    """Text of one line, for a reader: only what Markdown would misread is escaped.

    Args:
        before: the character before it, a line feed at the start of a line.
        after: the character after it.
        emphasis: whether asterisks and underscores may be misread.
    """
    start = len(before)
    whole = before + text + after.strip("\n")
    marks = {match.start() for match in _ANYWHERE.finditer(whole)}
    marks |= {match.start() for match in _EMPHASIS.finditer(whole)} if emphasis else set()
    if before == "\n":
        first, number = _FIRST.match(whole, start), _NUMBER.match(whole, start)
        marks |= {start} if first is not None else set()
        marks |= {number.start(2)} if number is not None else set()
    return "".join(f"\\{mark}" if place in marks else mark for place, mark in enumerate(text, start))


def code_span(text: str) -> str:
    """Text as inline code, whatever it holds."""
    if "`" in text:
        fence = "`" * (1 + max(len(run) for run in re.findall(r"`+", text)))
        return f"{fence} {text} {fence}"
    padded = text.startswith(" ") and text.endswith(" ") and text.strip()
    return f"` {text} `" if padded else f"`{text}`"


def code_block(text: str, language: str = "") -> str:
    """Text as a block of code, whatever it holds."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"
