"""The sections of an analysis's page: words, tables and charts."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from sprig_export.analysis.report import ORDERS, PROBE, PROBELESS, RANDOM, Report
from sprig_export.config.proposal import Score
from sprig_export.report.charts import curves, heat_map
from sprig_export.report.frame import html_table, legend

_CLASSES = {PROBE: "d", PROBELESS: "b", RANDOM: "a"}
_LAYER_CLASSES = {"alone": "b", "with all below": "d"}


def sections(report: Report) -> Iterator[str]:
    """The HTML of all sections, in their order."""
    yield from _words(report)
    yield from _baselines(report)
    yield from _layers(report)
    yield from _similarity(report)
    yield from _neurons(report)
    yield from _concepts(report)
    yield from _ablations(report)
    yield from _proposal(report)


def _words(report: Report) -> Iterator[str]:
    data = report.data
    yield from _heading(
        "Words",
        f"Words of {len(data.classes)} classes by the syntax tree: {data.train} of each class to train on, {data.dev} "
        f"to choose by and {data.test} to test on. No word type is in two of the splits, and nothing was chosen by the "
        f"test words. {data.seen} further words of each class repeat a word type of the training words.",
    )
    rows = [
        (name, *(str(data.types[split][name]) for split in ("train", "dev", "test")), f"{report.by_class[name]:.1%}")
        for name in data.classes
    ]
    yield html_table(("class", "different words: train", "dev", "test", "found in the test words"), rows, words=True)
    if data.left_out:
        yield "<p>Left out:</p>" + html_table(("class", "why"), list(data.left_out.items()), words=True)


def _baselines(report: Report) -> Iterator[str]:
    base = report.baselines
    yield from _heading(
        "The probe and what it is compared with",
        f"A linear probe with both norms of its weights in the loss (factor {report.penalty:g}, chosen on the "
        "development split). The control task has the same words with a random class for each word type. On unseen "
        "words it can only be guessed, so the selectivity there is the accuracy less chance; on words that were seen "
        "in training it can be learned by heart, and the selectivity there is what the probe finds beyond that.",
    )
    rows = [
        ("all layers, test words", f"{report.full.test:.1%} ± {base.margin:.1%}"),
        ("chance", f"{base.chance:.1%}"),
        ("control task, test words", f"{base.control:.1%}"),
        ("selectivity, test words", f"{base.selectivity:.1%}"),
        ("embedding layer alone", f"{report.layers[0].alone.test:.1%}"),
        ("random weights, all layers", f"{base.untrained.test:.1%}"),
    ]
    if base.seen is not None and base.seen_control is not None and base.seen_selectivity is not None:
        rows += [
            ("all layers, words seen in training", f"{base.seen:.1%}"),
            ("control task, words seen in training", f"{base.seen_control:.1%}"),
            ("selectivity, words seen in training", f"{base.seen_selectivity:.1%}"),
        ]
    yield html_table(("", "accuracy"), rows, words=True)


def _layers(report: Report) -> Iterator[str]:
    yield from _heading(
        "Layers",
        "What each layer says alone, and with all below it; 0 is the embedding layer. Accuracy on the test words; the "
        "broken line is chance.",
    )
    lines = {
        "alone": [(float(layer.layer), layer.alone.test) for layer in report.layers],
        "with all below": [(float(layer.layer), layer.up_to.test) for layer in report.layers],
    }
    yield legend(_LAYER_CLASSES, dict.fromkeys(_LAYER_CLASSES, ""))
    yield curves("Accuracy by layer", lines, _LAYER_CLASSES, report.baselines.chance, logarithmic=False)
    rows = [(str(layer.layer), *_both(layer.alone), *_both(layer.up_to)) for layer in report.layers]
    yield html_table(("layer", "alone: dev", "test", "with all below: dev", "test"), rows, words=True)


def _similarity(report: Report) -> Iterator[str]:
    yield from _heading(
        "How alike the layers are",
        "Linear CKA on the training words, with the unbiased estimate: 1 for the same up to rotation and scale, around "
        "0 for nothing in common.",
    )
    names = [str(layer.layer) for layer in report.layers]
    rows = {name: dict(zip(names, row, strict=True)) for name, row in zip(names, report.similarity, strict=True)}
    yield heat_map("CKA of every two layers", rows, 1, "{:.2f}")


def _neurons(report: Report) -> Iterator[str]:
    count, cascade = len(report.minimal.neurons), report.cascade
    yield from _heading(
        "How many activations the probe needs",
        "Accuracy on the test words of probes that read the first neurons of an order only; the broken line is chance.",
    )
    lines = {
        name: [(float(point.neurons), point.score.test) for point in points] for name, points in report.orders.items()
    }
    yield legend(_CLASSES, ORDERS)
    yield curves("Accuracy by neurons kept", lines, _CLASSES, report.baselines.chance, logarithmic=True)
    rows = [
        ("all", f"{report.features:,}", *_both(report.full)),
        (f"the fewest that lose at most {report.tolerance:.0%} on dev", f"{count:,}", *_both(report.minimal.score)),
        (
            f"layers up to {cascade.layer}, then one of each cluster ({cascade.clustered:,}), then the fewest",
            f"{len(cascade.subset.neurons):,}",
            *_both(cascade.subset.score),
        ),
        *(
            (f"one of each cluster at distance {point.distance:g}", f"{point.neurons:,}", *_both(point.score))
            for point in report.clusters
        ),
    ]
    yield html_table(("neurons", "how many", "dev", "test"), rows, words=True)


def _concepts(report: Report) -> Iterator[str]:
    yield from _heading(
        "Concepts",
        "The five neurons that each class is read from most, with their share of the class's weight, their rank by "
        "means alone (0 is the first), and the words that move them most, up or down.",
    )
    rows = [
        (
            concept.label if not place else "",
            f"{neuron.layer}/{neuron.unit}",
            f"{neuron.weight:+.3f} ({neuron.share:.1%})",
            str(neuron.probeless_rank),
            " ".join(neuron.words),
        )
        for concept in report.concepts
        for place, neuron in enumerate(concept.neurons)
    ]
    yield html_table(("class", "layer/unit", "weight", "rank", "words"), rows, words=True)


def _ablations(report: Report) -> Iterator[str]:
    names, words = report.data.classes, report.ablated_words
    yield from _heading(
        "Concepts, confirmed by taking their neurons away",
        f"The {report.ablations[0].neurons} neurons below the last layer that a class (rows) is read from most are "
        "held at zero inside the model. Shown is the accuracy that each class (columns) loses, in points, with a probe "
        "of the last layer that was trained before; below, the mean loss from as many random neurons of the same "
        "layers.",
    )
    losses = {**{one.label: one.loss for one in report.ablations}, "random": report.ablations[0].random}
    points = {row: {name: 100 * loss[name] for name in names} for row, loss in losses.items()}
    most = max(5.0, *(abs(value) for row in points.values() for value in row.values()))
    yield heat_map("Accuracy lost by each class", points, most, "{:+.1f}")
    yield html_table(
        ("concept", "its test words", "own loss", "others' mean loss", "largest loss from random ones", "confirmed"),
        [
            (
                one.label,
                str(words[one.label]),
                *(f"{100 * value:+.1f}" for value in (one.own, one.others, one.worst)),
                "yes" if one.confirmed else "no",
            )
            for one in report.ablations
        ],
        words=True,
    )


def _proposal(report: Report) -> Iterator[str]:
    proposal = report.proposal
    yield from _heading(
        "What an export may try",
        "From what a linear probe of word classes needs; what following it costs is measured on search and summaries "
        "by the export.",
    )
    yield html_table(
        ("accuracy that may be lost", f"layers of {proposal.of_layers}", "dev", "test"),
        [(f"{one.delta:.0%}", str(one.layers), *_both(one.score)) for one in proposal.layers],
        words=True,
    )
    yield (
        f"<p>Output: {len(proposal.output_dimensions)} of {proposal.of_dimensions} dimensions are left when those that "
        f"correlate (|r| of {1 - proposal.distance:.1f} on average) are taken as one; {proposal.principal_dimensions} "
        "principal directions hold 95 % of the variance of the pooled output. In each layer the following share of "
        "neurons, and of units of the feed-forward network, is in a cluster with another one:</p>"
    )
    yield html_table(
        ("layer", "neurons", "feed-forward units"),
        [
            (str(one.layer), f"{one.neurons:.1%}", "–" if one.units is None else f"{one.units:.1%}")
            for one in proposal.redundancy
        ],
        words=True,
    )


def _both(score: Score) -> tuple[str, str]:
    return f"{score.dev:.1%}", f"{score.test:.1%}"


def _heading(title: str, meaning: str) -> Iterator[str]:
    yield f'<h2>{escape(title)}</h2><p class="soft">{escape(meaning)}</p>'
