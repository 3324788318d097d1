"""The methods behind `sprig analyze`, on data whose answer is known: most of it worked out by hand, or planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from sprig_export.analysis.ablation import Ablatable, ablate, choose_functions
from sprig_export.analysis.neurons import (
    global_order,
    map_concepts,
    probeless_order,
    probeless_scores,
    top_set,
    top_words,
)
from sprig_export.analysis.probe import (
    Penalty,
    Probe,
    Rows,
    Splits,
    Trainer,
    Typed,
    choose_trainer,
    run_control,
    train_probe,
)
from sprig_export.analysis.selection import (
    LayerScore,
    Point,
    minimal_set,
    prefix_sizes,
    run_cascade,
    score_layers,
    score_prefixes,
    select_layer,
)
from sprig_export.analysis.similarity import average_linkage, correlation_distances, layer_similarity
from sprig_export.config.proposal import Score

MILD = Trainer(Penalty(1e-4, 1e-4), seed=0)


def test_a_step_of_the_probe_follows_the_gradient_of_the_loss_with_both_norms():
    draw = torch.Generator().manual_seed(1)
    x, y = torch.randn(100, 6, generator=draw), torch.randint(0, 3, (100,), generator=draw)
    weights, bias = torch.zeros(3, 6, requires_grad=True), torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.Adam([weights, bias], lr=1e-3)
    for _ in range(4):  # one batch of 100 an epoch
        norms = 0.02 * weights.abs().sum() + 0.05 * torch.linalg.vector_norm(weights)
        optimizer.zero_grad()
        (functional.cross_entropy(x @ weights.T + bias, y) + norms).backward()
        optimizer.step()
    probe = train_probe(Rows(x.numpy(), y.numpy()), 3, Trainer(Penalty(0.02, 0.05), seed=0), 4)
    np.testing.assert_allclose(probe.weights, weights.detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(probe.bias, bias.detach().numpy(), atol=1e-6)
    assert np.abs(probe.weights).max() > 1e-3


def test_a_probe_stops_when_the_development_split_gains_nothing_more_and_keeps_the_best_weights():
    draw = np.random.default_rng(0)
    x, noise = draw.standard_normal((3200, 4), dtype=np.float32), draw.standard_normal(3200)
    y = (x[:, 0] + noise > 0).astype(np.int64)
    train, dev = Rows(x[:2560], y[:2560]), Rows(x[2560:], y[2560:])  # 20 steps an epoch: patience counts from the tenth
    trainer = Trainer(Penalty(0, 0), seed=0)
    probe = train_probe(train, 2, trainer, dev)
    assert 0 < probe.epochs < 90
    runs = [train_probe(train, 2, trainer, epochs) for epochs in range(1, max(10, probe.epochs + 2) + 1)]
    np.testing.assert_array_equal(runs[probe.epochs - 1].weights, probe.weights)
    assert max(run.accuracy(dev) for run in runs) == probe.accuracy(dev)


def test_top_sets_and_the_global_order_are_the_golden_ones():
    weights = np.array([[0, 5, 3, 2], [8, 1, 1, 0]], dtype=np.float32)
    masses = {0: ([1], [0]), 0.5: ([1], [0]), 0.75: ([1, 2], [0]), 0.9: ([1, 2, 3], [0, 1]), 1: ([1, 2, 3], [0, 1, 2])}
    for mass, expected in masses.items():
        assert tuple(top_set(row, mass).tolist() for row in weights) == expected
    assert global_order(weights).tolist() == [0, 1, 2, 3]
    # Ties: the larger weight first, then the lower number; a neuron without weight last.
    assert global_order(np.array([[1, 0, 3, 3], [0, 0, 4, 4]], dtype=np.float32)).tolist() == [2, 3, 0, 1]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(-9, 9), min_size=6, max_size=6), min_size=1, max_size=3))
def test_the_global_order_is_that_of_growing_top_sets(rows: list[list[int]]):
    weights = np.array(rows, dtype=np.float32)
    order = global_order(weights).tolist()
    assert sorted(order) == list(range(6))
    for mass in (0.1, 0.35, 0.6, 0.95):
        union = {int(n) for row in weights if row.any() for n in top_set(row, mass)}
        assert set(order[: len(union)]) == union


def test_the_probeless_ranking_is_the_golden_one():
    means = np.array([[0, 0, 1], [0, 4, 1], [2, 0, 1]], dtype=np.float32)
    features = np.concatenate([means + 1, means - 1]).astype(np.float32)  # two words of each class
    scores = probeless_scores(features, np.array([0, 1, 2, 0, 1, 2]), 3)
    assert (scores.sum(axis=0) / 2).tolist() == [4, 8, 0]
    assert probeless_order(scores).tolist() == [1, 0, 2]
    assert scores[1].tolist() == [2, 8, 0]


def correlated() -> np.ndarray:
    a, b, e = np.random.default_rng(0).standard_normal((3, 2000))
    return np.stack([a, -3 * a + 1, 2 * a, b, 0.8 * a + 0.6 * b, e], axis=1).astype(np.float32)


def test_correlation_clustering_finds_the_golden_clusters():
    tree = average_linkage(correlation_distances(correlated()))
    kept = {distance: tree.keep_first(distance).tolist() for distance in (0.1, 0.3, 0.9)}
    assert kept[0.1] == [0, 3, 4, 5]
    assert kept[0.3] == [0, 3, 5]
    assert len(kept[0.9]) == 2
    constant = np.concatenate([correlated(), np.full((2000, 1), 3, dtype=np.float32)], axis=1)
    assert 6 in average_linkage(correlation_distances(constant)).keep_first(0.9)


def naive_linkage(distances: np.ndarray, cut: float) -> list[int]:
    groups = [[item] for item in range(len(distances))]
    while len(groups) > 1:
        pairs = [(distances[np.ix_(a, b)].mean(), a, b) for i, a in enumerate(groups) for b in groups[:i]]
        height, a, b = min(pairs, key=lambda pair: pair[0])
        if height > cut:
            break
        groups = [group for group in groups if group not in (a, b)] + [a + b]
    return sorted(min(group) for group in groups)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 9))
def test_average_linkage_agrees_with_joining_the_nearest_groups_one_by_one(seed: int, count: int):
    features = np.random.default_rng(seed).standard_normal((6, count)).astype(np.float32)
    distances = correlation_distances(features)
    tree = average_linkage(distances.copy())
    sizes = []
    for cut in (0.05, 0.15, 0.25, 0.45, 0.65, 0.85):
        kept = tree.keep_first(cut).tolist()
        assert kept == naive_linkage(distances, cut)
        sizes.append(len(kept))
    assert sizes == sorted(sizes, reverse=True)


def test_cka_has_its_golden_values():
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((2, 200, 16))
    rotation = np.linalg.qr(draw.standard_normal((16, 16)))[0]
    similarity = layer_similarity(np.stack([x, 3 * x @ rotation, y], axis=1).astype(np.float32), seed=0)
    assert similarity[0, 0] == pytest.approx(1)
    assert similarity[0, 1] == pytest.approx(1, abs=1e-5)
    assert abs(similarity[0, 2]) < 0.03  # the biased estimate gives 0.07
    np.testing.assert_allclose(similarity, similarity.T)


def split_rows(features: np.ndarray, labels: np.ndarray, classes: int) -> Splits:
    """Half to train on, a quarter each to choose by and to test on."""
    ends = [len(labels) // 2, len(labels) * 3 // 4]
    parts = zip(np.split(features.astype(np.float32), ends), np.split(labels, ends), strict=True)
    return Splits(*(Rows(x, y) for x, y in parts), classes)


def planted(rows: int = 2400) -> Splits:
    """Eight classes from the signs of columns 4, 17 and 33 of 50; 40 and 41 repeat two of them, 41 with its sign."""
    draw = np.random.default_rng(0)
    features = draw.standard_normal((rows, 50))
    labels = draw.integers(0, 8, rows)
    for place, column in enumerate((4, 17, 33)):
        features[:, column] = 2 * (labels >> place & 1) - 1 + 0.1 * draw.standard_normal(rows)
    features[:, 40], features[:, 41] = 2 * features[:, 4] + 1, -features[:, 17]
    return split_rows(features, labels, 8)


def test_clustering_and_the_minimal_set_find_exactly_the_planted_neurons():
    splits = planted()
    _, full = MILD.fit(splits)
    found = run_cascade(splits, width=50, layer=0, trainer=MILD, enough=full.dev * 0.99)
    assert found.clustered == 48
    assert sorted(found.subset.neurons) == [4, 17, 33]
    assert found.subset.score.test > 0.99


def test_a_smaller_tolerance_never_gives_fewer_neurons():
    splits = planted()
    probe, full = MILD.fit(splits)
    order = global_order(probe.weights)
    points = (*score_prefixes(splits, order, prefix_sizes(50), MILD), Point(50, full))
    counts = [len(minimal_set(order, points, full.dev * (1 - delta)).neurons) for delta in (0, 0.01, 0.1, 0.4, 0.7)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < 3 <= counts[1]


def test_sizes_are_the_shares_of_the_paper():
    assert prefix_sizes(9984)[:6] == (9, 19, 29, 39, 49, 99)
    assert prefix_sizes(50)[:3] == (1, 2, 3)


def test_layer_selection_returns_the_first_layer_that_is_enough():
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, 900)
    says, noise = np.eye(3)[labels] + 0.1 * draw.standard_normal((900, 3)), 0.2 * draw.standard_normal((2, 900, 3))
    repeated = split_rows(np.concatenate([says, says, says], axis=1), labels, 3)
    assert select_layer(list(score_layers(repeated, 3, MILD)), 0.01).layer == 0
    third = list(score_layers(split_rows(np.concatenate([*noise, says, says], axis=1), labels, 3), 3, MILD))
    assert [layer.layer for layer in third] == [0, 1, 2, 3]
    assert select_layer(third, 0.01).layer == 2
    assert third[1].alone.dev < 0.5 < third[3].alone.dev


def test_nothing_is_chosen_by_the_test_split():
    def layer(number: int, dev: float, test: float) -> LayerScore:
        return LayerScore(number, Score(0, 0), Score(dev, test))

    layers = [layer(0, 0.5, 1.0), layer(1, 0.9, 0.0), layer(2, 0.9, 1.0)]
    assert select_layer(layers, 0.01).layer == 1
    points = [Point(1, Score(0.5, 1.0)), Point(2, Score(0.9, 0.0)), Point(3, Score(0.9, 1.0))]
    assert minimal_set(np.array([7, 8, 9]), points, 0.89).neurons == (7, 8)
    splits = planted(800)
    swapped = Splits(splits.train, splits.dev, Rows(splits.test.features, (splits.test.labels + 1) % 8), 8)
    assert choose_trainer(splits, 0) == choose_trainer(swapped, 0)


def test_shuffled_labels_are_found_no_more_often_than_by_chance_and_nothing_is_selective():
    draw = np.random.default_rng(0)
    features, labels = draw.standard_normal((2400, 30)).astype(np.float32), draw.integers(0, 4, 2400)
    splits = split_rows(features, labels, 4)
    three_sigma = 3 * (0.25 * 0.75 / 600) ** 0.5
    probe, score = MILD.fit(splits)
    assert abs(score.test - 0.25) < three_sigma
    types = [f"w{number}" for number in range(2400)]
    train, test = Typed(splits.train.features, types[:1200]), Typed(splits.test.features, types[1800:])
    (control,) = run_control(train, [test], 4, MILD, probe.epochs)
    assert abs(control - 0.25) < three_sigma
    assert abs(score.test - control) < 2 * three_sigma


def test_the_control_task_is_learned_by_heart_on_words_that_were_seen():
    features = np.repeat(np.eye(12, dtype=np.float32), 60, axis=0)  # a column for every word type
    types = [f"w{number}" for number in range(12) for _ in range(60)]
    seen, unseen = Typed(features[:480], types[:480]), Typed(features[480:], types[480:])
    assert run_control(seen, [seen, unseen], 3, MILD, 80)[0] == 1.0
    assert run_control(seen, [seen, unseen], 3, MILD, 80)[1] < 1.0
    other = Trainer(MILD.penalty, seed=5)
    assert run_control(seen, [seen, unseen], 3, other, 80) == run_control(seen, [seen, unseen], 3, other, 80)


def test_top_words_are_those_with_the_largest_mean_activation_whatever_its_sign():
    activations = np.array([0.1, -5, 3, 3, -1, 0], dtype=np.float32)
    assert top_words(activations, ["a", "b", "c", "c", "b", "d"], 3) == ("b", "c", "a")  # means 3, 3, 0.1


def test_concepts_name_their_neurons_by_layer_and_unit():
    weights = np.array([[0, 1, 0, -3], [2, 0, 0, 0]], dtype=np.float32)
    words = Typed(np.array([[0, 0, 0, 4], [9, 0, 0, 1]], dtype=np.float32), ["if", "while"])
    first, second = map_concepts(weights, ["A", "B"], words, np.array([[1.0, 5, 0, 2], [1, 0, 0, 0]]), width=2)
    assert (first.label, first.neurons[0].layer, first.neurons[0].unit) == ("A", 1, 1)
    assert (first.neurons[0].weight, first.neurons[0].share, first.neurons[0].probeless_rank) == (-3, 0.75, 1)
    assert first.neurons[0].words == ("if", "while")
    assert (second.neurons[0].layer, second.neurons[0].unit, second.neurons[0].words[0]) == (0, 0, "while")


def test_an_ablation_is_confirmed_only_where_its_own_class_suffers_most():
    labels = np.repeat([0, 1, 2], 20)
    probe = Probe(np.eye(3, dtype=np.float32), np.array([0, 0, 0.1], dtype=np.float32), 1)  # in doubt: class 2
    sets = {"A": np.array([0, 5]), "B": np.array([1, 6]), "C": np.array([2, 7])}
    asked = []

    def read(neurons: np.ndarray) -> np.ndarray:
        asked.append(neurons.tolist())
        features = np.eye(3, dtype=np.float32)[labels]
        features[:, [n for n in neurons if n < 3]] = 0
        return features

    found = {one.label: one for one in ablate(sets, Ablatable(read, labels, width=5), probe, seed=0)}
    assert asked[0] == []
    assert asked[1:4] == [[0, 5], [1, 6], [2, 7]]
    for own, drawn in zip(sets.values(), asked[4:], strict=True):
        assert not set(own.tolist()) & set(drawn)
        assert [n // 5 for n in drawn] == [0, 1]
    assert found["A"].loss == {"A": 1.0, "B": 0.0, "C": 0.0}
    assert found["C"].loss == {"A": 0.0, "B": 0.0, "C": 0.0}  # its words fall to it for want of others
    assert not found["C"].confirmed
    for label in "AB":
        drawn = [drawn[0] == "ABC".index(label) for drawn in asked[4:]]
        assert found[label].random[label] == pytest.approx(sum(drawn) / 3)
        assert found[label].worst == float(any(drawn))
        assert found[label].confirmed == (not any(drawn))


def test_functions_are_chosen_for_an_ablation_so_that_every_class_has_words():
    functions = np.array([5] * 9 + [6] * 4 + [8] * 2)
    labels = np.array([0] * 9 + [0, 0, 0, 1] + [0, 2])
    assert choose_functions(functions, labels, 2).tolist() == [5, 6]
    assert choose_functions(functions, labels, 3).tolist() == [5, 6, 8]
    assert choose_functions(functions, labels, 9).tolist() == [5, 6, 8]
