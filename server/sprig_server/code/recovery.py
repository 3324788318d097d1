"""Parsing code that is being typed, so that unfinished code does not absorb the definitions below it.

Code is indented even while it is unfinished. A text with errors is split into groups of lines by indentation. The
smallest groups that cannot be parsed by themselves are hidden from the parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from sprig_server.code.languages import Language
from sprig_server.code.repair import blank, repair_branches, repair_certain, repair_likely
from sprig_server.code.syntax import SyntaxTree, with_line_feeds

_GOES_ON = re.compile(r"[})\]{:]|(?:else|catch|finally|except|elif)\b|#")
_TYPE_HEADER = re.compile(r".*?\b(?:class|struct|interface|enum|namespace)\s+[A-Za-z_][\w:.]*(?=(.*))", re.DOTALL)
_MOST_PARSED = 4  # times the text
_LEAST_PARSED = 500  # characters: as long as parsing hardly any takes
_FREE = 50_000  # characters, for the sake of short texts
_LONGEST = 1_000_000  # characters
_MOST_ERRORS = 200  # more errors mean another dialect, not typing
_MOST_TRIED = 3

Replacement = tuple[int, int, str]
"""The lines [first, last) of a text, and a replacement of the same length for the parser."""


def definition_tree(text: str, language: Language, stop: Callable[[], bool] | None = None) -> SyntaxTree:
    """The tree that definitions are read from. If the text can be parsed, it is the text's own tree.

    Raises:
        Cancelled: `stop` returned True.
    """
    tree = SyntaxTree(text, language, repair_certain(with_line_feeds(text)) if language.macros else None, stop)
    if not tree.root.has_error or len(text) > _LONGEST:
        return tree
    best = _Reading(tree)
    if language.macros:
        best = best.or_better(repair_branches(repair_likely(tree.readable)))
        if best.damage:
            best = best.or_better(repair_branches(best.tree.readable, best.tree.error_lines()))
    if 0 < best.errors <= _MOST_ERRORS and (hidden := _Finder(best.tree).hidden()):
        before = best
        best = before.or_better(_replace(before.tree.readable, hidden), hidden)
        if best is before:  # one of the two may hide too much
            for start in sorted({first for first, _, _ in hidden})[:_MOST_TRIED]:
                one = [h for h in hidden if h[0] == start]
                best = best.or_better(_replace(best.tree.readable, one), one)
    return best.tree


class _Reading:
    """A tree, how much of it is damaged, and the lines on which definitions with a body begin."""

    __slots__ = ("damage", "errors", "places", "tree")

    def __init__(self, tree: SyntaxTree) -> None:
        self.tree = tree
        self.errors, self.damage = tree.damage()
        nodes = tree.nodes(tree.language.functions | tree.language.types)
        self.places = [node.start_point[0] for node in nodes if node.child_by_field_name("body") is not None]

    def or_better(self, readable: str, hidden: Sequence[Replacement] = ()) -> _Reading:
        """Another reading of the text, if it has fewer errors and, apart from hidden ones, no definition less."""
        if readable == self.tree.readable:
            return self
        other = _Reading(SyntaxTree(self.tree.text, self.tree.language, readable, self.tree.stop))
        other.tree.hides = self.tree.hides or bool(hidden)
        if other.damage >= self.damage:
            return self
        lost = len(self.places) - len(other.places)
        more_beside = other.beside(hidden) > self.beside(hidden)
        return other if lost <= (len(hidden) if more_beside else 0) else self

    def beside(self, hidden: Sequence[Replacement]) -> int:
        """How many definitions begin outside the hidden lines."""
        return sum(not any(first <= place < last for first, last, _ in hidden) for place in self.places)


def _replace(text: str, replacements: Sequence[Replacement]) -> str:
    lines = text.split("\n")
    for first, last, instead in replacements:
        lines[first:last] = instead.split("\n")
    return "\n".join(lines)


class _Finder:
    """The smallest groups of lines that cannot be parsed."""

    def __init__(self, tree: SyntaxTree) -> None:
        self._language, self._stop = tree.language, tree.stop
        self._lines = tree.readable.split("\n")
        self._errors = tree.error_lines()
        within = ((tree.lines.line_of(start), tree.lines.line_of(end - 1)) for start, end in tree.comments())
        self._commented = {line for first, last in within for line in range(first + 1, last + 1)}
        self._budget = _MOST_PARSED * len(tree.readable) + _FREE

    def hidden(self) -> list[Replacement]:
        return self._search(0, len(self._lines), [], [])

    def _search(self, first: int, last: int, before: list[str], after: list[str]) -> list[Replacement]:
        """What to hide of the lines [first, last), which are between the lines `before` and `after`."""
        found: list[Replacement] = []
        groups = self._groups(first, last)
        place = 0
        while place < len(groups):
            start, end = groups[place]
            place += 1
            lines = self._lines[start:end]
            if not self._is_suspicious(start, end) or self._parses([*before, *lines, *after]):
                continue
            if place < len(groups):  # a decorator, or a type on a line of its own
                together = self._lines[start : groups[place][1]]
                if "" not in (line.strip() for line in lines) and self._parses([*before, *together, *after]):
                    place += 1
                    continue
            found += self._within(start, end, before, after)
        return found

    def _within(self, start: int, end: int, before: list[str], after: list[str]) -> list[Replacement]:
        """What to hide of a group that cannot be parsed: lines inside it, or else all of it."""
        lines = self._lines[start:end]
        openings = [n for n, line in enumerate(lines) if line.rstrip().endswith(("{", ":"))][:1]
        if _TYPE_HEADER.match(lines[0]):  # its brace or colon may not be typed yet
            openings.insert(0, 0)
        for opening in dict.fromkeys(openings):
            found = self._below(start, start + opening + 1, end, before, after)
            if found:
                return found
        return [(start, end, self._filler("\n".join(lines)))]

    def _below(self, start: int, body: int, end: int, before: list[str], after: list[str]) -> list[Replacement]:
        """What to hide of a group with the header [start, body) so that it can be parsed; nothing if that fails."""
        depth = _indentation(self._lines[start])
        inner_end = end
        while inner_end > body:
            line = self._lines[inner_end - 1]
            if line.strip() and _indentation(line) > depth:
                break
            inner_end -= 1
        header, tail = self._lines[start:body], self._lines[inner_end:end]
        replaced: list[Replacement] = []
        if not self._parses([*before, *header, *tail, *after]):
            cut = self._cut_header("\n".join(header))
            if cut is None or not self._parses([*before, *cut.split("\n"), *tail, *after]):
                return []
            replaced, header = [(start, body, cut)], cut.split("\n")
        replaced += self._search(body, inner_end, [*before, *header], [*tail, *after])
        text = _replace("\n".join(self._lines[start:end]), [(a - start, b - start, i) for a, b, i in replaced])
        return replaced if replaced and self._parses([*before, *text.split("\n"), *after]) else []

    def _groups(self, first: int, last: int) -> list[tuple[int, int]]:
        """The lines [first, last), split before each line with the least indentation that does not continue the line
        before.
        """
        told = (n for n in range(first, last) if n not in self._commented)
        own = [n for n in told if self._lines[n].strip() and self._lines[n][:1] != "#"]
        depth = min((_indentation(self._lines[n]) for n in own), default=0)
        starts = [
            n
            for n in own
            if _indentation(self._lines[n]) == depth and (n == own[0] or not _GOES_ON.match(self._lines[n].strip()))
        ]
        return list(pairwise([*starts, last]))

    def _is_suspicious(self, start: int, end: int) -> bool:
        return any(first < end and start <= last for first, last in self._errors)

    def _parses(self, lines: list[str]) -> bool:
        text = "\n".join(lines)
        self._budget -= max(len(text), _LEAST_PARSED)
        return self._budget < 0 or not SyntaxTree(text, self._language, stop=self._stop).root.has_error

    def _filler(self, lines: str) -> str:
        """The replacement of hidden lines: blank, or a statement that separates the code above from the code below."""
        rest = blank(lines)
        start = len(lines) - len(lines.lstrip())
        return rest if self._language.docstrings else rest[:start] + ";" + rest[start + 1 :]

    def _cut_header(self, header: str) -> str | None:
        """The header of a class, cut after its name."""
        match = _TYPE_HEADER.match(header)
        if match is None or not match[1]:
            return None
        opener = ":" if self._language.docstrings else "{"
        return match[0] + opener + blank(match[1])[1:]


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())
