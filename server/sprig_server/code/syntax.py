"""Syntax trees: tree-sitter behind one function, with offsets in characters."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from tree_sitter import Node, Parser, Query, QueryCursor

from sprig_server.code.languages import Language, load_grammar

_LONE_RETURN = re.compile(r"\r(?!\n)")

# A parser may not be shared between threads.
_parsers = threading.local()


class SyntaxTree:
    """The tree of one text; `start` and `end` give a node's place in characters of that text."""

    __slots__ = ("_characters", "language", "names", "root", "source", "text")

    def __init__(self, text: str, language: Language) -> None:
        self.text = text
        self.names: dict[int, Node | None] = {}  # by node id; kept by `naming.scope_names`
        self.language = language
        # Every replacement keeps the length, so that offsets in the tree are offsets in the text.
        clean = _LONE_RETURN.sub("\n", text).replace("\0", " ")
        self.source = clean.encode("utf-8", errors="replace")
        self._characters = None if len(self.source) == len(text) else _character_offsets(self.source)
        self.root = _parser(language).parse(self.source).root_node

    def start(self, node: Node) -> int:
        """Offset in characters of the first character of `node`."""
        return self._character(node.start_byte)

    def end(self, node: Node) -> int:
        """Offset in characters just past `node`."""
        return self._character(node.end_byte)

    def characters(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Offsets in characters for offsets in bytes, of any shape."""
        return places if self._characters is None else self._characters[places]

    def text_of(self, node: Node) -> str:
        """The source text of `node`."""
        return self.text[self.start(node) : self.end(node)]

    def nodes(self, types: frozenset[str]) -> list[Node]:
        """Every node of one of the `types`, in the order of the text; types the grammar lacks are passed over."""
        found = _query(self.language, types)
        captures = QueryCursor(found).captures(self.root).get("node", [])
        return sorted(captures, key=lambda node: (node.start_byte, -node.end_byte))

    def leaf_at(self, offset: int) -> Node | None:
        """The smallest named node that holds the character at `offset`, or ends there."""
        byte = len(self.text[:offset].encode("utf-8", errors="replace"))
        leaf = self.root.named_descendant_for_byte_range(byte, byte)
        if leaf is not None and leaf.child_count and byte:
            before = self.root.named_descendant_for_byte_range(byte - 1, byte - 1)
            return before if before is not None and not before.child_count else leaf
        return leaf

    def _character(self, byte: int) -> int:
        return byte if self._characters is None else int(self._characters[byte])


def ancestors(tree: SyntaxTree, node: Node) -> Iterator[Node]:
    """The parents of `node`, nearest first.

    One way down from the root: `Node.parent` goes that way for each single step, which deep nesting makes too slow.
    """
    path: list[Node] = []
    current: Node | None = tree.root
    while current is not None and current != node:
        path.append(current)
        current = current.child_with_descendant(node)
    return reversed(path)


def _parser(language: Language) -> Parser:
    key = ".".join(language.grammar)
    parsers: dict[str, Parser] = _parsers.__dict__
    if key not in parsers:
        parsers[key] = Parser(load_grammar(*language.grammar))
    return parsers[key]


_queries: dict[tuple[tuple[str, str], frozenset[str]], Query] = {}


def _query(language: Language, types: frozenset[str]) -> Query:
    key = (language.grammar, types)
    if key not in _queries:
        grammar = load_grammar(*language.grammar)
        known = (name for name in sorted(types) if grammar.id_for_node_kind(name, True))
        _queries[key] = Query(grammar, f"[{' '.join(f'({name})' for name in known)}] @node")
    return _queries[key]


def _character_offsets(source: bytes) -> NDArray[np.int64]:
    """For each byte of UTF-8 text, and for its end, how many characters start before it: int64 [len(source) + 1]."""
    data = np.frombuffer(source, dtype=np.uint8)
    starts = (data & 0xC0) != 0x80  # a continuation byte is 10xxxxxx
    return np.concatenate(([0], np.cumsum(starts)))
