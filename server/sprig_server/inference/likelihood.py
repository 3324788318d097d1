"""How likely a generated sentence is right: a logistic model of what is known about the sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sprig_server.bundle.manifest import Calibration
from sprig_server.code.text import search_input, search_passage
from sprig_server.inference.models import Models
from sprig_server.types import Definition, Summary

LIKELY = 0.4
"""The probability from which a sentence of a bundle without a calibration is shown."""


def most_likely(
    candidates: Sequence[Summary], function: Definition, models: Models, calibration: Calibration | None
) -> tuple[Summary, float]:
    """The candidate that is right with the highest probability, and that probability.

    Args:
        candidates: at least one; empty sentences have the probability 0.
    """
    found = zip(candidates, evidence_of(candidates, function, models), strict=True)
    chances = [(one, probability(evidence, calibration) if one.text else 0.0) for one, evidence in found]
    return max(chances, key=lambda chance: chance[1])


def evidence_of(summaries: Sequence[Summary], function: Definition, models: Models) -> list[dict[str, float]]:
    """What is known about each sentence, by name:

    - `confidence` and `lowest`: the mean and the lowest log-probability of its tokens.
    - `similarity`: the cosine of its search vector and the function's; absent without a search bundle.
    """
    evidence = [{"confidence": summary.confidence, "lowest": summary.lowest} for summary in summaries]
    bundle = models.search_bundle(function.language)
    if bundle is None:
        return evidence
    passage = search_passage(search_input(function.code), 0, function.language)
    code, *sentences = models.encoder(bundle).encode([passage, *(summary.text for summary in summaries)])
    return [
        {**known, "similarity": float(np.dot(sentence, code))}
        for known, sentence in zip(evidence, sentences, strict=True)
    ]


def probability(evidence: dict[str, float], calibration: Calibration | None) -> float:
    """The probability that a sentence is right, from 0 to 1; without a calibration, the geometric mean of its tokens'
    probabilities. Evidence that is absent counts as average.
    """
    if calibration is None:
        return math.exp(min(0.0, evidence["confidence"]))
    total = calibration.bias + sum(
        weight * (evidence.get(name, calibration.means[name]) - calibration.means[name])
        for name, weight in calibration.weights.items()
    )
    return 1 / (1 + math.exp(-min(50.0, max(-50.0, total))))
