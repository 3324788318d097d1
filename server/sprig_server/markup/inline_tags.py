"""Inline tags of Javadoc, JSDoc and TSDoc (`{@code x}`) and commands of Doxygen (`\\c x`) as Markdown."""

from __future__ import annotations

import re

from sprig_server.markup.escape import escape_markdown
from sprig_server.markup.sections import Kept, link

_OPENING = re.compile(r"(?:\[([^\[\]\n]*)\])?\{@([A-Za-z]\w*)")
_LINKS = frozenset({"link", "linkplain", "linkcode", "see", "tutorial", "inheritLink"})
_CODE = frozenset({"code", "value", "systemProperty"})
_SILENT = frozenset({"inheritdoc", "inheritDoc", "docRoot"})
_SNIPPET = re.compile(r"\A(?:[^\n:]*\blang\s*=\s*[\"']?(\w+)[\"']?)?[^\n:]*:[ \t]*\n?")
_IS_ADDRESS = re.compile(r"(?:https?://|mailto:)\S+$", re.IGNORECASE)

_BLOCKS = re.compile(
    r"[\\@](code|verbatim|f\[|dot|msc|startuml)(?:\{\.?([\w+]*)[^}\n]*\})?(.*?)(?:[\\@](?:end\1|enduml|f\])|\Z)",
    re.DOTALL,
)
_FORMULA = re.compile(r"[\\@]f\$(.*?)[\\@]f\$", re.DOTALL)
_WORD = r"(?<![\\\w])[\\@](?:{})[ \t]+(?:\{{([^{{}}\n]*)\}}|([^\s,;]*[^\s.,;:!?)\]]))"
_CODE_WORD = re.compile(_WORD.format("c|p|tt|a|copydoc|copybrief|copydetails"))
_STRONG_WORD = re.compile(_WORD.format("b"))
_EMPHASIS_WORD = re.compile(_WORD.format("e|em"))
_REFERENCE = re.compile(r"[\\@](?:ref|subpage)[ \t]+([^\s,;]*[^\s.,;:!?)\]])(?:[ \t]+\"([^\"\n]*)\")?")
_LINKED = re.compile(r"[\\@]link[ \t]+(\S+)[ \t]*(.*?)[ \t]*[\\@]endlink", re.DOTALL)
_QT_LINK = re.compile(r"\\l(?=[\s{])\s*(?:\{([^{}]*)\}(?:\s*\{([^{}]*)\})?|(\S*\w(?:\(\))?))")
_ESCAPE = re.compile(r"[\\@]([\\@&$#<>%\"|=.:]|--)|%(?=[A-Za-z_:])")
_BREAK = re.compile(r"[\\@]n(?![A-Za-z])\n?")
_ITEM = re.compile(r"^([ \t]*)(?:[\\@](?:li|arg)[ \t]+|-(#)[ \t]+)", re.MULTILINE)
_SECTION = re.compile(r"^[ \t]*[\\@](?:sub)*section[ \t]+\S+[ \t]*(.*)$", re.MULTILINE)
_MARKERS = re.compile(
    r"[\\@](?:cond|endcond|if|ifnot|elseif|else|endif|internal|endinternal|parblock|endparblock|list|endlist|nosubgrouping|anchor"
    r"|htmlonly|endhtmlonly|latexonly|endlatexonly|rst|endrst|tableofcontents)\b[ \t]*(?:(?<=anchor )\S+)?"
)


def keep_inline_tags(text: str, kept: Kept, language: str) -> str:
    """A text whose inline tags are kept as Markdown."""
    pieces, place = [], 0
    while (opening := _OPENING.search(text, place)) is not None:
        end = _closing(text, opening.end())
        if end < 0:
            break
        label, name, inner = opening[1], opening[2], text[opening.end() : end].strip()
        pieces += [text[place : opening.start()], _tag(name, inner, label, kept, language)]
        place = end + 1
    return "".join([*pieces, text[place:]])


def _tag(name: str, inner: str, label: str | None, kept: Kept, language: str) -> str:
    before = f"[{label}]" if label is not None and name not in _LINKS else ""
    if name in _LINKS:
        return reference(inner, kept, label)
    if name == "snippet":
        head = _SNIPPET.match(inner)
        return kept.block(inner[head.end() :] if head else inner, (head[1] if head else None) or language)
    if name in _CODE:
        return before + kept.span(inner.lstrip("#") if name == "value" else inner)
    if name == "literal":
        return before + kept.keep(escape_markdown(inner))
    if name == "return":
        return f"{before}Returns {keep_inline_tags(inner, kept, language)}."
    return before if name in _SILENT else before + keep_inline_tags(inner, kept, language)


def reference(target: str, kept: Kept, label: str | None = None) -> str:
    """A reference such as `Foo#bar label`: its label, or its name as code; a link if it is an address."""
    named, separator, said = target.partition("|")
    if not separator:
        cut = _reference_end(target)
        named, said = target[:cut], target[cut:]
    named, said = named.strip(), (said.strip() or (label or "").strip())
    if _IS_ADDRESS.match(named):
        return link(said or named, named, kept)
    return said or kept.span(re.sub(r"(?<=.)#", ".", named).lstrip("#"))


def _reference_end(target: str) -> int:
    """Where the name ends: at the first white space that is not between parentheses."""
    depth = 0
    for place, mark in enumerate(target):
        depth += (mark in "(<") - (mark in ")>")
        if mark.isspace() and depth <= 0:
            return place
    return len(target)


def _closing(text: str, start: int) -> int:
    """The brace that closes a tag; -1 if there is none."""
    depth = 1
    for place in range(start, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return place
    return -1


def keep_commands(text: str, kept: Kept, language: str) -> str:
    """A text of Doxygen whose inline commands and blocks are kept as Markdown."""
    text = _BLOCKS.sub(lambda match: kept.block(match[3], _language(match[1], match[2], language)), text)
    text = _FORMULA.sub(lambda match: kept.span(match[1]), text)
    text = _CODE_WORD.sub(lambda match: kept.span(match[1] or match[2] or ""), text)
    text = _STRONG_WORD.sub(lambda match: f"{kept.keep('**')}{match[1] or match[2]}{kept.keep('**')}", text)
    text = _EMPHASIS_WORD.sub(lambda match: f"{kept.keep('*')}{match[1] or match[2]}{kept.keep('*')}", text)
    text = _REFERENCE.sub(lambda match: match[2] or kept.span(match[1].lstrip("#")), text)
    text = _LINKED.sub(lambda match: match[2] or kept.span(match[1].lstrip("#")), text)
    text = _QT_LINK.sub(lambda match: match[2] or match[1] or kept.span(match[3] or ""), text)
    text = _SECTION.sub(
        lambda match: f"\n{kept.keep('**')}{match[1].strip()}{kept.keep('**')}\n" if match[1] else "", text
    )
    text = _ITEM.sub(lambda match: f"{match[1]}{'1.' if match[2] else '-'} ", text)
    text = _BREAK.sub(lambda match: kept.keep("\\\n"), _MARKERS.sub("", text))
    return _ESCAPE.sub(lambda match: kept.keep(escape_markdown(match[1])) if match[1] else "", text)


def _bold_line(title: str, kept: Kept) -> str:
    return f"\n{kept.keep('**')}{title}{kept.keep('**')}\n" if title else ""


def _language(command: str, named: str | None, language: str) -> str:
    return (named or language) if command == "code" else ""
