"""The sentence that a model may learn about a function: in one form, about the code alone, and grounded in it."""

from __future__ import annotations

import re
from functools import cache

from sprig_export.corpus.grounding import ground, names_what_is_there
from sprig_export.corpus.sentence_words import COMMON, VERBS

FEWEST_WORDS, MOST_WORDS = 4, 20
_FEWEST_LINES, _MOST_LINES = 3, 40
_LEAST_OWN = 0.6  # of the content words stem from the function itself
_LEAST_KNOWN = 0.85  # of them from the function or from the common words
_MOST_NAMED = 0.75  # of them stand in the function's name: more would teach to spell it out
_FEWEST_CONTENT_WORDS = 2

_MARKS = re.compile(r"\s[-(]|[{}<>|\[\]\\@#$%^*=~;?!/]|--|\.\.\.|\.\s+\S|:\s|\be\.g\b|\bi\.e\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z']+")
_CONNECTED = re.compile(r"(?P<joint>(?:,? and|, then|,? and then|,? or) )(?P<verb>[a-z]+)(?= (?P<next>[\w'\"]+))")
_ARTICLES = ("a", "an", "the", "it", "its", "them", "all", "any", "each", "every", "this", "that", "their", "no")
_PREPOSITIONS = ("whether", "if", "into", "to", "with", "from", "as", "for", "in", "on")
_OBJECTS = frozenset((*_ARTICLES, *_PREPOSITIONS))
_RESULTS = frozenset(("value", "values", "type", "types", "code", "codes", "address", "addresses"))
_NO_OBJECT = ("to ", "when ", "if ", "and ", "or ")  # behind a verb: about its use, or two verbs
_LEADING = 5  # words of a summary that stand in the code one after another: a comment of its own
_SHOWS_NOTHING = re.compile(r"NotImplemented|abstractmethod|\bvoid 0\b|\b__awaiter\b|\b_super\b|\(0, \w+\.")
"""Marks of code without a body, and of code that a compiler wrote."""
_RETURN = re.compile(r"\breturn\b(?!\s*;)\s*\S|=>|\byield\b")
_GIVES = frozenset({"return", "get", "retrieve", "obtain", "yield", "fetch", "give", "tell"})

_UNWANTED_TEXT = """
aforementioned above appropriate appropriately arg args author below bug called can't cannot caution certain
constructor convenience copyright correct correctly currently deprecated doc docs docstring documentation doesn't
don't dummy eg etc example experimental following former function hack he helper him i ie implementation inherit
inherited inherits initialiser initializer intended internal internally invoked issue kwargs latter legacy license
magic may method might must my needed note notes obsolete our override overridden overrides param please previously
private proper properly refer relevant required sample see several shall she shortcut should since stuff subclass
subclasses test testing tests thing things todo fixme unit us used various version warning we will workaround would
wrapper you your
"""
_UNWANTED = frozenset(_UNWANTED_TEXT.split())
"""What a sentence speaks of when it does not say what the code does: the reader, duties, other code, tests, the
past."""


def teaching_sentence(summary: str, name: str, code: str) -> str | None:
    """The sentence that a model may learn about a function, in the third person and with a period; None if there is
    none. It must describe what the code shows, and say more than the name does.

    Args:
        summary: the first sentence of its documentation (`Pair.summary`).
        name: the function's qualified name.
        code: the function without its documentation.
    """
    if not _FEWEST_LINES <= code.strip().count("\n") + 1 <= _MOST_LINES:
        return None
    if _SHOWS_NOTHING.search(code) or _says(code, summary):
        return None
    sentence = third_person(summary)
    if sentence is None or _MARKS.search(sentence[:-1]):
        return None
    if not _UNWANTED.isdisjoint(_WORD.findall(sentence.lower())):
        return None
    if not FEWEST_WORDS <= len(sentence.split()) <= MOST_WORDS or not names_what_is_there(sentence, code):
        return None
    if first_verb(sentence) in _GIVES and not _RETURN.search(code):
        return None
    found = ground(sentence, name, code)
    informative = found.words >= _FEWEST_CONTENT_WORDS and found.named <= _MOST_NAMED
    return sentence if informative and found.own >= _LEAST_OWN and found.known >= _LEAST_KNOWN else None


def third_person(summary: str) -> str | None:
    """The sentence with its first verb in the third person and one period at the end; None if it does not begin with a
    verb.

    "Parse the file and return its lines" becomes "Parses the file and returns its lines."
    """
    first, _, rest = " ".join(summary.split()).rstrip(" .:;,").partition(" ")
    verb = _base(first.lower())
    if verb is None or not rest or not first.isalpha() or rest.startswith(_NO_OBJECT):
        return None
    return f"{conjugate(verb).capitalize()} {_CONNECTED.sub(_conjugated, rest)}."


def conjugate(verb: str) -> str:
    """The third person singular of a verb's base form."""
    if verb in ("go", "undo"):
        return verb + "es"
    if verb.endswith(("s", "x", "z", "ch", "sh")):
        return verb + ("zes" if verb.endswith("iz") else "es")
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


def first_verb(sentence: str) -> str | None:
    """The base form of the known verb at the beginning of a sentence, which may be in the third person."""
    return _base(sentence.partition(" ")[0].lower())


def _says(code: str, summary: str) -> bool:
    """Whether the code contains its documentation word for word, so that a model would learn to copy."""
    beginning = re.findall(r"\w+", summary.lower())[:_LEADING]
    return " ".join(beginning) in " ".join(re.findall(r"\w+", code.lower()))


def _conjugated(match: re.Match[str]) -> str:
    """A second verb with its conjunction: "and list the files" has one; "and list items" and "and return value" have
    none.
    """
    verb, following = match["verb"], match["next"]
    known, noun_too = verb in VERBS, verb in COMMON or following in _RESULTS
    is_verb = known and (following in _OBJECTS or not noun_too)
    return match["joint"] + (conjugate(verb) if is_verb else verb)


def _base(word: str) -> str | None:
    return word if word in VERBS else _third_persons().get(word)


@cache
def _third_persons() -> dict[str, str]:
    return {conjugate(verb): verb for verb in VERBS}
