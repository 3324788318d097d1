"""One version of a text, parsed: plain data without a tree, which can be sent to another process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tree_sitter import Node

from sprig_server.code.dialects import DIALECTS
from sprig_server.code.languages import Language, find_language
from sprig_server.code.outline import outline
from sprig_server.code.recovery import definition_tree
from sprig_server.code.scopes import Scope, find_scopes
from sprig_server.code.syntax import SyntaxTree
from sprig_server.types import Definition

_SPREADS = frozenset({"spread_element", "list_splat", "dictionary_splat", "parameter_pack_expansion"})
_LONGEST_SCOPES = 1_000_000  # characters; what is longer was hardly written by hand


@dataclass(frozen=True, slots=True)
class Call:
    """A called name, characters [start, end), the expression that ends with it, and the number of arguments."""

    start: int
    end: int
    expression: str
    arguments: int


@dataclass(frozen=True, slots=True, eq=False)
class ParsedSource:
    """The definitions and calls of a text.

    `definitions` come from `outline.parse_outline`. `calls` are in text order, int64 [n, 4]: the characters [start,
    end) of the called name, which is `send` in `self.session.send(x)`, where the expression starts that ends with it,
    and the number of arguments, -1 if that is not known. A text is `whole` if all of it could be parsed. Otherwise
    `comments` are the ranges of its comments, int64 [n, 2], and `kept` the definitions that an earlier whole version
    had as well. `scopes` say what its names mean (`resolution`).
    """

    text: str
    language: str
    module: str
    definitions: tuple[Definition, ...]
    calls: NDArray[np.int64]
    whole: bool
    comments: NDArray[np.int64]
    kept: tuple[Definition, ...] = ()
    scopes: tuple[Scope, ...] = ()

    @property
    def functions(self) -> list[Definition]:
        """The functions, methods and constructors, in text order."""
        return [d for d in self.definitions if d.kind not in ("class", "module")]

    def call_at(self, offset: int) -> Call | None:
        """The call whose name stands at `offset`, or ends there."""
        place = int(np.searchsorted(self.calls[:, 0], offset, side="right")) - 1
        if place < 0 or offset > self.calls[place, 1]:
            return None
        start, end, first, arguments = map(int, self.calls[place])
        return Call(start, end, self.text[first:end], arguments)


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
    calls = _rows(_calls(typed), 4)
    comments = _rows([] if tree.is_whole else typed.comments(), 2)
    dialect = DIALECTS.get(tree.language.name)
    scopes = find_scopes(tree, dialect.rules) if dialect is not None and len(text) <= _LONGEST_SCOPES else ()
    return ParsedSource(text, language, module, outline(tree, module), calls, tree.is_whole, comments, scopes=scopes)


def _rows(rows: Iterable[tuple[int, ...]], width: int) -> NDArray[np.int64]:
    """Each row once, in text order."""
    return np.array(sorted(set(rows)), dtype=np.int64).reshape(-1, width)


def name_of(language: Language) -> str:
    """A name for which `find_language` returns exactly this entry. TSX shares its name with TypeScript."""
    return language.aliases[0] if language.extensions == (".tsx",) else language.name


def _calls(tree: SyntaxTree) -> Iterator[tuple[int, int, int, int]]:
    for call in tree.nodes(frozenset(tree.language.calls)):
        callee = call.child_by_field_name(tree.language.calls[call.type])
        name = _last_name(tree, callee) if callee is not None else None
        if callee is not None and name is not None and name.start_byte < name.end_byte:  # not one the parser inserted
            first = call.child_by_field_name("object") or callee
            yield tree.start(name), tree.end(name), tree.start(first), _argument_count(call)


def _argument_count(call: Node) -> int:
    given = call.child_by_field_name("arguments")
    if given is None or any(child.type in _SPREADS for child in given.named_children):
        return -1
    return sum("comment" not in child.type for child in given.named_children)


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
