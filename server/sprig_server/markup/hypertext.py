"""HTML in comments as Markdown. Tags that it does not know are text, such as the `<T>` of a generic type."""

from __future__ import annotations

import html
import re

from sprig_server.markup.sections import Kept, link, without_marks

_SPAN = r"<({})\b[^<>]*>((?:[^<]|<(?!/?\1\b))*)</\1\s*>"
_PRE = re.compile(_SPAN.format("pre"), re.IGNORECASE)
_CODE = re.compile(_SPAN.format("code|tt|kbd|samp"), re.IGNORECASE)
_STRONG = re.compile(_SPAN.format("b|strong"), re.IGNORECASE)
_EMPHASIS = re.compile(_SPAN.format("i|em|var|cite|dfn"), re.IGNORECASE)
_HEADING = re.compile(_SPAN.format("h[1-6]|caption"), re.IGNORECASE)
_LINK = re.compile(r"<a\b([^<>]*)>((?:[^<]|<(?!/?a\b))*)</a\s*>", re.IGNORECASE)
_HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
_IN_CODE = re.compile(r"\A\s*\{@(?:code|literal)\b\s?(.*)\}\s*\Z", re.DOTALL)
_BLOCKS = "p|div|br|hr|ul|ol|li|dl|dt|dd|blockquote|table|thead|tbody|tr|td|th|section|center"
_TAG = re.compile(rf"\s*<(/?)({_BLOCKS})\b[^<>]*>[ \t]*\n?", re.IGNORECASE)
_HAS_BLOCKS = re.compile(rf"</?(?:{_BLOCKS})\b[^<>]*>", re.IGNORECASE)
_OTHER = re.compile(
    r"</?(?:a|b|strong|i|em|var|cite|dfn|code|tt|kbd|samp|pre|h[1-6]|caption|span|font|small|big|u|s|strike|sub|sup|img"
    r"|abbr|colgroup|col)\b[^<>]*>|<!--.*?-->",
    re.IGNORECASE | re.DOTALL,
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z]\w{1,30});")
_EDGE = re.compile(r"[ \t]*\n[ \t]*")


def keep_examples(text: str, kept: Kept, language: str) -> str:
    """A text with its preformatted parts kept."""
    return _PRE.sub(lambda match: kept.block(_example(match[2]), language), text)


def _example(inner: str) -> str:
    literal = _IN_CODE.match(inner)
    return literal[1] if literal is not None else unescaped(_OTHER.sub("", inner))


def as_markdown(text: str, kept: Kept) -> str:
    """A text with its tags as Markdown. What they make is kept, so that all that is left is text."""
    if "<" not in text:
        return text
    text = _CODE.sub(lambda match: kept.span(unescaped(_OTHER.sub("", match[2]))), text)
    text = _HEADING.sub(lambda match: f"\n\n{_marked(match[2], '**', kept)}\n\n", text)
    text = _LINK.sub(lambda match: _link(match[1], match[2], kept), text)
    text = _STRONG.sub(lambda match: _marked(match[2], "**", kept), text)
    text = _EMPHASIS.sub(lambda match: _marked(match[2], "*", kept), text)
    if _HAS_BLOCKS.search(text):
        text = _blocks(text, kept)
    return _OTHER.sub("", text)


def unescaped(text: str) -> str:
    """A text with characters in place of entities."""
    return _ENTITY.sub(lambda match: without_marks(html.unescape(match[0])).replace("\xa0", " "), text)


def _marked(inner: str, mark: str, kept: Kept) -> str:
    text = _EDGE.sub(" ", inner.strip())
    return f"{kept.keep(mark)}{text}{kept.keep(mark)}" if text else " "


def _link(attributes: str, label: str, kept: Kept) -> str:
    href = _HREF.search(attributes)
    address = unescaped(next(filter(None, href.groups()), "")) if href is not None else ""
    return link(label, address, kept)


def _blocks(text: str, kept: Kept) -> str:
    """A text with paragraphs and lists. Its lines and their indentation mean nothing."""
    text = "\n".join(line.strip() for line in text.split("\n"))
    pieces, place = [], 0
    lists: list[int] = []  # the lists around; each the number of its next item, or 0
    for match in _TAG.finditer(text):
        pieces += [text[place : match.start()], _block(match[2].lower(), bool(match[1]), lists, kept)]
        place = match.end()
    return re.sub(r"(?m)^( *- )\s*\| ", r"\1", "".join([*pieces, text[place:]]))


def _block(name: str, is_end: bool, lists: list[int], kept: Kept) -> str:
    """What stands in place of a tag."""
    margin = "  " * len(lists)
    if name in ("ul", "ol", "dl", "table"):
        if not is_end:
            lists.append(int(name == "ol"))
            return "" if margin else "\n"
        if lists:
            lists.pop()
        return "\n\n" if not lists else "\n"
    if name in ("li", "dt", "tr"):
        if is_end:
            return ""
        if lists and lists[-1]:
            lists[-1] += 1
            return f"\n{margin[2:]}{lists[-1] - 1}. "
        return f"\n{margin[2:]}- "
    if name in ("td", "th", "dd"):
        return "" if is_end else " – " if name == "dd" else " | "
    if name in ("thead", "tbody"):
        return ""
    if name == "br":
        return kept.keep("\\\n")
    return f"\n\n{margin}"
