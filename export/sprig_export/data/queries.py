"""Queries as people type them, made from documentation: questions and keywords.

Documentation is prose in the third person ("Returns the number of open files."); web queries are not ("python count
open files", "how to count open files in python"). Everything is drawn from the generator that is passed in.
"""

from __future__ import annotations

import random
import re

_NAMES = {
    "python": ("python", "python", "python 3", "py"),
    "java": ("java",),
    "javascript": ("javascript", "javascript", "js", "node js"),
    "typescript": ("typescript", "javascript", "ts"),
    "cpp": ("c++", "c++", "cpp"),
}
_QUESTIONS = (
    "how to {}",
    "how to {}",
    "how do i {}",
    "how can i {}",
    "best way to {}",
    "function to {}",
    "code to {}",
    "{}",
)
_WORD = re.compile(r"[A-Za-z0-9_+#.'-]*[A-Za-z0-9_+#]")
_CLAUSE = re.compile(r"[.,;:(]\s|\b(?:if|when|which|that|where|unless|so that|because|based on|using|according to)\b")
_EMPTY = frozenset(
    re.findall(
        r"\w+",
        """a an the of to for is are be was this that these those it its with by from as at on given specified provided
        passed current supplied and or all any some into using will can may should which where has have been""",
    )
)
_THIRD_PERSON = (
    ("sses", 2),
    ("shes", 2),
    ("ches", 2),
    ("xes", 2),
    ("zzes", 2),
    ("ies", 0),
    ("ss", 0),
    ("us", 0),
    ("is", 0),
)
_LONGEST = 9  # words


def question(sentence: str, language: str, draw: random.Random) -> str:
    """A sentence of documentation as a question: "how to count open files in python"."""
    text = draw.choice(_QUESTIONS).format(" ".join(_words(_clause(sentence, draw))))
    return _with_language(text, language, draw, front=0.35, behind=0.35)


def keywords(sentence: str, language: str, draw: random.Random) -> str:
    """A sentence of documentation as keywords: "python count open files"."""
    words = [word for word in _words(_clause(sentence, draw)) if word not in _EMPTY]
    kept = [word for word in words if draw.random() > 0.1]
    chosen = (kept if len(kept) >= 2 else words)[:_LONGEST]
    return _with_language(" ".join(chosen), language, draw, front=0.5, behind=0.2)


def base_form(verb: str) -> str:
    """ "count" for "counts": the base form of the verb that begins a sentence of documentation."""
    if verb.endswith("ies") and len(verb) > 4:
        return verb[:-3] + "y"
    for ending, cut in _THIRD_PERSON:
        if verb.endswith(ending):
            return verb[:-cut] if cut else verb
    return verb[:-1] if verb.endswith("s") and len(verb) > 3 else verb


def _clause(sentence: str, draw: random.Random) -> str:
    """The sentence, usually cut before its first subordinate clause."""
    stop = _CLAUSE.search(sentence, 20)
    return sentence[: stop.start()] if stop is not None and draw.random() < 0.7 else sentence


def _words(text: str) -> list[str]:
    words = [word.lower() for word in _WORD.findall(text)]
    return [base_form(words[0]), *words[1:]] if words else []


def _with_language(text: str, language: str, draw: random.Random, front: float, behind: float) -> str:
    name, where = draw.choice(_NAMES.get(language, (language,))), draw.random()
    if where < front:
        return f"{name} {text}"
    if where < front + behind:
        return f"{text} in {name}" if draw.random() < 0.7 else f"{text} {name}"
    return text
