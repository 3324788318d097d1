"""An analysis, from the model and the corpus to the report. Read it from top to bottom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from math import sqrt
from typing import TypeVar

import numpy as np

from sprig_export.analysis.ablation import Ablatable, Ablation, ablate, choose_functions
from sprig_export.analysis.activations import Encoder, load_encoder, read_states, read_units
from sprig_export.analysis.neurons import global_order, map_concepts, probeless_order, probeless_scores
from sprig_export.analysis.probe import Columns, Features, Probe, Trainer, Typed, choose_trainer, run_control
from sprig_export.analysis.proposal import propose
from sprig_export.analysis.report import PROBE, PROBELESS, RANDOM, Baselines, Data, Report, Subject
from sprig_export.analysis.selection import (
    DISTANCES,
    Point,
    cluster,
    minimal_set,
    prefix_sizes,
    run_cascade,
    score_clusters,
    score_layers,
    score_prefixes,
    select_layer,
)
from sprig_export.analysis.similarity import layer_similarity
from sprig_export.analysis.words import Corpus, Study, Words, read_corpus, read_words
from sprig_export.config.proposal import Score
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_export.report.progress import Announce, stage
from sprig_server.code.languages import find_language

_T = TypeVar("_T")
_TOLERANCE = 0.01  # the share of accuracy that the minimal sets may lose
_UNIT_FUNCTIONS = 64  # functions for the correlation of feed-forward units
_ABLATED_FUNCTIONS = 64  # functions for ablations; they are read again for every concept
_ABLATED_SHARE = 0.01  # of the neurons below the last layer
_LEAST_SEEN = 20  # words of each class; fewer give no figure


@dataclass(frozen=True, slots=True, eq=False)
class _Probed:
    """The words of a corpus as a model gives them, and the probe that reads all of their features, with its score."""

    encoder: Encoder
    corpus: Corpus
    words: Words
    trainer: Trainer
    probe: Probe
    full: Score

    @property
    def training_words(self) -> Typed:
        """The words that the probe was trained on, by their types."""
        return Typed(self.words.splits.train.features, self.corpus.types_of(self.corpus.sample.train))

    @property
    def enough(self) -> float:
        """The accuracy on the development split that minimal sets must have."""
        return self.full.dev * (1 - _TOLERANCE)


def analyze(plan: Study, announce: Announce) -> Report:
    """Analyse a model in one language.

    Args:
        announce: called with the current stage and its progress.

    Raises:
        InvalidInput: the model, the language or the corpus cannot be used, or the corpus has too few words.
    """
    language = find_language(plan.language).name
    checkpoint = open_checkpoint(plan.model)
    probed = _probe(plan, checkpoint, language, announce)
    encoder, corpus, words, splits = probed.encoder, probed.corpus, probed.words, probed.words.splits
    baselines = _compare(probed, _score_untrained(checkpoint, corpus, probed.trainer, announce))
    layers = _told(announce, "layers", score_layers(splits, encoder.width, probed.trainer), encoder.depth + 1)
    order = global_order(probed.probe.weights)
    probeless = probeless_scores(splits.train.features, splits.train.labels, splits.classes)
    orders = {
        PROBE: order,
        PROBELESS: probeless_order(probeless),
        RANDOM: np.random.default_rng(plan.seed).permutation(len(order)),
    }
    points = {name: _score_order(probed, own, name, announce) for name, own in orders.items()}
    clusters = _told(announce, "clusters", score_clusters(splits, cluster(splits), probed.trainer), len(DISTANCES))
    tick = stage(announce, "layers, clusters and neurons together", 1)
    top = select_layer(layers, _TOLERANCE).layer
    cascade = run_cascade(splits, encoder.width, top, probed.trainer, probed.enough)
    tick(1)
    ablations, ablated = _ablate(probed, announce)
    tick = stage(announce, "similarity and proposal", 1)
    report = Report(
        date=datetime.now(timezone.utc).date().isoformat(),
        seed=plan.seed,
        subject=_subject(checkpoint, encoder),
        data=_describe(plan, language, corpus),
        full=probed.full,
        by_class=_by_class(probed),
        penalty=probed.trainer.penalty.lasso,
        baselines=baselines,
        layers=layers,
        clusters=clusters,
        orders=points,
        minimal=minimal_set(order, points[PROBE], probed.enough),
        tolerance=_TOLERANCE,
        cascade=cascade,
        similarity=tuple(tuple(row) for row in layer_similarity(words.states, plan.seed).tolist()),
        concepts=map_concepts(
            probed.probe.weights, corpus.sample.classes, probed.training_words, probeless, encoder.width
        ),
        ablations=ablations,
        ablated_words=ablated,
        proposal=propose(layers, words.states, _units(probed), words.pooled),
    )
    tick(1)
    return report


def _probe(plan: Study, checkpoint: Checkpoint, language: str, announce: Announce) -> _Probed:
    """Read the words of the plan's corpus, and train the probe of all features."""
    encoder = load_encoder(checkpoint)
    corpus = read_corpus(plan, checkpoint, language, announce)
    words = read_words(encoder, corpus, announce, "activations")
    tick = stage(announce, "probe", 1)
    trainer = choose_trainer(words.splits, plan.seed)
    probe, full = trainer.fit(words.splits)
    tick(1)
    return _Probed(encoder, corpus, words, trainer, probe, full)


def _score_untrained(checkpoint: Checkpoint, corpus: Corpus, trainer: Trainer, announce: Announce) -> Score:
    """The score of a probe on the same architecture with random weights."""
    encoder = load_encoder(checkpoint, untrained=trainer.seed)
    return trainer.fit(read_words(encoder, corpus, announce, "activations of random weights").splits)[1]


