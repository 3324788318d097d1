"""How a hover is written, as Markdown or plain text: the name, the signature, then documentation or a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from sprig_server.hover_content import Written
from sprig_server.markup.documentation import shown_documentation
from sprig_server.markup.escape import code_block, code_span, escape_markdown, escape_misread
from sprig_server.markup.writer import written
from sprig_server.types import Definition

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
    name = code_span(head.name)
    first = f"{name} in [{escape_misread(head.place, '[', ']')}](<{head.link}>)" if head.place else name
    code = code_block(function.signature, function.language)
    if summary is None:
        return _paragraphs(first, code, shown_documentation(function.documentation, function.language))
    return _paragraphs(first, code, written(escape_markdown(summary.text)), f"*{_origin(summary)}*")


def as_plain_text(function: Definition, head: Head, summary: Written | None) -> str:
    """The hover for clients that show plain text only."""
    first = f"{head.name} in {head.place}" if head.place else head.name
    if summary is None:
        text = shown_documentation(function.documentation, function.language, as_text=True)
        return _paragraphs(first, function.signature, text)
    return _paragraphs(first, function.signature, summary.text, _origin(summary))


def _origin(summary: Written) -> str:
    """Where the words are from if nobody wrote them."""
    return PROBABLY if summary.is_likely else GUESS


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
