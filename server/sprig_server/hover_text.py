"""How a hover is written, as Markdown or plain text: the name, the signature, then documentation or a sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sprig_server.hover_content import Written
from sprig_server.types import Definition

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:])")
_LONGEST_DOCUMENTATION = 2000
PROBABLY = "Written by Sprig's model, probably right"
GUESS = "A guess of Sprig's model"


@dataclass(frozen=True, slots=True)
class Head:
    """What a hover begins with: the name of what it describes and, if that is in another file, its place and link."""

    name: str
    place: str = ""
    link: str = ""


def as_markdown(function: Definition, head: Head, summary: Written | None) -> str:
    """The hover for clients that show Markdown."""
    text, note = _said(function, summary)
    text = "  \n".join(escape_markdown(line) for line in text.splitlines())
    name = code_span(head.name)
    first = f"{name} in [{escape_markdown(head.place)}](<{head.link}>)" if head.place else name
    return _paragraphs(first, _code_block(function), text, f"*{note}*" if note else "")


def as_plain_text(function: Definition, head: Head, summary: Written | None) -> str:
    """The hover for clients that show plain text only."""
    text, note = _said(function, summary)
    first = f"{head.name} in {head.place}" if head.place else head.name
    return _paragraphs(first, function.signature, text, note)


def _said(function: Definition, summary: Written | None) -> tuple[str, str]:
    """The words about a function, and where they are from if nobody wrote them."""
    if summary is None:
        return function.documentation[:_LONGEST_DOCUMENTATION], ""
    return summary.text, PROBABLY if summary.is_likely else GUESS


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it stands, whatever it holds."""
    return _MARKDOWN.sub(r"\\\1", text)


def code_span(text: str) -> str:
    """Text as inline code, whatever it holds."""
    if "`" not in text:
        return f"`{text}`"
    fence = "`" * (1 + max(len(run) for run in re.findall(r"`+", text)))
    return f"{fence} {text} {fence}"


def _code_block(function: Definition) -> str:
    fence = "```"
    while fence in function.signature:
        fence += "`"
    return f"{fence}{function.language}\n{function.signature}\n{fence}"