def _compare(probed: _Probed, untrained: Score) -> Baselines:
    splits, seen, sample, probe = probed.words.splits, probed.words.seen, probed.corpus.sample, probed.probe
    others = [
        Typed(splits.test.features, probed.corpus.types_of(sample.test)),
        Typed(seen.features, probed.corpus.types_of(sample.seen)),
    ]
    enough = len(sample.seen) >= _LEAST_SEEN * splits.classes
    controls = run_control(probed.training_words, others[: 1 + enough], splits.classes, probed.trainer, probe.epochs)
    accuracy = probe.accuracy(splits.test)
    on_seen = probe.accuracy(seen) if enough else None
    return Baselines(
        chance=1 / splits.classes,
        control=controls[0],
        selectivity=accuracy - controls[0],
        seen=on_seen,
        seen_control=controls[1] if enough else None,
        seen_selectivity=None if on_seen is None else on_seen - controls[1],
        untrained=untrained,
        margin=1.96 * sqrt(accuracy * (1 - accuracy) / len(sample.test)),
    )


def _score_order(probed: _Probed, order: Columns, name: str, announce: Announce) -> tuple[Point, ...]:
    """The scores of the first neurons of an order, and of all neurons, which do not depend on the order."""
    sizes = prefix_sizes(len(order))
    scores = score_prefixes(probed.words.splits, order, sizes, probed.trainer)
    return (*_told(announce, f"neurons, {name}", scores, len(sizes)), Point(len(order), probed.full))


def _ablate(probed: _Probed, announce: Announce) -> tuple[tuple[Ablation, ...], dict[str, int]]:
    """The ablations of each class, with equally many neurons, and the number of words of each class that they are
    measured on.

    Only neurons below the last layer are set to zero. The probe reads those of the last layer, so removing them would
    say nothing about the model.
    """
    encoder, corpus, words, sample = probed.encoder, probed.corpus, probed.words, probed.corpus.sample
    width, last = encoder.width, encoder.depth * encoder.width
    reader, _ = probed.trainer.fit(words.splits.only(np.arange(last, last + width)))
    rows = _ablated_words(corpus)
    labels = corpus.labels_of(rows)
    count = max(1, round(_ABLATED_SHARE * last))
    weights = np.abs(probed.probe.weights[:, :last])
    sets = {name: np.argsort(-own, kind="stable")[:count] for name, own in zip(sample.classes, weights, strict=True)}
    tick, done = stage(announce, "without the neurons of each class", 2 * len(sets) + 1), 0

    def read(neurons: Columns) -> Features:
        nonlocal done
        zeroed = {layer: neurons[neurons // width == layer] % width for layer in np.unique(neurons // width).tolist()}
        states = read_states(encoder, corpus.passages, rows, zeroed, lambda read: None).words[:, -1]
        done += 1
        tick(done)
        return (states - words.mean[last:]) / words.deviation[last:]

    ablations = ablate(sets, Ablatable(read, labels, width), reader, probed.trainer.seed)
    counts = Counter(sample.classes[label] for label in labels.tolist())
    return ablations, {name: counts[name] for name in sample.classes}


def _ablated_words(corpus: Corpus) -> Columns:
    """The test words of the functions that are read again for every concept: their rows, int64."""
    sample, functions = corpus.sample, corpus.passages.places[:, 0]
    rows = np.array(
        [
            row
            for row, (kind, word) in enumerate(zip(corpus.types, corpus.passages.words, strict=True))
            if sample.split_of[kind] == "test" and word.label in sample.classes
        ]
    )
    chosen = choose_functions(functions[rows], corpus.labels_of(rows), _ABLATED_FUNCTIONS)
    return rows[np.isin(functions[rows], chosen)]


def _units(probed: _Probed) -> list[Features]:
    """The feed-forward units of every layer, for some sub-tokens of the training words' functions."""
    passages, train = probed.corpus.passages, probed.corpus.sample.train
    functions = np.unique(passages.places[train, 0])[:_UNIT_FUNCTIONS].tolist()
    return read_units(probed.encoder, passages, functions)


def _subject(checkpoint: Checkpoint, encoder: Encoder) -> Subject:
    kind = checkpoint.config["model_type"]
    return Subject(checkpoint.name, checkpoint.sha256, kind, encoder.depth, encoder.width)


def _describe(plan: Study, language: str, corpus: Corpus) -> Data:
    sample, classes = corpus.sample, len(corpus.sample.classes)
    rows = {"train": sample.train, "seen": sample.seen, "dev": sample.dev, "test": sample.test}
    sizes = {split: len(own) // classes for split, own in rows.items()}
    types: dict[str, dict[str, int]] = {}
    for split, own in rows.items():
        pairs = set(zip(corpus.labels_of(own).tolist(), corpus.types_of(own), strict=True))
        counts = Counter(label for label, _ in pairs)
        types[split] = {name: counts[number] for number, name in enumerate(sample.classes)}
    return Data(
        language=language,
        corpus=plan.corpus.name,
        functions=len(corpus.passages.tokens),
        window=corpus.window,
        classes=sample.classes,
        **sizes,
        types=types,
        left_out=sample.left_out,
    )


def _by_class(probed: _Probed) -> dict[str, float]:
    """The probe's accuracy on the test words of each class."""
    test = probed.words.splits.test
    right = probed.probe.predict(test.features) == test.labels
    names = probed.corpus.sample.classes
    return {name: float(right[test.labels == number].mean()) for number, name in enumerate(names)}


def _told(announce: Announce, name: str, work: Iterable[_T], total: int) -> tuple[_T, ...]:
    """Do work step by step, and report its progress."""
    tick, done = stage(announce, name, total), []
    for one in work:
        done.append(one)
        tick(len(done))
    return tuple(done)
