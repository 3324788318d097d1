"""The results of an analysis as plain values."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from sprig_export.analysis.ablation import Ablation
from sprig_export.analysis.neurons import Concept
from sprig_export.analysis.selection import Cascade, LayerScore, Point, Subset
from sprig_export.config.proposal import Proposal, Score

PROBE, PROBELESS, RANDOM = "probe", "probeless", "random"

ORDERS = {
    PROBE: "by the weights of a probe that reads all of them",
    PROBELESS: "by how far the means of the classes lie apart",
    RANDOM: "in a random order",
}
"""The orders in which neurons are taken."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The analysed model: its name, the digest of its weights, and the encoder's shape. `layers` are counted above the
    embedding layer.
    """

    name: str
    sha256: str
    family: str
    layers: int
    width: int


@dataclass(frozen=True, slots=True)
class Data:
    """The data: its corpus, the number of functions (of at most `window` tokens each), the number of words of each
    class in each split, and the number of word types by split and class.
    """

    language: str
    corpus: str
    functions: int
    window: int
    classes: tuple[str, ...]
    train: int
    seen: int
    dev: int
    test: int
    types: dict[str, dict[str, int]]
    left_out: dict[str, str]


@dataclass(frozen=True, slots=True)
class Baselines:
    """Baselines for a probe of all activations. All are accuracies, 0 to 1, on the test split.

    `chance` is guessing among balanced classes. `control` is the same probe on random labels of word types; since no
    word type is in two splits it can only guess, and `selectivity`, the accuracy less this one, says little more than
    the accuracy. `seen` and `seen_control` are both figures on further occurrences of the training words, where random
    labels can be learned by heart: what the probe finds there beyond that is `seen_selectivity`. These three are None
    where the corpus holds too few further occurrences. `untrained` is the probe on a model of the same architecture
    with random weights. `margin` is half the 95 % interval of the accuracy on the test split.
    """

    chance: float
    control: float
    selectivity: float
    seen: float | None
    seen_control: float | None
    seen_selectivity: float | None
    untrained: Score
    margin: float


@dataclass(frozen=True, slots=True)
class Report:
    """All results of a run.

    Attributes:
        full: the score of the probe that reads the activations of all layers.
        by_class: its accuracy on the test words of each class.
        penalty: the factor of both norms in every probe's loss.
        layers: each layer's score.
        clusters: scores with one neuron of each cluster.
        orders: scores with the first neurons, by order.
        minimal: the first neurons, in the probe's own order, that are enough.
        tolerance: the share of the accuracy that `minimal` and `cascade` may lose.
        similarity: CKA of every two layers.
        concepts: the neurons of each class.
        ablations: the effect of removing them on a probe of the last layer, on `ablated_words` words of each class.
    """

    date: str
    seed: int
    subject: Subject
    data: Data
    full: Score
    by_class: dict[str, float]
    penalty: float
    baselines: Baselines
    layers: tuple[LayerScore, ...]
    clusters: tuple[Point, ...]
    orders: dict[str, tuple[Point, ...]]
    minimal: Subset
    tolerance: float
    cascade: Cascade
    similarity: tuple[tuple[float, ...], ...]
    concepts: tuple[Concept, ...]
    ablations: tuple[Ablation, ...]
    ablated_words: dict[str, int]
    proposal: Proposal

    @property
    def features(self) -> int:
        """The number of activations that a probe of all layers reads."""
        return (self.subject.layers + 1) * self.subject.width


def render_json(report: Report) -> str:
    """The text of `report.json`, with numbers rounded to four digits."""
    value = asdict(report)
    for ablation, made in zip(value["ablations"], report.ablations, strict=True):
        ablation |= {"own": made.own, "others": made.others, "confirmed": made.confirmed}
    return json.dumps(_rounded(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def conclude(report: Report) -> tuple[str, ...]:
    """The conclusions from the figures, with their limits, in sentences."""
    confirmed = [ablation.label for ablation in report.ablations if ablation.confirmed]
    names = f": {', '.join(confirmed)}." if confirmed else "."
    return (
        f"From all {report.features:,} activations of a word, a linear probe finds the class of {report.full.test:.1%} "
        f"of the test words, none of which it was trained on (± {report.baselines.margin:.1%}). Guessing finds "
        f"{report.baselines.chance:.1%}, and such a probe on the same architecture with random weights "
        f"{report.baselines.untrained.test:.1%}.",
        _say_redundancy(report),
        _say_layers(report),
        f"Held at zero inside the model, the neurons of {len(confirmed)} of {len(report.ablations)} concepts hurt "
        f"their own class more than the others, and more than random neurons do{names}",
    )


def _say_redundancy(report: Report) -> str:
    count = len(report.minimal.neurons)
    at_random = next(point.score.test for point in report.orders[RANDOM] if point.neurons == count)
    return (
        f"From {count:,} of these activations a probe finds {report.minimal.score.test:.1%}, from as many random ones "
        f"{at_random:.1%}: for this task {1 - count / report.features:.1%} of the probe's features are redundant. That "
        "is said of the features of a probe and not of weights: the model computed nearly all of its network to give "
        "these activations, and nothing was removed from it."
    )


def _say_layers(report: Report) -> str:
    needed = report.cascade.layer
    if needed == report.subject.layers:
        return "Every layer is needed if the probe is to keep its accuracy on the development split."
    return (
        f"Only whole layers can be cut as they stand. Without those above layer {needed} of {report.subject.layers} "
        f"(0 is the embedding layer) the probe loses at most {report.tolerance:.0%} of its accuracy on the development "
        "split; whether search or summaries can do without them is for their own figures to say."
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, (list, tuple)) else value
