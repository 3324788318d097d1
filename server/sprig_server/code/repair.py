"""Preparing C and C++ for a parser that does not run the preprocessor.

Export macros, attributes, macros that are whole lines, and branches of `#if` that separate a brace from its partner are
replaced by spaces. The length stays, so a position in the repaired text is a position in the original.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from sprig_server.code.lines import Lines

_MACRO = r"\b_*[A-Z][A-Z0-9_]{2,}\b"
_ARGUMENTS = r"\([^()]*(?:\([^()]*(?:\([^()]*\)[^()]*)*\)[^()]*)*\)"
_ATTRIBUTE = rf"(?:[A-Za-z_]\w*(?:[ \t]*{_ARGUMENTS})?|\[\[[^\]\n]{{0,200}}\]\])\s+"

# `class API Name {` and `class api(x) Name final : Base {`; two names in a row need a macro.
_CLASS = re.compile(
    rf"\b(?P<kind>(?:enum\s+)?(?:class|struct)|union|enum)\s+(?P<macros>(?:{_ATTRIBUTE}){{1,3}})"
    r"(?=(?!final\b)[A-Za-z_][\w:]*(?:<[^;{}()]{0,200}>)?\s*(?:final\s*)?(?P<rest>\{|:(?!:)[^;(){}=]{0,500}(?:\([^;(){}=]{0,500}\)[^;(){}=]{0,500})?\{))"
)
_SURE_MACRO = re.compile(r"(?:[A-Z][A-Z0-9_]+|\w*(?:export|EXPORT|api|API)|__\w+|alignas)(?:\s*\(.*)?$|\[\[", re.DOTALL)
_NAMESPACE = re.compile(rf"\bnamespace\s+[\w:]+\s+({_MACRO}(?:\s*{_ARGUMENTS})?)(?=\s*\{{)")
_SLOTS = re.compile(r"\b((?:public|protected|private)\s+)(slots|Q_SLOTS)(?=\s*:)")
_SIGNALS = re.compile(r"^([ \t]*)(signals|Q_SIGNALS)(?=[ \t]*:)", re.MULTILINE)

_LINE = re.compile(rf"^[ \t]*({_MACRO}(?:[ \t]*{_ARGUMENTS})?)(?=[ \t]*(?://.*|/\*.*)?(?:\r?\n|\Z))", re.MULTILINE)
_OPEN = frozenset(",(=+-|&<?")
_CONTINUES = frozenset(";,=)+-*/?.|&<>{[(")
_TYPE_WORD = (
    r"(?:void|bool|char|short|int|long|float|double|unsigned|signed|auto|static|inline|virtual|explicit|friend|extern"
    r"|constexpr|class|struct|enum|union|template|typename|using|typedef|std::|operator|namespace)"
)
_PLAIN = r"[A-Za-z_][\w:]*(?:<[^;{}()]{0,200}>)?"
_BEFORE = re.compile(
    rf"({_MACRO}(?:[ \t]*{_ARGUMENTS})?)\s+"
    rf"(?={_TYPE_WORD}\b|~?\w+\s*::|(?:const\s+)?{_PLAIN}(?:\s+|\s*[*&]+\s*)(?:{_MACRO}\s+)?~?[A-Za-z_][\w:]*\s*\("
    r"|[A-Za-z_]\w*\s*\([^;{}]{0,300}\)\s*:\s*[A-Za-z_][\w:]*\s*[({])"
)
_LOWER_CASE = re.compile(  # `local int f(x)`: no type comes before a built-in type
    r"^[ \t]*(?!(?:static|inline|const|unsigned|signed|long|short|extern|virtual|return|else|typedef|constexpr|volatile"
    r"|register|friend|explicit|new|operator|mutable|consteval|constinit|thread_local|do|using|goto|case)\b)"
    r"([a-z_]\w*)[ \t]+(?=(?:void|bool|char|short|int|long|float|double|unsigned|signed)\b[^;{}]{0,200}\()",
    re.MULTILINE,
)
_TYPE_IN = re.compile(rf"({_MACRO}[ \t]*\()([\w:<>,*& \t]+)(\))(?=\s*(?:[*&]\s*)?[A-Za-z_][\w:]*\s*\()")
_BETWEEN = re.compile(
    rf"(?<=[\w*&>])(?<!\breturn)(?<!\bstatic)(?<!\binline)(?<!\bextern)(?<!\bconst)(?<!\belse)(?<!\bvirtual)\s+"
    rf"({_MACRO})(?=\s+[A-Za-z_~][\w:~]*\s*\()"
)
_AFTER = re.compile(
    rf"\)\s*(?:(?:const|noexcept|override|final|volatile|&&?)\s*)*((?:{_MACRO}(?:\s*{_ARGUMENTS})?\s*){{1,8}})"
    r"(?=[{;:=]|->|const\b|noexcept\b|override\b|final\b)"
)
_OLD_STYLE = re.compile(
    r"^([ \t]*[A-Za-z_][\w \t*]*\()([\w\s,]*)\)((?:\s*[A-Za-z_][\w \t*,\[\]]*;)+)(?=\s*\{)", re.MULTILINE
)

_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else|endif|define)\b((?:\\\r?\n|.)*)", re.MULTILINE)
_COMMENT = re.compile(r'("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\')|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_NO_CODE = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)


_STEPS = {"{": (1, 0), "}": (-1, 0), "(": (0, 1), ")": (0, -1)}  # into braces and parentheses


def blank(text: str) -> str:
    """Spaces of the same length as the text; line ends stay."""
    return re.sub(r"[^\r\n]", " ", text)


def repair_certain(text: str) -> str:
    """The text without everything that can only be a macro."""
    text = _CLASS.sub(_without_macros, text)
    text = _NAMESPACE.sub(_without_group, text)
    text = _SLOTS.sub(lambda match: match[1] + blank(match[2]), text)
    return _SIGNALS.sub(lambda match: match[1] + "public".ljust(len(match[2])), text)


def repair_likely(text: str) -> str:
    """The text without everything that is likely a macro: for text that cannot be parsed otherwise."""
    comments = [match.span() for match in _COMMENT.finditer(text) if match[1] is None]
    code = _COMMENT.sub(lambda match: match[1] or blank(match[0]), text)
    code = _DIRECTIVE.sub(_simplified, code)
    code = _LINE.sub(_without_line, code)
    code = _TYPE_IN.sub(lambda match: blank(match[1]) + match[2] + blank(match[3]), code)
    for pattern in (_LOWER_CASE, _BEFORE, _BETWEEN, _AFTER):
        code = pattern.sub(_without_group, code)
    code = _OLD_STYLE.sub(lambda match: match[1] + blank(match[2]) + ")" + blank(match[3]), code)
    pieces, place = [], 0
    for start, end in comments:  # it may be documentation
        pieces += [code[place:start], text[start:end]]
        place = end
    return "".join([*pieces, code[place:]])


def _simplified(match: re.Match[str]) -> str:
    """A directive without the parts that would be parsed as code: the body of a macro, the condition of a branch."""
    kind, rest = match[1], match[2]
    if kind == "define":
        return blank(match[0])
    if kind in ("if", "elif") and len(rest) > 1 and rest.strip() != "0":
        return match[0][: -len(rest)] + " 1" + blank(rest[2:])
    return match[0]


def _without_group(match: re.Match[str]) -> str:
    line_start = match.string.rfind("\n", 0, match.start(1)) + 1
    if match.string[line_start : match.start(1)].lstrip().startswith("#"):
        return match[0]
    start, end = match.start(1) - match.start(), match.end(1) - match.start()
    return match[0][:start] + blank(match[1]) + match[0][end:]


def _without_macros(match: re.Match[str]) -> str:
    words = re.findall(_ATTRIBUTE, match["macros"])
    if match["rest"] == "{" and not all(_SURE_MACRO.match(word.strip()) for word in words):
        return match[0]
    start = match.start("macros") - match.start()
    return match[0][:start] + blank(match["macros"])


def _without_line(match: re.Match[str]) -> str:
    """A macro that is alone on its line, blanked out unless an expression or a function continues there."""
    before, after = match.string[: match.start(1)].rstrip()[-1:], match.string[match.end() :].lstrip()[:1]
    return match[0] if before in _OPEN or after in _CONTINUES else blank(match[0])


def repair_branches(text: str, errors: Sequence[tuple[int, int]] = ()) -> str:
    """The text with only one branch of each conditional whose branches do not close what they open, or that is at an
    error.

    Args:
        errors: where the text cannot be parsed, as pairs of first and last line.
    """
    at_errors = {line for start, end in errors for line in (start - 1, start, end, end + 1)}
    lines, braces = Lines(text), _Braces(text)
    groups: list[list[re.Match[str]]] = []
    removed: list[tuple[int, int]] = []
    for directive in _DIRECTIVE.finditer(text):
        kind = directive[1]
        if kind.startswith("if"):
            groups.append([directive])
        elif groups and kind != "define":
            groups[-1].append(directive)
            if kind == "endif":
                directives = groups.pop()
                branches = [(before.end(), after.start()) for before, after in pairwise(directives)]
                at_error = any(lines.line_of(d.start()) in at_errors for d in directives)
                if at_error or not all(braces.are_balanced(*branch) for branch in branches):
                    kept = 1 if directives[0][2].strip() == "0" and len(branches) > 1 else 0
                    removed += [d.span() for d in directives]
                    removed += [branch for number, branch in enumerate(branches) if number != kept]
    pieces, place = [], 0
    for start, end in sorted(removed):  # one may contain others
        pieces += [text[place:start], blank(text[max(start, place) : end])]
        place = max(place, end)
    return "".join([*pieces, text[place:]])


class _Braces:
    """The braces and parentheses of a text, outside strings and comments."""

    def __init__(self, text: str) -> None:
        found = list(re.finditer(r"[{}()]", _NO_CODE.sub(lambda match: blank(match[0]), text)))
        self._places = np.array([match.start() for match in found], dtype=np.int64)
        steps = np.array([_STEPS[match[0]] for match in found], dtype=np.int64).reshape(-1, 2)
        self._depths = np.concatenate([np.zeros((1, 2), dtype=np.int64), steps.cumsum(axis=0)])

    def are_balanced(self, start: int, end: int) -> bool:
        """Whether exactly those that are opened in [start, end) are closed there."""
        first, last = np.searchsorted(self._places, (start, end))
        depths = self._depths[first : last + 1] - self._depths[first]
        return not depths[-1].any() and bool((depths >= 0).all())
