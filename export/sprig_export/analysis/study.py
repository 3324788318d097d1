"""An analysis, from the model and the corpus to the report. Read it from top to bottom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timezone
from math import sqrt
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sprig_export.analysis.ablation import Ablation, ablate, choose_functions
from sprig_export.analysis.activations import Encoder, load_encoder, read_states, read_units
from sprig_export.analysis.cka import layer_similarity
from sprig_export.analysis.concepts import map_concepts
from sprig_export.analysis.control import Typed, run_control
from sprig_export.analysis.probe import Features, Probe
from sprig_export.analysis.proposal import DISTANCE, propose
from sprig_export.analysis.ranking import global_order, probeless_order, probeless_scores
from sprig_export.analysis.report import PROBE, PROBELESS, RANDOM, Baselines, Data, Report, Subject
from sprig_export.analysis.selection import (
    DISTANCES,
    Columns,
    Point,
    Trainer,
    choose_trainer,
    cluster,
    minimal_set,
    prefix_sizes,
    run_cascade,
    score_clusters,
    score_layers,
    score_prefixes,
    select_layer,
)
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


def analyze(plan: Study, announce: Announce) -> Report:
    """Analyse a model in one language.

    Args:
        announce: called with the current stage and its progress.

    Raises:
        InvalidInput: the model, the language or the corpus cannot be used, or the corpus has too few words.
    """
    language = find_language(plan.language).name
    checkpoint = open_checkpoint(plan.model)
    encoder = load_encoder(checkpoint)
    corpus = read_corpus(plan, checkpoint, language, announce)
    words = read_words(encoder, corpus, announce, "activations")
    splits, width, sample = words.splits, encoder.width, corpus.sample
    tick = stage(announce, "probe", 1)
    trainer = choose_trainer(splits, plan.seed)
    probe, full = trainer.fit(splits)
    tick(1)
    untrained = _score_untrained(checkpoint, corpus, trainer, announce)
    typed = Typed(splits.train.features, corpus.types_of(sample.train))
    baselines = _compare(corpus, words, typed, trainer, probe, untrained)
    layers = _told(announce, "layers", score_layers(splits, width, trainer), encoder.depth + 1)
    enough, top = full.dev * (1 - _TOLERANCE), select_layer(layers, _TOLERANCE).layer
    order = global_order(probe.weights)
    probeless = probeless_scores(splits.train.features, splits.train.labels, splits.classes)
    orders = {
        PROBE: order,
        PROBELESS: probeless_order(probeless),
        RANDOM: np.random.default_rng(plan.seed).permutation(len(order)),
    }
    points = {name: _score_order(words, own, name, full, trainer, announce) for name, own in orders.items()}
    clusters = _told(announce, "clusters", score_clusters(splits, cluster(splits), trainer), len(DISTANCES))
    tick = stage(announce, "layers, clusters and neurons together", 1)
    cascade = run_cascade(splits, width, top, DISTANCE, trainer, enough)
    tick(1)
    ablations, ablated = _ablate(encoder, corpus, words, probe, trainer, announce)
    tick = stage(announce, "similarity and proposal", 1)
    functions = np.unique(corpus.passages.places[sample.train, 0])[:_UNIT_FUNCTIONS].tolist()
    units = read_units(encoder, corpus.passages, functions)
    report = Report(
        date=datetime.now(timezone.utc).date().isoformat(),
        seed=plan.seed,
        subject=Subject(checkpoint.name, checkpoint.sha256, checkpoint.config["model_type"], encoder.depth, width),
        data=_describe(plan, language, corpus),
        full=full,
        by_class=_by_class(probe, words, sample.classes),
        penalty=trainer.penalty.lasso,
        baselines=baselines,
        layers=layers,
        clusters=clusters,
        orders=points,
        minimal=minimal_set(order, points[PROBE], enough),
        tolerance=_TOLERANCE,
        cascade=cascade,
        similarity=tuple(tuple(row) for row in layer_similarity(words.states, plan.seed).tolist()),
        concepts=map_concepts(probe.weights, sample.classes, typed, probeless, width),
        ablations=ablations,
        ablated_words=ablated,
        proposal=propose(layers, words.states, units, words.pooled),
    )
    tick(1)
    return report


def _score_untrained(checkpoint: Checkpoint, corpus: Corpus, trainer: Trainer, announce: Announce) -> Score:
    """The score of a probe on the same architecture with random weights."""
    encoder = load_encoder(checkpoint, untrained=trainer.seed)
    return trainer.fit(read_words(encoder, corpus, announce, "activations of random weights").splits)[1]


def _compare(corpus: Corpus, words: Words, train: Typed, trainer: Trainer, probe: Probe, untrained: Score) -> Baselines:
    splits, seen, sample = words.splits, words.seen, corpus.sample
    others = [
        Typed(splits.test.features, corpus.types_of(sample.test)),
        Typed(seen.features, corpus.types_of(sample.seen)),
    ]
    enough = len(sample.seen) >= _LEAST_SEEN * splits.classes
    controls = run_control(train, others[: 1 + enough], splits.classes, trainer, probe.epochs)
    accuracy = probe.accuracy(splits.test.features, splits.test.labels)
    on_seen = probe.accuracy(seen.features, seen.labels) if enough else None
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


def _score_order(
    words: Words, order: Columns, name: str, full: Score, trainer: Trainer, announce: Announce
) -> tuple[Point, ...]:
    """The scores of the first neurons of an order, and of all neurons, which do not depend on the order."""
    sizes = prefix_sizes(len(order))
    points = _told(announce, f"neurons, {name}", score_prefixes(words.splits, order, sizes, trainer), len(sizes))
    return (*points, Point(len(order), full))


def _ablate(
    encoder: Encoder, corpus: Corpus, words: Words, probe: Probe, trainer: Trainer, announce: Announce
) -> tuple[tuple[Ablation, ...], dict[str, int]]:
    """The ablations of each class, with equally many neurons, and the number of words of each class that they are
    measured on.

    Only neurons below the last layer are set to zero. The probe reads those of the last layer, so removing them would
    say nothing about the model.
    """
    sample, width, last = corpus.sample, encoder.width, encoder.depth * encoder.width
    splits = words.splits.only(np.arange(last, last + width))
    reader, _ = trainer.fit(splits)
    rows = np.array(
        [
            row
            for row, (kind, word) in enumerate(zip(corpus.types, corpus.passages.words, strict=True))
            if sample.split_of[kind] == "test" and word.label in sample.classes
        ]
    )
    functions = choose_functions(corpus.passages.places[rows, 0], corpus.labels_of(rows), _ABLATED_FUNCTIONS)
    rows = rows[np.isin(corpus.passages.places[rows, 0], functions)]
    labels = corpus.labels_of(rows)
    count = max(1, round(_ABLATED_SHARE * last))
    weights = np.abs(probe.weights[:, :last])
    sets = {name: np.argsort(-own, kind="stable")[:count] for name, own in zip(sample.classes, weights, strict=True)}
    tick, done = stage(announce, "without the neurons of each class", 2 * len(sets) + 1), 0

    def read(neurons: NDArray[np.int64]) -> Features:
        nonlocal done
        zeroed = {layer: neurons[neurons // width == layer] % width for layer in np.unique(neurons // width).tolist()}
        states = read_states(encoder, corpus.passages, rows, zeroed, lambda read: None).words[:, -1]
        done += 1
        tick(done)
        return (states - words.mean[last:]) / words.deviation[last:]

    counts = Counter(sample.classes[label] for label in labels.tolist())
    return ablate(sets, read, reader, labels, width, trainer.seed), {name: counts[name] for name in sample.classes}


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


def _by_class(probe: Probe, words: Words, classes: tuple[str, ...]) -> dict[str, float]:
    test = words.splits.test
    right = probe.predict(test.features) == test.labels
    return {name: float(right[test.labels == number].mean()) for number, name in enumerate(classes)}


def _told(announce: Announce, name: str, work: Iterable[_T], total: int) -> tuple[_T, ...]:
    """Do work step by step, and report its progress."""
    tick, done = stage(announce, name, total), []
    for one in work:
        done.append(one)
        tick(len(done))
    return tuple(done)
