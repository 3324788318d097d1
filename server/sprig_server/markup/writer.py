"""Markdown, read by a parser and written again: for clients that show Markdown, or as plain text.

What is written holds no HTML, no image and no link but to the web, and each of its blocks is closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from sprig_server.markup.escape import code_block, code_span, escape_misread

_PARSER = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["lheading", "reference"])
_TO_THE_WEB = re.compile(r"(?:https?://|mailto:)[^\s<>\\]+$", re.IGNORECASE)
_ADDRESS = re.compile(r"\bhttps?://[^\s<>\"'`]+")
_BRACKETS = re.compile(r"(?<!\\)[\[\]]")
_WORD = re.compile(r"[\w+#.-]+")
_EARLY, _USUAL = 0.6, 50  # a line is meant to end where the next word has room in this part of the longest one


def written(markdown: str, *, as_text: bool = False) -> str:
    """Markdown written again, or what it says as plain text."""
    writer = _TextWriter() if as_text else _Writer()
    return "\n\n".join(writer.blocks(_PARSER.parse(markdown)))


class _Writer:
    """Writes the tokens of a parser as Markdown."""

    strong, emphasis, rule, margin = "**", "*", "---", ""

    def __init__(self) -> None:
        self.emphasis_is_escaped = True

    def blocks(self, tokens: Sequence[Token]) -> list[str]:
        """Each block of a sequence of tokens."""
        found = (self._block(token, inner) for token, inner in _nested(tokens))
        return [block for block in found if block.strip()]

    def _block(self, token: Token, inner: Sequence[Token]) -> str:
        if token.type == "paragraph_open":
            return self.paragraph(inner[0], is_outer=token.level == 0)
        if token.type == "heading_open":
            return self.heading(inner[0].children or [])
        if token.type in ("fence", "code_block"):
            language = _WORD.match(token.info.strip())
            return self.code(token.content.rstrip("\n"), language[0].lower() if language else "")
        if token.type in ("bullet_list_open", "ordered_list_open"):
            return self._items(token, inner)
        if token.type == "blockquote_open":
            return _indented("\n\n".join(self.blocks(inner)), "> ", "> ")
        if token.type == "table_open":
            return self.table([row for row in _rows(self, inner) if row])
        return self.rule if token.type == "hr" else ""

    def _items(self, token: Token, inner: Sequence[Token]) -> str:
        number = int(token.attrs.get("start", 1)) if token.type == "ordered_list_open" else None
        items, is_tight = [], all(t.hidden for t in inner if t.type == "paragraph_open" and t.level == token.level + 2)
        for place, (_, content) in enumerate(_nested(inner)):
            mark = self.margin * (token.level == 0) + ("- " if number is None else f"{number + place}. ")
            blocks = ("\n" if is_tight else "\n\n").join(self.blocks(content))
            items.append(_indented(blocks, mark, " " * len(mark)))
        return ("\n" if is_tight else "\n\n").join(items)

    def paragraph(self, token: Token, is_outer: bool) -> str:
        """A paragraph. Outside of lists, its lines end where its author meant them to end."""
        tokens, ends = token.children or [], _meant_ends(token.content.split("\n")) if is_outer else []
        if len(ends) != sum(child.type in ("softbreak", "hardbreak") for child in tokens):
            ends = []
        self.emphasis_is_escaped = False
        text = self.inline(tokens, ends)
        if any("*" in t.content or "_" in t.content for t in tokens if t.type == "text") and not _says(text, tokens):
            self.emphasis_is_escaped = True
            text = self.inline(tokens, ends)
        return text

    def inline(self, tokens: Sequence[Token], ends: Sequence[bool] = ()) -> str:
        """The text of tokens. `ends` says which line ends are meant."""
        ends = list(ends)
        pieces: list[str] = []
        held: list[str] = []  # the addresses of the links around
        for place, token in enumerate(tokens):
            if token.type in ("softbreak", "hardbreak"):
                is_meant = (ends.pop(0) if ends else False) or token.type == "hardbreak"
                pieces.append(self.line_end(is_meant))
            elif token.type == "text":
                before = "\n" if not pieces else (pieces[-1] or " ")[-1]
                after = _first_of(tokens[place + 1 :])
                pieces.append(self.label(token.content) if held else self.text(token.content, before, after))
            elif token.type == "code_inline":
                pieces.append(self.code_span(token.content))
            elif token.type in ("strong_open", "strong_close"):
                pieces.append(self.strong)
            elif token.type in ("em_open", "em_close"):
                pieces.append(self.emphasis)
            elif token.type == "image":
                pieces += self._link(_address(token, "src"), self.label(token.content or "image"))
            elif token.type == "link_open":
                held.append(_address(token, "href"))
                pieces.append("\0")  # where its label starts
            elif token.type == "link_close":
                start = len(pieces) - pieces[::-1].index("\0")
                label = "".join(pieces[start:])
                del pieces[start - 1 :]
                pieces += self._link(held.pop(), label)
        return "".join(pieces).strip()

    def _link(self, address: str, label: str) -> list[str]:
        if not _TO_THE_WEB.match(address):
            return [label]
        return [self.link(address, label)]

    def line_end(self, is_meant: bool) -> str:
        return "  \n" if is_meant else "\n"

    def text(self, text: str, before: str, after: str) -> str:
        """Text of one line. Addresses in it become links."""
        pieces, place = [], 0
        for match in _ADDRESS.finditer(text):
            address = _balanced(match[0])
            pieces.append(self._escaped(text[place : match.start()], before if place == 0 else "/", "["))
            pieces.append(self.link(address, self.label(address)))
            place = match.start() + len(address)
        pieces.append(self._escaped(text[place:], before if place == 0 else "/", after))
        return "".join(pieces)

    def _escaped(self, text: str, before: str, after: str) -> str:
        return escape_misread(text, before, after, emphasis=self.emphasis_is_escaped)

    def label(self, text: str) -> str:
        """Text of a link."""
        return _BRACKETS.sub(r"\\\g<0>", self._escaped(text, "(", "("))

    def code_span(self, text: str) -> str:
        return code_span(text)

    def link(self, address: str, label: str) -> str:
        if label == address:
            return address
        return f"[{label}]({f'<{address}>' if '(' in address or ')' in address else address})"

    def heading(self, tokens: Sequence[Token]) -> str:
        """A bold line, because a hover is too small a page for headings."""
        text = self.inline([token for token in tokens if token.tag != "strong"])
        return f"{self.strong}{text}{self.strong}" if text else ""

    def code(self, text: str, language: str) -> str:
        return code_block(text, language)

    def table(self, rows: list[list[str]]) -> str:
        width = max(map(len, rows), default=0)
        lines = [[cell.replace("|", "\\|") for cell in row] + [""] * (width - len(row)) for row in rows]
        lines.insert(1, ["---"] * width)
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class _TextWriter(_Writer):
    """Writes the tokens of a parser as text without marks."""

    strong = emphasis = rule = ""
    margin = "  "

    def paragraph(self, token: Token, is_outer: bool) -> str:
        return self.inline(token.children or [])

    def line_end(self, is_meant: bool) -> str:
        return "\n"

    def text(self, text: str, before: str, after: str) -> str:
        return text

    def label(self, text: str) -> str:
        return text

    def code_span(self, text: str) -> str:
        return text

    def link(self, address: str, label: str) -> str:
        return label if label in (address, address.removeprefix("mailto:")) else f"{label} ({address})"

    def code(self, text: str, language: str) -> str:
        return _indented(text, "    ", "    ")

    def table(self, rows: list[list[str]]) -> str:
        return "\n".join(" | ".join(row) for row in rows)


def _says(markdown: str, tokens: Sequence[Token]) -> bool:
    """Whether a paragraph is read as these tokens."""
    read = _PARSER.parse(markdown)
    return len(read) == 3 and _kinds(read[1].children or []) == _kinds(tokens)


def _kinds(tokens: Sequence[Token]) -> list[tuple[str, str]]:
    return [(t.type.replace("softbreak", "hardbreak"), t.content) for t in tokens]


def _nested(tokens: Sequence[Token]) -> Iterator[tuple[Token, Sequence[Token]]]:
    """The outermost tokens, each with the tokens inside it."""
    place = 0
    while place < len(tokens):
        first, end = tokens[place], place + 1
        if first.nesting == 1:
            while tokens[end].level != first.level or tokens[end].nesting != -1:
                end += 1
        yield first, tokens[place + 1 : end]
        place = end + 1 if first.nesting == 1 else end


def _rows(writer: _Writer, tokens: Sequence[Token]) -> Iterator[list[str]]:
    """The cells of a table, row by row."""
    cells: list[str] = []
    for token in tokens:
        if token.type == "inline":
            cells.append(writer.inline(token.children or []))
        elif token.type == "tr_close":
            yield cells
            cells = []


def _meant_ends(lines: Sequence[str]) -> list[bool]:
    """For each line but the last, whether its author ended it before it was full. If most are, all are."""
    width = max(_EARLY * max(map(len, lines)), _USUAL)
    ends = []
    for line, following in pairwise(lines):
        word = following.split(maxsplit=1)[0] if following.strip() else ""
        ends.append(line.rstrip().endswith(":") or len(line.strip()) + 1 + len(word) <= width)
    return [True] * len(ends) if sum(ends) * 2 > len(ends) else ends


def _first_of(tokens: Sequence[Token]) -> str:
    """What the next token begins with, as far as text before it is concerned."""
    kind = tokens[0].type if tokens else "softbreak"
    return {"softbreak": "\n", "hardbreak": "\n", "code_inline": "`", "link_open": "[", "image": "["}.get(kind, "*")


def _address(token: Token, name: str) -> str:
    return str(token.attrs.get(name, ""))


def _balanced(address: str) -> str:
    """An address without what belongs to the sentence around it."""
    while address.endswith((*".,;:!?*_]}", *(")" if address.count(")") > address.count("(") else ""))):
        address = address[:-1]
    return address


def _indented(text: str, first: str, others: str) -> str:
    lines = text.split("\n")
    return "\n".join(
        (first if number == 0 else others if line.strip() or others.strip() else "") + line
        for number, line in enumerate(lines)
    )
