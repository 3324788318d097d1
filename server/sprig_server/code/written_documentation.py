"""Writing a sentence into a source file as the documentation of a function, in the style of the file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sprig_server.code.functions import define_functions, header_end
from sprig_server.code.languages import find_language
from sprig_server.code.lines import Lines
from sprig_server.code.recovery import definition_tree
from sprig_server.types import Definition


@dataclass(frozen=True, slots=True)
class Insertion:
    """A text to insert before a character of a file."""

    offset: int
    text: str


def write_documentation(text: str, language: str, function: Definition, sentence: str) -> Insertion | None:
    """Where a sentence goes as the documentation of a function, and in which form; None if there is no place for it, as
    in a function on one line.

    Args:
        text: the file, whose function it is.
        language: a name or alias of its language.
        sentence: one line of prose.
    """
    lines = Lines(text)
    if find_language(language).docstrings:
        return _docstring(text, language, function, sentence)
    start = function.span.start
    if not lines.starts_line(start):
        return None
    first = lines.blanks_before(start)
    indentation, end = text[first:start], _line_end(text)
    return Insertion(first, "".join(f"{indentation}{line}{end}" for line in _comment(text, language, sentence)))


def _docstring(text: str, language: str, function: Definition, sentence: str) -> Insertion | None:
    tree = definition_tree(text, find_language(language))
    node = next((n for n, d in define_functions(tree) if d.name_span == function.name_span), None)
    body = node.child_by_field_name("body") if node is not None else None
    if node is None or body is None or not body.named_children:
        return None
    statement = tree.start(body.named_children[0])
    header = tree.lines.line_of(header_end(tree, node, body))
    if tree.lines.line_of(statement) == header or not tree.lines.starts_line(statement):
        return None
    indentation = text[tree.lines.blanks_before(statement) : statement]
    quotes = "'''" if text.count("'''") > text.count('"""') else '"""'
    said = sentence.replace("\\", "\\\\").replace(quotes, quotes[:2])
    if said.endswith(quotes[0]):
        said += " "
    below = tree.lines.offset(header + 1, 0, "utf-16")
    return Insertion(below, f"{indentation}{quotes}{said}{quotes}{_line_end(text)}")


def _comment(text: str, language: str, sentence: str) -> Iterable[str]:
    """The lines of a documentation comment: as most comments of the file are written, or else as the language's are."""
    said = sentence.replace("*/", "* /")
    short, long, slashes = text.count("/** "), text.count("/**\n") + text.count("/**\r\n"), text.count("/// ")
    if find_language(language).name == "cpp" and slashes >= max(short, long):
        return (f"/// {sentence}",)
    if short > long or (short == long and find_language(language).name != "java"):
        return (f"/** {said} */",)
    return ("/**", f" * {said}", " */")


def _line_end(text: str) -> str:
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
