"""Documentation comments as plain text: Javadoc, JSDoc and Doxygen (with Qt's dialect of it) without their markup.

The result is like a Python docstring: paragraphs first, then sections that begin with a tag ("@param x").
"""

from __future__ import annotations

import html
import re

_INLINE = re.compile(r"\{@(?:code|literal|value|index)\s+([^{}]*)\}")
_LINKED = re.compile(r"\{@(?:link|linkplain|see|tutorial)\s+([^\s{}|]+)(?:[\s|]+([^{}]*))?\}")
_OTHER_INLINE = re.compile(r"\{@\w+[^{}]*\}")
_QT_LINK = re.compile(r"\\l\s*(?:\{([^{}]*)\}\s*(?:\{([^{}]*)\})?|(\S+))")
_WORD_COMMAND = re.compile(
    r"[\\@](?:[abcep]|em|ref|tt|uicontrol|underline|bold|i|copybrief|link|endlink)\b\s*\{?([^\s{}]*)\}?"
)
_LEADING = re.compile(
    r"^[ \t]*[\\@](?:brief|short|summary|description|desc|details?|internal|api)\b[ \t:]*", re.M | re.I
)
_NAMING = re.compile(
    r"^[ \t]*[\\@](?:fn|overload|reimp|ingroup|class|relates|relatesalso|since|addtogroup|weakgroup|function|func|"
    r"name|memberof|method|methodof|alias|static|private|protected|public|package|async|instance|inner|global|ignore|"
    r"access|kind|lends|chainable|for|category|module|ngdoc|docType|nodoc|hidden|export|type|override|final|virtual|"
    r"threadsafe|reentrant|nonreentrant|preliminary|qmlmethod|keyword|target|methodOf|signature|callback|this|"
    r"beta|alpha|experimental|inheritdoc)\b[^\n]*(?:\n|$)",
    re.M | re.I,
)
_COMMAND_SECTION = re.compile(r"^([ \t]*)\\(\w+)", re.M)
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9]*(?:\s+[^<>]*)?/?>")
_PARAGRAPH = re.compile(r"<\s*/?\s*(?:p|br|ul|ol|li|pre|table|dl|h\d)(?:\s[^<>]*)?/?>", re.I)
_GROUP = re.compile(r"^[ \t]*(?:[\\@][{}]|//+.*|[-=*#~_/]{3,})[ \t]*$", re.M)
_RETURNED = re.compile(r"^[ \t]*@returns?\b[ \t:]*(?:\{[^{}\n]*\}[ \t]*)?(?:-[ \t]+)?([^@]+)", re.M | re.I)
_ARTICLE = re.compile(r"^(?:the|a|an|true|false|null|whether|all|this|new|list|number|if)\b", re.I)
_RETURNS = re.compile(r"^returns?\b\s*", re.I)


def plain_documentation(documentation: str, language: str) -> str:
    """A documentation text as paragraphs and tagged sections, without inline markup. A docstring stays as it is.

    If only the result is documented, "@return the size" becomes the paragraph "Returns the size".

    Args:
        documentation: the text of a comment without comment marks (`Definition.documentation`).
        language: the language of its function.
    """
    if language == "python":
        return documentation
    text = _GROUP.sub("", documentation)
    text = _LEADING.sub("", _NAMING.sub("", text))
    text = _INLINE.sub(r"\1", text)
    text = _LINKED.sub(lambda match: match[2] or _target(match[1]), text)
    text = _OTHER_INLINE.sub("", text)
    text = _QT_LINK.sub(lambda match: match[2] or match[1] or match[3], text)
    text = _WORD_COMMAND.sub(r"\1", text)
    text = _COMMAND_SECTION.sub(r"\1@\2", text)
    text = _TAG.sub("", _PARAGRAPH.sub("\n\n", text))
    text = html.unescape(text).replace("\xa0", " ").strip()
    returned = _RETURNED.search(text) if text.startswith("@") else None
    if returned is not None:
        text = f"{_as_sentence(returned[1])}\n\n{text}"
    return text


def _target(reference: str) -> str:
    """The name in a Javadoc reference: "List.add" for `java.util.List#add(Object)`."""
    owner, _, member = reference.partition("#")
    owner = owner.rpartition(".")[2] if owner[:1].islower() else owner
    return ".".join(part for part in (owner, member.partition("(")[0]) if part)


def _as_sentence(result: str) -> str:
    """ "Returns the size" for the text of a tag `@return the size`, its first paragraph only."""
    text = " ".join(result.split("\n\n")[0].split())
    text = _RETURNS.sub("", text)
    if not text or not _ARTICLE.match(text):
        return ""
    return f"Returns {text[0].lower() if text[1:2].islower() or text[1:2] == ' ' else text[0]}{text[1:]}"
