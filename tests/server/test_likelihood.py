"""How likely a generated sentence is right."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprig_server.bundle.manifest import Calibration
from sprig_server.code.functions import parse_functions
from sprig_server.inference.likelihood import evidence_of, most_likely, probability
from sprig_server.inference.models import Models
from sprig_server.types import Summary

CODE = """
def read_table(path, separator):
    with open(path) as file:
        return [line.split(separator) for line in file]
"""
(FUNCTION,) = parse_functions(CODE, "python")
NAMES = ("confidence", "lowest", "similarity")
NUMBERS = st.floats(-100, 100)


@pytest.fixture(scope="module")
def models() -> Models:
    return Models((), threads=1)


def test_of_some_candidates_the_one_about_the_function_is_the_most_likely(models: Models):
    right = Summary("Reads a table from a path, split at a separator.", -1.0, -3.0)
    wrong = Summary("Deletes the users of a database.", -0.9, -2.9)
    first, second = evidence_of([right, wrong], FUNCTION, models)
    assert first.keys() == second.keys() == set(NAMES)
    assert (first["confidence"], first["lowest"]) == (-1.0, -3.0)
    assert first["similarity"] > second["similarity"] + 0.2
    calibration = Calibration(0.0, {"similarity": 5.0, "confidence": 1.0}, {"similarity": 0.5, "confidence": -1.0}, 0.5)
    candidates = [Summary("", -0.1, -0.1), wrong, right]
    best, chance = most_likely(candidates, FUNCTION, models, calibration)
    assert best == right
    assert chance == pytest.approx(probability(first, calibration), abs=0.02), "vectors depend on their batch"
    assert most_likely(candidates[:2], FUNCTION, models, None) == (wrong, pytest.approx(math.exp(-0.9)))


def test_without_a_search_bundle_there_is_no_similarity():
    models = Models((), threads=1)
    models.bundles = tuple(bundle for bundle in models.bundles if bundle.manifest.task != "search")
    (evidence,) = evidence_of([Summary("Reads a table.", -1.0, -2.0)], FUNCTION, models)
    assert evidence == {"confidence": -1.0, "lowest": -2.0}


@given(st.dictionaries(st.sampled_from(NAMES), NUMBERS), st.dictionaries(st.sampled_from(NAMES), NUMBERS), NUMBERS)
def test_any_evidence_gives_a_probability(evidence: dict[str, float], weights: dict[str, float], bias: float):
    calibration = Calibration(bias, weights, dict.fromkeys(weights, 0.5), likely=0.5)
    assert 0 <= probability(evidence, calibration) <= 1
    average = probability({}, calibration)
    assert average == pytest.approx(1 / (1 + math.exp(-max(-50, min(50, bias)))))
    for name, weight in weights.items():
        more = probability({name: 1.5}, calibration)
        assert more >= average if weight > 0 else more <= average


@given(st.floats(-50, 1))
def test_without_a_calibration_it_is_the_mean_probability_of_a_token(confidence: float):
    assert probability({"confidence": confidence}, None) == pytest.approx(math.exp(min(0.0, confidence)))
