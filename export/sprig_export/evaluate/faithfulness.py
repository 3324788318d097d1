"""What BLEU does not measure: whether a sentence's words come from the function, and whether it is a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

from sprig_export.corpus.grounding import code_stems, content_words, ground
from sprig_export.corpus.sentence_words import COMMON, FILLER, VERBS
from sprig_export.corpus.teaching import first_verb
from sprig_server.code.words import stem


@dataclass(frozen=True, slots=True)
class Written:
    """A generated sentence, and the function that it is about."""

    sentence: str
    name: str
    code: str


def faithfulness(written: Written) -> float:
    """The share of a sentence's content words that come from the function or are common words of programming, 0 to 1; 0
    for a sentence without content words.
    """
    return ground(written.sentence, written.name, written.code).known


def defects(written: Written, english: Container[str]) -> tuple[str, ...]:
    """The formal defects of a sentence, each in a few words.

    Args:
        english: words that need not be in the function, in lower case.
    """
    words, stems = content_words(written.sentence), code_stems(written.code)
    found = []
    if first_verb(written.sentence) is None:
        found.append("no verb")
    twice = [word for word, count in Counter(words).items() if count > 1 and written.code.lower().count(word) < 2]
    if twice:
        found.append(f"{twice[0]} twice")
    known = (VERBS, FILLER, COMMON, english, stems)
    strange = [word for word in words if not any(word in group or stem(word) in group for group in known)]
    if strange:
        found.append(f"{strange[0]} is no word")
    if not words:
        found.append("says nothing")
    return tuple(found)


def score_faithfulness(written: Sequence[Written], english: Container[str]) -> dict[str, float]:
    """The mean faithfulness, and the share of sentences with a defect; nan for none."""
    n = len(written)
    if n == 0:
        return {"faithfulness": float("nan"), "defects": float("nan")}
    return {
        "faithfulness": sum(map(faithfulness, written)) / n,
        "defects": sum(bool(defects(one, english)) for one in written) / n,
    }
