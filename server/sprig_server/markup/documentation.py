"""The documentation of a definition as a hover shows it: as Markdown, or as text without marks."""

from __future__ import annotations

import re
from functools import lru_cache

from sprig_server.markup.comments import comment_markdown
from sprig_server.markup.docstrings import docstring_markdown
from sprig_server.markup.sections import without_marks
from sprig_server.markup.writer import written

_MARGIN = re.compile(r"^[ \t]+", re.MULTILINE)
_LONGEST = 2000  # characters of a documentation that are shown
_KEPT = 200  # documentations that were shown last: reading one takes some milliseconds
_LEAST = 0.6  # of them stay, if the text is cut at the end of a paragraph or line


def shown_documentation(documentation: str, language: str, *, as_text: bool = False) -> str:
    """A documentation in the style of its author.

    Args:
        documentation: its text without comment marks (`Definition.documentation`).
        language: the name of the language.
        as_text: without the marks of Markdown.
    """
    text = shortened(documentation)
    shown = _shown(text, language, as_text)
    return f"{shown}\n\n…" if len(text) < len(documentation) else shown


@lru_cache(maxsize=_KEPT)
def _shown(text: str, language: str, as_text: bool) -> str:
    text = _MARGIN.sub(lambda match: match[0].expandtabs(4), without_marks(text))
    markdown = docstring_markdown(text) if language == "python" else comment_markdown(text, language)
    return written(markdown, as_text=as_text)


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
