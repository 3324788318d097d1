"""The documentation of a definition as a hover shows it: as Markdown, or as text without marks."""

from __future__ import annotations

from sprig_server.markup.comments import comment_markdown
from sprig_server.markup.docstrings import docstring_markdown
from sprig_server.markup.sections import without_marks
from sprig_server.markup.writer import written

_LONGEST = 2000  # characters of a documentation that are shown
_LEAST = 0.6  # of them stay, if the text is cut at the end of a paragraph or line


def shown_documentation(documentation: str, language: str, *, as_text: bool = False) -> str:
    """A documentation in the style of its author.

    Args:
        documentation: its text without comment marks (`Definition.documentation`).
        language: the name of the language.
        as_text: without the marks of Markdown.
    """
    text = without_marks(shortened(documentation)).expandtabs(4)
    markdown = docstring_markdown(text) if language == "python" else comment_markdown(text, language)
    shown = written(markdown, as_text=as_text)
    return f"{shown}\n\n…" if len(text) < len(documentation.expandtabs(4)) else shown


def shortened(text: str) -> str:
    """The beginning of a long text, up to the end of a paragraph, a line or a word."""
    if len(text) <= _LONGEST:
        return text
    beginning = text[:_LONGEST]
    for end in ("\n\n", "\n", " "):
        place = beginning.rfind(end)
        if place >= _LEAST * _LONGEST:
            return beginning[:place]
    return beginning
