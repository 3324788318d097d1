"""What all styles of documentation have in common: paragraphs, then sections such as parameters, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from textwrap import dedent

from sprig_server.markup.escape import code_block, code_span

_KEPT = re.compile("[\ue000\ue002](\\d+)\ue001")
_TO_THE_WEB = re.compile(r"(?:https?://|mailto:)[^\s<>\\]+\Z", re.IGNORECASE)
_KEPT_BLOCK = re.compile("^([ \\t]*)\ue002(\\d+)\ue001", re.MULTILINE)
_MARKS = re.compile("[\ue000-\ue002]")
_BLOCK = re.compile(r"[ \t]*(?:[-+*] |[>|\ue002]|\d+[.)] |```)")


@dataclass(slots=True)
class Kept:
    """Pieces of Markdown that stand in a text as marks, so that nothing else reads what is in them."""

    pieces: list[str] = field(default_factory=list)
    codes: dict[int, str] = field(default_factory=dict)  # what a piece of code says

    def keep(self, markdown: str) -> str:
        """The mark of a piece."""
        self.pieces.append(markdown)
        return f"\ue000{len(self.pieces) - 1}\ue001"

    def span(self, code: str) -> str:
        """The mark of inline code."""
        code = " ".join(self.as_code(code).split())
        self.codes[len(self.pieces)] = code
        return self.keep(code_span(code)) if code else ""

    def block(self, code: str, language: str = "") -> str:
        """The mark of a block of code, in a paragraph of its own."""
        code = dedent(self.as_code(code).strip("\n").rstrip())
        self.codes[len(self.pieces)] = code
        mark = self.keep(code_block(code, language)).replace("\ue000", "\ue002")
        return f"\n\n{mark}\n\n" if code.strip() else "\n\n"

    def as_code(self, text: str) -> str:
        """A text with code in place of its marks."""
        return _KEPT.sub(lambda match: self.codes.get(int(match[1]), ""), text)

    def restore(self, text: str) -> str:
        """The text with the pieces. Each line of a block is as deep as its mark."""
        while _KEPT.search(text):  # pieces may hold marks
            text = _KEPT_BLOCK.sub(lambda match: indented(self.pieces[int(match[2])], match[1]), text)
            text = _KEPT.sub(lambda match: self.pieces[int(match[1])], text)
        return text


def without_marks(text: str) -> str:
    """A text in which nothing looks like the mark of a piece."""
    return _MARKS.sub("\ufffd", text)


def link(label: str, address: str | None, kept: Kept) -> str:
    """A label that links to an address, if that is one of the web."""
    label = " ".join(label.split())
    if not label or not _TO_THE_WEB.match(address or ""):
        return label
    return f"{kept.keep('[')}{label}{kept.keep(f'](<{address}>)')}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A parameter, an exception or the like. All of it is Markdown."""

    name: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a documentation: entries, or a text. Without a title, it is the text between such parts."""

    title: str
    entries: tuple[Entry, ...] = ()
    text: str = ""
    kind: str = ""


def composed(body: str, sections: Iterable[Section]) -> str:
    """A documentation as Markdown."""
    return "\n\n".join(part for part in (body.strip(), *map(_section, sections)) if part)


def _section(section: Section) -> str:
    if section.entries:
        return f"**{section.title}**\n\n" + "\n".join(map(_entry, section.entries))
    text, title = section.text.strip("\n").rstrip(), f"**{section.title}**"
    if not section.title:
        return text
    if section.kind:
        title += f" ({section.kind})"
    if not text:
        return title
    if _BLOCK.match(text) or "\n\n" in text:
        return f"{title}\n\n{text}"
    return f"{title}: {text.lstrip()}" if section.kind else f"**{section.title}:** {text.lstrip()}"


def _entry(entry: Entry) -> str:
    named = f"{entry.name} ({entry.kind})" if entry.kind else entry.name
    text = without_margin(entry.text).strip()
    if not named:
        return f"- {indented(text, '  ')[2:]}"
    lines = f"{named}: {text}" if text and not _BLOCK.match(text) else f"{named}\n\n{text}" if text else named
    return f"- {indented(lines, '  ')[2:]}"


def indented(text: str, margin: str) -> str:
    """A text with a margin before each line that is not blank."""
    return "\n".join(margin + line if line.strip() else "" for line in text.split("\n"))


def without_margin(text: str) -> str:
    """A text without the indentation that its lines share; the first line counts only if it is alone or indented."""
    first, *others = text.split("\n")
    counted = [line for line in ([first, *others] if first.startswith(" ") else others) if line.strip()]
    margin = min((len(line) - len(line.lstrip(" ")) for line in counted), default=0)
    own = min(margin, len(first) - len(first.lstrip(" ")))
    return "\n".join([first[own:], *(line[margin:] for line in others)])
