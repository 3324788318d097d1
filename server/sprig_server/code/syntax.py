"""Syntax trees: tree-sitter behind one class, with character offsets."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from tree_sitter import Node, Parser, Tree

from sprig_server.code.languages import Language, load_grammar
from sprig_server.code.lines import Lines
from sprig_server.errors import Cancelled

_LONE_RETURN = re.compile(r"\r(?!\n)")
_COMMENTS = frozenset({"comment", "line_comment", "block_comment"})
_OPENING = re.compile(r"[\r\n][ \t]*/\*")

# Nobody nests code deeper than this. Without these bounds, the time to find nodes grows with the square of the depth,
# and the code of nested functions with the square of their number.
_DEEPEST = 1000
_LEAST_CODE, _CODE_A_BYTE = 5_000_000, 8
_MISSING_WEIGHT = 10

# A parser must not be shared between threads.
_parsers = threading.local()


class SyntaxTree:
    """The tree of a text. `start` and `end` give a node's position in characters.

    `readable` is what the parser reads; it has the same length as the text.
    """

    __slots__ = (
        "_characters", "_found", "hides", "language", "lines", "names", "path", "readable", "root", "source", "stop",
        "text",
    )  # fmt: skip

    def __init__(
        self, text: str, language: Language, readable: str | None = None, stop: Callable[[], bool] | None = None
    ) -> None:
        """Parse a text.

        Args:
            stop: called first, then every few hundred steps of the parser, which holds the interpreter's lock.

        Raises:
            Cancelled: `stop` returned True.
        """
        self.stop = stop
        self.hides = False  # set by `recovery`: whether unfinished code is hidden from the parser
        self.text = text
        self.lines = Lines(text)
        self._found: list[Node] | None = None  # filled by `nodes`
        self.path: list[Node] = []  # path from the root to the last node that `ancestors` was called with
        self.names: dict[int, Node | None] = {}  # by node id; filled by `naming.scope_names`
        self.language = language
        # Every replacement keeps the length, so offsets in the tree are offsets in the text.
        self.readable = with_line_feeds(text if readable is None else readable).replace("\0", " ")
        self.source = self.readable.encode("utf-8", errors="replace")
        self._characters = None if len(self.source) == len(text) else _character_offsets(self.source)
        self.root = _parse(self.source, language, stop).root_node

    @property
    def is_whole(self) -> bool:
        """Whether the whole text was parsed without an error."""
        return not (self.hides or self.root.has_error)

    def start(self, node: Node) -> int:
        """The offset of the first character of `node`."""
        return self._character(node.start_byte)

    def end(self, node: Node) -> int:
        """The offset just past the last character of `node`."""
        return self._character(node.end_byte)

    def byte(self, offset: int) -> int:
        """The first byte of a character."""
        return offset if self._characters is None else int(np.searchsorted(self._characters, offset, "right")) - 1

    def characters(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Character offsets for byte offsets, of any shape."""
        return places if self._characters is None else self._characters[places]

    def text_of(self, node: Node) -> str:
        """The source text of `node`."""
        return self.text[self.start(node) : self.end(node)]

    def nodes(self, types: frozenset[str]) -> list[Node]:
        """Every named node of one of the `types`, in text order, outer nodes first. Nodes deeper than a person nests
        code are ignored.
        """
        usual = self.language.functions | self.language.types | self.language.calls.keys()
        if not types <= usual:
            return list(self._walk(types))
        if self._found is None:
            self._found = list(self._walk(usual))
        return [node for node in self._found if node.type in types]

    def damage(self) -> tuple[int, int]:
        """How many places could not be parsed, and how many characters they have: (0, 0) without errors."""
        nodes = [node for node, _ in self._error_nodes()]
        return len(nodes), sum(node.end_byte - node.start_byte + _MISSING_WEIGHT for node in nodes)

    def error_lines(self) -> list[tuple[int, int]]:
        """The first and last line, 0-based, of everything that could not be parsed or is incomplete."""
        nodes = [parent if node.is_missing else node for node, parent in self._error_nodes()]
        return [(node.start_point[0], node.end_point[0]) for node in nodes]

    def _error_nodes(self) -> list[tuple[Node, Node]]:
        """Each with its parent: `Node.parent` goes down from the root, and deep nesting overflows its stack."""
        cursor = self.root.walk()
        found: list[tuple[Node, Node]] = []
        path: list[Node] = []
        while True:
            node = cursor.node
            assert node is not None
            if node.is_error or node.is_missing:
                found.append((node, path[-1] if path else node))
            if node.has_error and cursor.goto_first_child():
                path.append(node)
                continue
            while not cursor.goto_next_sibling():
                if not cursor.goto_parent():
                    return found
                path.pop()

    def comments(self) -> list[tuple[int, int]]:
        """The characters [start, end) of each comment. If a line inside a comment begins another one, the first is not
        closed yet and ends there.
        """
        found = []
        for node in self.nodes(_COMMENTS):
            start, end = self.start(node), self.end(node)
            opening = _OPENING.search(self.text, start, end)
            found.append((start, end if opening is None else opening.start()))
        return found

    def definitions(self, types: frozenset[str]) -> Iterator[Node]:
        """The nodes of `types`, outer before inner, until their total code is a multiple of the text that only a
        machine would write.
        """
        room = _LEAST_CODE + _CODE_A_BYTE * len(self.source)
        for node in self.nodes(types):
            length = node.end_byte - node.start_byte
            if length <= room:
                room -= length
                yield node

    def _walk(self, types: frozenset[str]) -> Iterator[Node]:
        # A tree-sitter query is hardly faster, and takes minutes for 100,000 opening brackets: for each node it visits
        # all later siblings.
        cursor, depth = self.root.walk(), 0
        while True:
            node = cursor.node
            if node is not None and node.type in types and node.is_named:
                yield node
            if depth < _DEEPEST and cursor.goto_first_child():
                depth += 1
                continue
            while not cursor.goto_next_sibling():
                if not cursor.goto_parent():
                    return
                depth -= 1

    def _character(self, byte: int) -> int:
        return byte if self._characters is None else int(self._characters[byte])


