"""Recognising source code that was not written by hand: files with a generator's mark, and minified scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

_HEADER_LINES = 40
_LONG_LINE = 300
# Files with less code in long lines than this may be written by hand.
_LEAST_MINIFIED = 1_000

_COMMENT = re.compile(r"\s*(?:#|//+|/\*+|\*+|<!--|--|;|%)[#*!=\-\s]*(.*)")
_QUOTES = ('"""', "'''", "`")
_DOCSTRING = re.compile(r'\s*(?:[rRuU]?("""|\'\'\'))')

# Beginnings of comments that mark a generated file.
_MARK = re.compile(
    r"""@generated\b (?!\s+(?:not|by\s+hand))
      | <auto-?generated
      | auto-?\ ?generated\b | automatically\ (?:generated|created|produced)\b | machine[-\ ]generated\b
      | (?:the|this)\ (?:\w+\ ){0,2}? (?:file|code|class|module|source|document|script|header|parser|interface)\s
        (?:\w+\ )? (?:is|was|has\ been)\ (?:\w+\ )? (?:auto|automatically|machine|programmatically)?[-\ ]?generated\b
      | generated\ (?:by|from|with|using)\b .{0,200}? \b(?:antlr|bison|cython|flex|javacc|swig|thrift|re2c|gperf)\b
      | meta\ object\ code\ from\ reading\ c\+\+ | a\ bison\ parser,\ made\ by""",
    re.VERBOSE | re.IGNORECASE,
)
# Marks a generated file if a request not to edit is there as well.
_ORIGIN = re.compile(r"(?:code |file |source )?(?:\w+[- ])?(?:generated|created|produced|compiled)\b", re.IGNORECASE)
_REQUEST = re.compile(
    r"\b(?:do not|don't|never) (?:hand-?)?(?:edit|modify|change|touch)\b|\b(?:will|may) be (?:lost|overwritten)\b",
    re.IGNORECASE,
)
_ORDER = re.compile(r"(?:\W|warning|note|attention|important|generated|file)*DO NOT (?:EDIT|MODIFY)\b(.*)")
_ONLY_A_PART = re.compile(
    r"\b(?:below|above|between|without|unless|until|before|after|lines?|section|block)\b", re.IGNORECASE
)

_JAVA_MARK = re.compile(r"^@(?:[\w.]+\.)?Generated\s*\(", re.MULTILINE)
_SOURCE_MAP = re.compile(r"^\s*(?://|/\*)[#@]\s*sourceMappingURL=\S", re.MULTILINE)

_STRING = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`""", re.DOTALL)
_CODE_WORD = re.compile(r"\b(?:function|return|var|let|const|if|for|def|class|public|static|void|new)\b|=>")


def is_generated(text: str, language: str) -> bool:
    """Whether a program wrote a source file: its header says so, or it is minified or compiled."""
    if _is_marked(text) or (language == "java" and _JAVA_MARK.search(text[:20_000])):
        return True
    if language in ("javascript", "typescript") and _SOURCE_MAP.search(text[-5_000:]):
        return True
    return _is_minified(text)


def _is_marked(text: str) -> bool:
    comments = list(_header_comments(text))
    if any(_MARK.match(comment) for comment in comments):
        return True
    for comment in comments:
        order = _ORDER.match(comment)
        if order and not _ONLY_A_PART.search(order.group(1)):
            return True
    wanted = [i for i, comment in enumerate(comments) if _ORIGIN.match(comment)]
    return any(_REQUEST.search(" ".join(comments[max(0, i - 3) : i + 4])) for i in wanted)


def _header_comments(text: str) -> Iterator[str]:
    """The texts of the comments among the first lines, and of a docstring before all code."""
    closing, code, told = "", False, False
    for line in text[:20_000].split("\n", _HEADER_LINES)[:_HEADER_LINES]:
        comment, opening = _COMMENT.match(line), _DOCSTRING.match(line)
        if closing:
            if told:
                yield line.strip()
            closing = "" if closing in line else closing
        elif comment:
            yield comment.group(1)
        elif opening and not code:
            rest, code, told = line[opening.end() :], True, True
            yield rest.strip()
            closing = opening.group(1) if opening.group(1) not in rest else ""
        elif line.strip():
            code, told = True, False
            closing = next((mark for mark in _QUOTES if line.count(mark) % 2), "")


def _is_minified(text: str) -> bool:
    """Whether at least half of the code is in very long lines. Data and comments do not count as code."""
    if len(text) < _LEAST_MINIFIED:
        return False
    long = short = 0
    for line in text.split("\n"):
        if len(line) <= _LONG_LINE:
            short += 0 if _COMMENT.match(line) else len(line.strip())
        elif not re.match(r"\s*(?://|#)", line):
            code = _STRING.sub("", line)
            if len(_CODE_WORD.findall(code)) * 200 > len(code) and len(_CODE_WORD.findall(code)) >= 5:
                long += len(code)
    return long >= _LEAST_MINIFIED and long >= short
