"""How likely a generated sentence is right: fits the calibration of a summary bundle to sentences that were read.

    python benchmarks/calibration.py --bundle packs/summaries/sprig_pack_summaries/summaries \
        --judged benchmarks/judged_sentences.jsonl --document docs/results/calibration.md

Each line of the file is a sentence, the evidence about it (`inference/likelihood.py`), and what a reader gave it who
saw only the code: 2 (right and useful), 1 (acceptable) or 0 (wrong, garbled, or says nothing). A sentence counts as
right with 1 or 2. The weights are a logistic regression; they are written to the bundle's manifest. All figures of the
page are of sentences that the weights were not fitted to (cross-validation).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tables import markdown, replace_table

from sprig_export.report.charts import line_chart
from sprig_export.report.frame import lone_chart
from sprig_server.bundle.manifest import FILE_NAME, Calibration, parse_manifest, render_manifest

EVIDENCE = ("confidence", "lowest", "similarity")
"""What the weights are for. The other evidence told right from wrong no better than chance."""
LIKELY = 0.6
"""The probability from which hovers show a sentence."""
PRIOR = 1.0
"""The strength of the quadratic penalty of the standardised weights."""
FOLDS, ROUNDS = 8, 20
BINS = 6

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """Sentences: their evidence, float64 [n, e], and whether they are right and also useful, bool [n]."""

    evidence: Numbers
    right: NDArray[np.bool_]
    useful: NDArray[np.bool_]
    functions: NDArray[np.int64]
    """The function of each sentence, int64 [n]: several sentences may be about one."""


def main() -> None:
    """Fit, and write the manifest, the page and the diagram."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--judged", type=Path, required=True)
    parser.add_argument("--document", type=Path, required=True, help="the page whose table is written anew")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    judged = read_judged(options.judged)
    path = options.bundle / FILE_NAME
    manifest = parse_manifest(path.read_text(encoding="utf-8"), path)
    calibration = calibrate(judged)
    path.write_text(render_manifest(replace(manifest, calibration=calibration)), encoding="utf-8")
    predicted = cross_validate(judged, options.seed)
    page = options.document.read_text(encoding="utf-8")
    options.document.write_text(replace_table(page, "calibration", render(judged, predicted)), encoding="utf-8")
    options.document.with_suffix(".svg").write_text(draw(judged, predicted), encoding="utf-8")


def read_judged(path: Path) -> Judged:
    """The sentences of a file of JSON lines."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    labels = np.array([row["label"] for row in rows])
    evidence = np.array([[row[name] for name in EVIDENCE] for row in rows], dtype=np.float64)
    return Judged(evidence, labels > 0, labels == 2, _numbered(rows))


def _numbered(rows: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
    names = [f"{row['package']} {row['name']}" for row in rows]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def calibrate(judged: Judged) -> Calibration:
    """The calibration of all sentences."""
    means, spreads = judged.evidence.mean(axis=0), judged.evidence.std(axis=0)
    bias, *weights = fit((judged.evidence - means) / spreads, judged.right)
    return Calibration(
        bias=round(float(bias), 4),
        weights={n: round(float(w / s), 4) for n, w, s in zip(EVIDENCE, weights, spreads, strict=True)},
        means={n: round(float(m), 4) for n, m in zip(EVIDENCE, means, strict=True)},
        likely=LIKELY,
    )


def fit(evidence: Numbers, right: NDArray[np.bool_]) -> Numbers:
    """The bias and the weights of a logistic regression by Newton's method, float64 [1 + e].

    Args:
        evidence: standardised, float64 [n, e].
        right: bool [n].
    """
    inputs = np.column_stack([np.ones(len(evidence)), evidence])
    penalty = np.diag([0.0] + [PRIOR] * evidence.shape[1])
    weights = np.zeros(inputs.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-inputs @ weights))
        curvature = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + penalty
        weights = weights - np.linalg.solve(curvature, inputs.T @ (chance - right) + penalty @ weights)
    return weights


def cross_validate(judged: Judged, seed: int) -> Numbers:
    """The probability of each sentence by weights that were fitted to other functions, float64 [n]: means over
    `ROUNDS`.
    """
    n, draw = len(judged.right), np.random.default_rng(seed)
    total = np.zeros(n)
    for _ in range(ROUNDS):
        for functions in np.array_split(draw.permutation(judged.functions.max() + 1), FOLDS):
            fold = np.flatnonzero(np.isin(judged.functions, functions))
            others = np.setdiff1d(np.arange(n), fold)
            means, spreads = judged.evidence[others].mean(axis=0), judged.evidence[others].std(axis=0)
            bias, *weights = fit((judged.evidence[others] - means) / spreads, judged.right[others])
            total[fold] += 1 / (1 + np.exp(-bias - (judged.evidence[fold] - means) / spreads @ np.array(weights)))
    return total / ROUNDS


def render(judged: Judged, predicted: Numbers) -> str:
    """The table: what is shown from each probability on."""
    rows = []
    for least in (0.0, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7):
        shown = predicted >= least
        if shown.any():
            right, useful = judged.right[shown], judged.useful[shown]
            name = f"{least:.2f}" + (" (the default)" if least == LIKELY else "")
            rows.append([name, f"{shown.mean():.0%}", f"{1 - right.mean():.0%}", f"{useful.mean():.0%}"])
    return markdown(["shown from", "of all sentences", "wrong among them", "right and useful among them"], rows)


def draw(judged: Judged, predicted: Numbers) -> str:
    """The reliability diagram: the share that is right, in bins of equal size by probability."""
    bins: Sequence[Numbers] = np.array_split(np.argsort(predicted), BINS)
    observed = [(float(predicted[rows].mean()), float(judged.right[rows].mean())) for rows in bins]
    perfect = [(observed[0][0], observed[0][0]), (observed[-1][0], observed[-1][0])]
    classes = {"right": "a", "perfect": "b"}
    lines = {"right": observed, "perfect": perfect}
    return lone_chart(line_chart("Sentences that are right, by their probability", lines, classes, LIKELY), classes)


if __name__ == "__main__":
    main()