def with_line_feeds(text: str) -> str:
    """The text with a line feed for every lone carriage return. The length stays."""
    return _LONE_RETURN.sub("\n", text)


def ancestors(tree: SyntaxTree, node: Node) -> Iterator[Node]:
    """The ancestors of `node`, nearest first.

    The path from the root is walked once and shared with the previous call. `Node.parent` walks it for every step,
    which is too slow for deep nesting.
    """
    path = tree.path
    while path and not _holds(path[-1], node):
        path.pop()
    current: Node | None = path.pop() if path else tree.root
    while current is not None and current != node:
        path.append(current)
        current = current.child_with_descendant(node)
    return iter(path[::-1])


def _holds(outer: Node, node: Node) -> bool:
    """Whether a node contains another one and is longer."""
    start, end = outer.byte_range
    return start <= node.start_byte and node.end_byte <= end and (start, end) != node.byte_range


def _parse(source: bytes, language: Language, stop: Callable[[], bool] | None) -> Tree:
    key = ".".join(language.grammar)
    parsers: dict[str, Parser] = _parsers.__dict__
    if key not in parsers:
        parsers[key] = Parser(load_grammar(*language.grammar))
    if stop is None:
        return parsers[key].parse(source)
    if stop():
        raise Cancelled
    try:  # it checks for cancellation only when it reads through a function
        return parsers[key].parse(lambda byte, _: source[byte:], progress_callback=lambda byte, _: stop())
    except ValueError:
        parsers[key].reset()  # otherwise the next text would be parsed as a continuation of this one
        raise Cancelled from None


def _character_offsets(source: bytes) -> NDArray[np.int64]:
    """For each byte of UTF-8 text, and for its end, the number of characters that start before it: int64 [len(source) +
    1].
    """
    data = np.frombuffer(source, dtype=np.uint8)
    starts = (data & 0xC0) != 0x80  # a continuation byte is 10xxxxxx
    return np.concatenate(([0], np.cumsum(starts)))
