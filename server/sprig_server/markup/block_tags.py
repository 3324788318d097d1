"""Block tags of Javadoc, JSDoc, TSDoc and Doxygen: what they are for, and the parts of a comment that they begin."""

from __future__ import annotations

import re
from dataclasses import dataclass

SEE_ALSO = "See also"
ENTRIES = {
    "Parameters": "param params parameter arg argument",
    "Type parameters": "tparam typeparam typeParam template",
    "Properties": "property prop",
    "Return values": "retval",
    "Throws": "throws throw exception raises",
    "Emits": "fires emits",
}
TEXTS = {
    "Returns": "return returns result",
    "Yields": "yield yields",
    "Deprecated": "deprecated",
    "Since": "since",
    "Version": "version",
    "Author": "author authors",
    "Date": "date",
    "Note": "note",
    "Warning": "warning",
    "Attention": "attention",
    "Remark": "remark",
    "Precondition": "pre",
    "Postcondition": "post",
    "Invariant": "invariant",
    "To do": "todo",
    "Bug": "bug",
    "Default": "default defaultValue defaultvalue",
    "Example": "example examples",
    SEE_ALSO: "see seealso sa",
    "Type": "type",
    "Implementation note": "implNote",
    "Implementation requirement": "implSpec",
    "API note": "apiNote",
    "Experimental": "experimental",
    "Alpha": "alpha",
    "Beta": "beta",
    "Section": "par paragraph",
}
_OF_THE_BODY = "brief short details detail summary description desc classdesc remarks fileoverview overview li arg n"
# The name or the kind of what is documented, groups, and what speaks to tools.
_OF_A_LINE = """
    fn class def file ingroup addtogroup defgroup weakgroup name memberof memberOf method function func async public
    private protected package static override internal hidden ignore access kind module namespace exports export
    constructor constructs instance inner global readonly abstract virtual sealed implements augments extends api
    category group packageDocumentation license copyright nosideeffects suppress final serial serialData serialField
    overload related relates relatesalso headerfile nosubgrouping callgraph callergraph hideinitializer struct
    union enum interface typedef callback this lends alias var variation property-read event eventProperty decorator
    inheritdoc inheritDoc reimp snippet include dontinclude image tableofcontents showinitializer privatesection
    publicsection protectedsection mainpage page nodoc noinspection threadsafe reentrant nonreentrant generator
    mixes mixin borrows classDescription field requires yaml jsx noinline define externs record unrestricted
    chainable for ngdoc docType qmlproperty qmlpropertygroup qmlattachedproperty qmlsignal qmlmethod qmltype qmlmodule
"""
BODY = frozenset(_OF_THE_BODY.split())
_LINE_ONLY = frozenset(_OF_A_LINE.split())
_DROPPED = frozenset({"privateRemarks"})
_TITLES = {tag: title for titles in (ENTRIES, TEXTS) for title, tags in titles.items() for tag in tags.split()}

_AT_TAG = re.compile(r"^[ \t]*@([a-z][\w.-]*)(?![\w(@])[ \t]*:?", re.MULTILINE)
_COMMAND = re.compile(r"^[ \t]*[\\@]([a-z][A-Za-z]*)(?![\w.(@])", re.MULTILINE)
_BLANK = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Part:
    """What a block tag says. `title` is that of its section, "" for a tag of no known meaning."""

    tag: str
    title: str
    text: str

    @property
    def has_entries(self) -> bool:
        """Whether the text begins with the name of what it describes."""
        return self.title in ENTRIES


def split_tags(text: str, is_doxygen: bool) -> tuple[str, list[Part]]:
    """The text before and between the tags of a comment, and its parts.

    With Doxygen, a part ends at a blank line. In other styles, it ends at the next tag.
    """
    matches = [match for match in (_COMMAND if is_doxygen else _AT_TAG).finditer(text) if _counts(match)]
    body = [text[: matches[0].start()] if matches else text]
    parts: list[Part] = []
    for match, end in zip(matches, [*(m.start() for m in matches), len(text)][1:], strict=True):
        tag, said = match[1], text[match.end() : end]
        if tag in _LINE_ONLY:
            body.append(said.partition("\n")[2])
        elif tag in BODY:
            body.append(said.lstrip())
        elif tag not in _DROPPED:
            rest = ""
            if is_doxygen:
                said, rest = _until_blank(said)
            parts.append(Part(tag, _TITLES.get(tag, ""), said))
            body.append(rest)
    return "\n\n".join(piece.rstrip() for piece in body if piece.strip()), parts


def _counts(match: re.Match[str]) -> bool:
    """Whether a tag is one. A backslash may begin any word, such as a formula's."""
    known = match[1] in _TITLES or match[1] in BODY or match[1] in _LINE_ONLY or match[1] in _DROPPED
    return known or match[0].lstrip().startswith("@")


def _until_blank(text: str) -> tuple[str, str]:
    """The first paragraph, with the kept block right below it, and the rest."""
    blank = _BLANK.search(text, len(text) - len(text.lstrip()))
    while blank is not None and text[blank.end() :].lstrip().startswith("\ue002"):
        blank = _BLANK.search(text, blank.end() + 1)
    return (text, "") if blank is None else (text[: blank.start()], text[blank.end() :])
