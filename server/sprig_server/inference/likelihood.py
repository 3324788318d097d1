"""How likely a generated sentence is right: a logistic model of what is known about the sentence."""

from __future__ import annotations

import math

import numpy as np

from sprig_server.bundle.manifest import Calibration
from sprig_server.code.grounding import ground, names_what_is_there
from sprig_server.code.text import search_input, search_passage
from sprig_server.inference.models import Models
from sprig_server.types import Definition, Summary

LIKELY = 0.4
"""The probability from which a sentence of a bundle without a calibration is shown."""


def evidence_of(summary: Summary, function: Definition, models: Models) -> dict[str, float]:
    """What is known about a sentence, by name:

    - `confidence` and `lowest`: the mean and the lowest log-probability of its tokens.
    - `own`: the share of its content words that come from the function.
    - `known`: the share that comes from the function or is common in programming.
    - `present`: 1 if every name and number in it is in the function, else 0.
    - `similarity`: the cosine of its search vector and the function's; absent without a search bundle.
    """
    found = ground(summary.text, function.qualified_name, function.code)
    evidence = {
        "confidence": summary.confidence,
        "lowest": summary.lowest,
        "own": found.own,
        "known": found.known,
        "present": float(names_what_is_there(summary.text, function.code)),
    }
    bundle = models.search_bundle(function.language)
    if bundle is not None:
        passage = search_passage(search_input(function.code), 0, function.language)
        sentence, code = models.encoder(bundle).encode([summary.text, passage])
        evidence["similarity"] = float(np.dot(sentence, code))
    return evidence


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
