"""Code that somebody commented out: it stands where documentation stands, and is none."""

from __future__ import annotations

import re

from sprig_server.code.languages import Language, find_language
from sprig_server.code.syntax import SyntaxTree

# How a line of code ends or begins that hardly any line of prose does.
_CODE = re.compile(
    r"[;{}][ \t]*(?://.*)?$|^[ \t]*[)\]}]+[;,)]*$|^[ \t]*#[ \t]*(?:include|define|undef|if|ifdef|ifndef|else|endif)\b"
    r"|^[ \t]*@[A-Z]\w*(?:\(.*\))?$|^[ \t]*(?:const|let|var)\s.*=|^[ \t]*return\b|^[ \t]*(?:case\b.*|default):$"
)
_CALL = re.compile(r"^[ \t]*(?:await )?[\w$.]+\([^()]*\)$")  # which may also head a paragraph
_SIGN = re.compile(r"[=(){}\[\]#]|->|::|\breturn\b|\b(?:break|continue|throw)\b")
_LABEL = re.compile(r"^[ \t]*(?!default\b)(?:\w+:[ \t]*$|[A-Z]\w*:[ \t])", re.MULTILINE)
_LONGEST = 20_000  # characters; more are hardly a comment
_AROUND = {
    "java": (("class A { void f() {\n", "\n} }"), ("class A {\n", "\n}")),
    "javascript": (("async function f() {\n", "\n}"), ("class A {\n", "\n}")),
    "typescript": (("async function f() {\n", "\n}"), ("class A {\n", "\n}")),
    "cpp": (("void f() {\n", "\n}"), ("", ""), ("class A {\n", "\n};")),
}
"""Where a piece of code may stand, by language."""


def is_code(text: str, language: Language) -> bool:
    """Whether most lines of a comment are code of its language. The parser decides.

    Args:
        text: the comment without its marks.
        language: the language of the code below it.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    if len(text) > _LONGEST or not _SIGN.search(text) or not any(_CODE.search(line) for line in lines):
        return False
    code = [line for line in lines if _CODE.search(line) or _CALL.match(line)]
    return len(code) * 2 > len(lines) and any(_is_parsed("\n".join(part), language) for part in (lines, code))


def _is_parsed(text: str, language: Language) -> bool:
    if _LABEL.search(text):  # "Usage:" before an example
        return False
    text += "\n}" * (text.count("{") - text.count("}"))
    # What was compiled to JavaScript may keep comments in TypeScript.
    languages = (language, find_language("typescript")) if language.name == "javascript" else (language,)
    around = _AROUND.get(language.name, ())
    return any(SyntaxTree(before + text + after, each).is_whole for each in languages for before, after in around)
