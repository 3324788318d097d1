"""Docstrings as Markdown: the styles of Google, NumPy, Sphinx and Epytext, and plain text."""

from __future__ import annotations

import re

from sprig_server.markup.docstring_parts import Item, Part, split_sections
from sprig_server.markup.escape import code_span
from sprig_server.markup.prose import escaped, keep_code, plain_markdown
from sprig_server.markup.restructured import is_restructured, restructured_markdown
from sprig_server.markup.sections import Entry, Kept, Section, composed, link

_SESSION = re.compile(r"(?:^ *>>> ?[^\n]*(?:\n *\S[^\n]*)*(?:\n\s*\n(?= *>>>)|\n|\Z))+", re.MULTILINE)
_SIGNATURE = re.compile(r"\A((?:[A-Za-z_][\w.]*\([^\n]*\)(?:[ ]+--?>[ ]*[^\n]+)?(?:\n|\Z))+)(?=\s*(?:\n|\Z))")
_EPYTEXT = re.compile(r"\b([CLIBMUEGSX])\{((?:[^{}\n]|\n(?!\s*\n))*)\}")
_EMPHASIS = re.compile(r"(?<![\w*\\])(\*{1,2})(?=[^\s*])([^*\n]{0,80}[^\s*])\1(?![\w*])")
_TARGET = re.compile(r"\A(.*?)\s*<([^<>]*)>\Z", re.DOTALL)
_LINK = re.compile(r"(?<![\w\])])\[([^\[\]\n]+)\]\(([^()\s<>]*[/#.][^()\s<>]*)\)")
_TARGETS = re.compile(r"^ *\.\. _`?([^:`\n]+)`?: +(https?://[^\s<>]+) *$", re.MULTILINE)
_CITED = re.compile(r"`([^`<>\n]+(?:\n[^`<>\n]+)?)`_(?!\w)")


def docstring_markdown(documentation: str) -> str:
    """A docstring as Markdown."""
    return _Docstring(documentation).markdown()


class _Docstring:
    """One docstring while it is read."""

    def __init__(self, text: str) -> None:
        self.kept = Kept()
        self.text = text
        self.is_restructured = is_restructured(text)

    def markdown(self) -> str:
        text = keep_code(self.text, self.kept)
        text = _SIGNATURE.sub(lambda match: self.kept.block(match[1], "python"), text)
        text = _SESSION.sub(self._session, text)
        targets = dict(_TARGETS.findall(text))
        text = _CITED.sub(lambda match: self._cited(match, targets), text)
        body, parts = split_sections(text)
        sections = [self._section(part) for part in parts]
        sections.sort(key=lambda section: section.title != "Deprecated")
        return self.kept.restore(composed(self.prose(body), sections))

    def prose(self, text: str) -> str:
        """A text in which only the marks of its style are markup."""
        text = _EPYTEXT.sub(self._epytext, text)
        if self.is_restructured:
            return restructured_markdown(text, self.kept)
        text = _LINK.sub(lambda match: link(match[1], match[2], self.kept), text)
        marked = _EMPHASIS.sub(lambda m: f"{self.kept.keep(m[1])}{m[2]}{self.kept.keep(m[1])}", text)
        return plain_markdown(marked, self.kept)

    def _session(self, match: re.Match[str]) -> str:
        """An interactive session, in a paragraph as deep as it is."""
        margin = " " * (len(match[0]) - len(match[0].lstrip(" ")))
        return f"\n{margin}{self.kept.block(match[0], 'python').strip()}\n\n"

    def _cited(self, match: re.Match[str], targets: dict[str, str]) -> str:
        """A link to a target that the docstring names elsewhere."""
        address = targets.get(" ".join(match[1].split()))
        return link(match[1], address, self.kept) if address else match[0]

    def _section(self, part: Part) -> Section:
        if len(part.items) == 1 and not part.items[0].name:  # what is returned
            return Section(part.title, text=self.prose(part.items[0].text), kind=self._kind(part.items[0].kind))
        if part.items:
            return Section(part.title, tuple(map(self._entry, part.items)))
        return Section(part.title, text=self.kept.block(part.text, "python") if part.is_code else self.prose(part.text))

    def _entry(self, item: Item) -> Entry:
        names = ", ".join(self._name(name.strip()) for name in item.name.split(",") if name.strip())
        return Entry(names, self._kind(item.kind), self.prose(item.text))

    def _name(self, name: str) -> str:
        name = self.prose(name) if name.startswith((":", "\ue000", "L{")) else name
        return name if name.startswith("\ue000") else code_span(name.strip("`"))

    def _kind(self, kind: str) -> str:
        return self.prose(kind.strip()).replace("\n", " ").strip()

    def _epytext(self, match: re.Match[str]) -> str:
        kind, text = match[1], match[2]
        target = _TARGET.match(text)
        if kind == "U":
            address = target[2] if target is not None else text
            label = (target[1] if target is not None else "") or address
            return link(label, address, self.kept)
        if kind in "CML":
            return self.kept.span((target[1] if target is not None else "") or text)
        if kind == "E":
            return self.kept.keep(escaped({"lb": "{", "rb": "}"}.get(text, text)))
        mark = {"B": "**", "I": "*"}.get(kind, "")
        return f"{self.kept.keep(mark)}{text}{self.kept.keep(mark)}"
