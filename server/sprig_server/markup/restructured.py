"""reStructuredText in docstrings: directives here, and roles, links, tables and literal blocks by a library."""

from __future__ import annotations

import re
import threading

from docstring_to_markdown.rst import looks_like_rst, rst_to_markdown

from sprig_server.markup.prose import keep_code, keep_names, keep_spans, titled
from sprig_server.markup.sections import Kept, link, without_margin

_DIRECTIVE = re.compile(
    r"^( *)\.\.[ ]+([\w:-]+?)[ ]?::[ ]*([^\n]*)((?:\n(?:\1[ ]+[^\n]*|[ ]*(?=\n|\Z)))*)", re.MULTILINE
)
_LITERAL = re.compile(
    r"^( *)(?!\.\. )([^\n]*[^\n:]|)::[ ]*\n(?:[ ]*\n)+((?:\1[ ]+[^\n]*(?:\n|\Z)|[ ]*\n)+)", re.MULTILINE
)
_OPTION = re.compile(r"\A(?:\s*:[\w-]+:[^\n]*\n?)+")
_COMMENT = re.compile(r"^ *\.\. (?:_[^\n]*:[^\n]*|\|[^\n]*)$\n?", re.MULTILINE)
_FOOTNOTE = re.compile(r"^ *\.\. (\[[^\]\n]+\])", re.MULTILINE)
_CITED = re.compile(r"(?<=\])_(?!\w)")
_LINKED = re.compile(r"(`[^`\n]+`)_{1,2}(?!\w)")
_TARGETED = re.compile(r"`([^`<>]+?)\s*<([^`<>]+)>`_{1,2}(?!\w)")
_FOR_THE_LIBRARY = re.compile(r"^ *(?:={2,} |\+[-=]+\+)|^ *[^\s:]+ : \S|::|\.\. ", re.MULTILINE)
_ROLE = re.compile(r"(?<![\w`:]):(?:[\w+-]+:)*([\w-]+):`([^`\n]+(?:\n[^`\n]+)?)`")
_TARGET = re.compile(r"\A(.*?)\s*<([^<>]+)>\Z", re.DOTALL)
_UNDERSCORE = re.compile(r"(?<!\\)_|(?<=\w)\*(?=\w)")
_HEADING = re.compile(r"^( *)(#+ )(?!#)", re.MULTILINE)
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_OF_CODE = "code code-block sourcecode ipython doctest testcode prompt parsed-literal productionlist"
_OF_TOOLS = "currentmodule module index highlight only image figure include contents plot toctree"
_CODE = frozenset(_OF_CODE.split())
_SILENT = frozenset(_OF_TOOLS.split())
_LABELS = frozenset({"ref", "doc", "term", "pep", "rfc", "sub", "sup", "emphasis", "strong", "abbr", "title"})
_TITLES = {
    "versionadded": "Added in {}",
    "versionchanged": "Changed in {}",
    "versionremoved": "Removed in {}",
    "deprecated": "Deprecated since {}",
    "seealso": "See also",
}

_library = threading.Lock()  # it keeps its state in its module


def is_restructured(text: str) -> bool:
    """Whether a docstring has marks of reStructuredText."""
    return looks_like_rst(text) or _DIRECTIVE.search(text) is not None or _ROLE.search(text) is not None


def restructured_markdown(text: str, kept: Kept) -> str:
    """A text in reStructuredText as Markdown."""
    text = _DIRECTIVE.sub(lambda match: _directive(match, kept), text)
    text = _LITERAL.sub(lambda match: _literal(match, kept), text)
    text = _FOOTNOTE.sub(r"\1", _COMMENT.sub("", text))
    text = _TARGETED.sub(lambda match: link(match[1], "".join(match[2].split()), kept), text)
    text = _LINKED.sub(r"\1", _CITED.sub("", _ROLE.sub(lambda match: _role(match[1], match[2], kept), text)))
    if _FOR_THE_LIBRARY.search(text):
        with _library:
            text = rst_to_markdown(text, extract_signature=False)
    text = keep_names(keep_spans(keep_code(text, kept), kept), kept)
    text = _UNDERSCORE.sub(r"\\\g<0>", _HEADING.sub(r"\1\\\2", text))
    return "\n\n".join(titled(part.strip("\n")) for part in _PARAGRAPH.split(text))


def _directive(match: re.Match[str], kept: Kept) -> str:
    margin, name, argument, below = match.groups()
    body = without_margin(below.strip("\n"))
    name = name.rpartition(":")[2]
    if name in _SILENT:
        return ""
    if name in _CODE:
        return kept.block(_OPTION.sub("", body), argument.strip() or "python").replace("\n\n", f"\n\n{margin}", 1)
    if name == "math":
        return kept.block(f"{argument}\n{body}".strip("\n")).replace("\n\n", f"\n\n{margin}", 1)
    body = restructured_markdown(_OPTION.sub("", body), kept).strip()
    if name.startswith("version") or name == "deprecated":
        version, _, said = argument.strip().partition(" ")
        title = _TITLES.get(name, name).format(version)
    elif name in ("admonition", "rubric", "topic"):
        title, said = argument.strip() or name.capitalize(), ""
    else:
        title, said = _TITLES.get(name, name.replace("-", " ").capitalize()), argument.strip()
    body = "\n".join(filter(None, (said, body)))
    mark = kept.keep(f"**{title}:**" if body else f"**{title}**")
    return f"\n\n{margin}{mark} {body}".rstrip() + "\n\n"


def _literal(match: re.Match[str], kept: Kept) -> str:
    """A literal block below the text that announces it."""
    margin, said, code = match.groups()
    said = f"{margin}{said.rstrip()}:" if said.strip() else ""
    return f"{said}\n\n{margin}{kept.block(code, 'python').strip()}\n\n"


def _role(name: str, text: str, kept: Kept) -> str:
    """What a role says: a label, or a name as code."""
    target = _TARGET.match(text)
    if target is not None:
        return target[1]
    if name in _LABELS:
        return f"{name.upper()} {text}" if name in ("pep", "rfc") else text.lstrip("/")
    return kept.span(text[1:].rpartition(".")[2] if text.startswith("~") else text.lstrip("!."))
