"""One version of a text, parsed: plain data without a tree, which can be sent to another process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tree_sitter import Node

from sprig_server.code.languages import Language, find_language
from sprig_server.code.outline import outline
from sprig_server.code.recovery import definition_tree
from sprig_server.code.syntax import SyntaxTree
from sprig_server.types import Definition


@dataclass(frozen=True, slots=True, eq=False)
class ParsedSource:
    """The definitions and calls of a text.

    `definitions` come from `outline.parse_outline`. `calls` are the characters [start, end) of each called name in text
    order, int64 [n, 2]: `send` in `self.session.send(x)`. A text is `whole` if all of it could be parsed. Otherwise
    `comments` are the ranges of its comments, in the same form, and `kept` the definitions that an earlier whole
    version had as well.
    """

    text: str
    language: str
    module: str
    definitions: tuple[Definition, ...]
    calls: NDArray[np.int64]
    whole: bool
    comments: NDArray[np.int64]
    kept: tuple[Definition, ...] = ()

    @property
    def functions(self) -> list[Definition]:
        """The functions, methods and constructors, in text order."""
        return [d for d in self.definitions if d.kind not in ("class", "module")]

    def call_at(self, offset: int) -> tuple[int, int] | None:
        """The called name at `offset`, or one that ends there."""
        place = int(np.searchsorted(self.calls[:, 0], offset, side="right")) - 1
        if place < 0 or offset > self.calls[place, 1]:
            return None
        return int(self.calls[place, 0]), int(self.calls[place, 1])


def parse_source(text: str, language: str, module: str, stop: Callable[[], bool] | None = None) -> ParsedSource:
    """Parse a text.

    Args:
        text: a whole source file, or any piece of one.
        language: a name or alias of a language.
        module: the name to give the module.
        stop: called from time to time during parsing.

    Raises:
        InvalidInput: unknown language.
        Cancelled: `stop` returned True.
    """
    tree = definition_tree(text, find_language(language), stop)
    # A repair hides unfinished code, and the calls in it.
    typed = tree if tree.readable == text else SyntaxTree(text, tree.language, stop=stop)
    calls = _places((typed.start(name), typed.end(name)) for name in _called_names(typed))
    comments = _places([] if tree.is_whole else typed.comments())
    return ParsedSource(text, language, module, outline(tree, module), calls, tree.is_whole, comments)


def _places(places: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """Each range once, in text order."""
    return np.array(sorted(set(places)), dtype=np.int64).reshape(-1, 2)


def name_of(language: Language) -> str:
    """A name for which `find_language` returns exactly this entry. TSX shares its name with TypeScript."""
    return language.aliases[0] if language.extensions == (".tsx",) else language.name


def _called_names(tree: SyntaxTree) -> Iterator[Node]:
    for call in tree.nodes(frozenset(tree.language.calls)):
        callee = call.child_by_field_name(tree.language.calls[call.type])
        name = _last_name(tree, callee) if callee is not None else None
        if name is not None and name.start_byte < name.end_byte:  # not one that the parser inserted
            yield name


def _last_name(tree: SyntaxTree, callee: Node) -> Node | None:
    """The called name without its qualifiers; None if there is no name, as in `f()()`.

    It is the last part of the expression. The name of a template ends before its arguments.
    """
    node, ends = callee, None
    while node.child_count:
        if node.type in tree.language.calls:
            return None
        inner = node.child_by_field_name("name") if ends is None else None
        if inner is None:
            ends = node.end_byte
            inner = node.named_children[-1] if node.named_children else None
        if inner is None or (ends is not None and inner.end_byte != ends):
            return None
        node = inner
    return node if node.is_named and (ends is None or node.end_byte == ends) else None
