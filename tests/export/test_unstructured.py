"""Wanda, SparseGPT, OWL and their masks: the papers' rules on numbers worked out by hand, and on small models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.export.families import FAMILIES, batches_of, make_model
from torch import Tensor, nn
from transformers import PreTrainedModel

from sprig_export.models.blocks import read_blocks
from sprig_export.pruning.masks import (
    Sparsity,
    apply_masks,
    distance,
    keep_best,
    keep_best_of,
    prune_weights,
    read_masks,
    sparsity_of,
    write_masks,
)
from sprig_export.pruning.scores import (
    prune_by_sparsegpt,
    score_by_magnitude,
    score_by_wanda,
    score_inputs_by_fluctuation,
    share_of_outliers,
    spread_sparsity,
)
from sprig_export.pruning.statistics import Inputs, observe
from sprig_export.training.batches import Batch
from sprig_server.errors import InvalidInput

WEIGHT = torch.tensor([[4.0, 0, 1, -1], [3, -2, -1, -3], [-3, 1, 0, 2]])
NORMS = torch.tensor([1.0, 2, 8, 3])


def test_wanda_weighs_weights_by_their_inputs() -> None:
    scores = score_by_wanda(WEIGHT, NORMS.square())
    assert scores.tolist() == [[4, 0, 8, 3], [3, 4, 8, 9], [3, 2, 0, 6]]
    assert (WEIGHT * keep_best(scores, 0.5)).tolist() == [[4, 0, 1, 0], [0, 0, -1, -3], [-3, 0, 0, 2]]


def test_magnitude_prunes_the_lower_index_of_equals() -> None:
    kept = keep_best(score_by_magnitude(WEIGHT), 0.5)
    assert (WEIGHT * kept).tolist() == [[4, 0, 0, -1], [3, 0, 0, -3], [-3, 0, 0, 2]]


def test_equal_inputs_make_wanda_magnitude() -> None:
    weight = torch.randn(12, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(keep_best(score_by_wanda(weight, torch.full((16,), 7.0)), 0.5), keep_best(weight.abs(), 0.5))


def test_an_input_that_never_is_anything_is_pruned_first() -> None:
    squares = torch.ones(16)
    squares[5] = 0.0
    weight = torch.randn(12, 16, generator=torch.Generator().manual_seed(0)) + 3
    assert not keep_best(score_by_wanda(weight, squares), 1 / 16)[:, 5].any()


def test_inputs_are_summed_up_as_they_stream_in() -> None:
    inputs = Inputs(4)
    inputs.add(torch.arange(8.0).reshape(2, 4))
    inputs.add(torch.arange(8.0, 12.0).reshape(1, 4))
    assert (inputs.squares / 2).tolist() == [40, 53.5, 70, 89.5]
    assert inputs.tokens == 3
    assert inputs.mean.tolist() == [4, 5, 6, 7]
    assert torch.allclose(inputs.variance, torch.full((4,), 32 / 3, dtype=torch.float64))


@given(st.integers(1, 6), st.integers(1, 40), st.floats(0, 0.99), st.integers(0, 99))
def test_every_row_loses_the_same_number_of_weights(rows: int, columns: int, share: float, seed: int) -> None:
    scores = torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed))
    mask = keep_best(scores, share)
    assert (~mask).sum(dim=1).tolist() == [int(columns * share)] * rows
    worst_kept = scores.masked_fill(~mask, torch.inf).min(dim=1).values
    best_lost = scores.masked_fill(mask, -torch.inf).max(dim=1).values
    assert bool((worst_kept >= best_lost).all())


@pytest.mark.parametrize(("pruned", "of"), [(2, 4), (4, 8)])
def test_patterns_prune_the_same_number_of_every_group(pruned: int, of: int) -> None:
    scores = torch.rand(5, 32, generator=torch.Generator().manual_seed(1))
    mask = keep_best_of(scores, pruned, of)
    assert torch.all((~mask).reshape(5, -1, of).sum(dim=2) == pruned)
    with pytest.raises(InvalidInput, match=f"{pruned}:{of} sparsity needs a multiple of {of} inputs"):
        keep_best_of(scores[:, :30], pruned, of)


def test_distance_of_masks_is_jaccards() -> None:
    half = torch.arange(400).reshape(20, 20) % 2 == 0
    assert distance({"a": half}, {"a": half}) == 0.0
    assert distance({"a": half}, {"a": ~half}) == 1.0
    generator = torch.Generator().manual_seed(3)
    first, second = (torch.rand(400, 500, generator=generator) < 0.5 for _ in range(2))
    assert distance({"a": first}, {"a": second}) == pytest.approx(2 / 3, abs=0.01)
    moved = torch.ones(1, 400, dtype=torch.bool)
    moved[:, :200] = False
    other = moved.clone()
    other[:, :20], other[:, 200:220] = True, False  # a tenth of what is pruned lies elsewhere
    assert distance({"a": moved}, {"a": other}) == pytest.approx(2 * 0.1 / 1.1)
    with pytest.raises(InvalidInput, match="the same matrices"):
        distance({"a": half}, {"b": half})


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 99))
def test_masks_come_back_from_their_file(rows: int, columns: int, seed: int) -> None:
    import tempfile

    mask = torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed)) < 0.5
    with tempfile.TemporaryDirectory() as folder:
        write_masks({"encoder.0/query": mask}, Path(folder) / "masks.npz")
        assert torch.equal(read_masks(Path(folder) / "masks.npz")["encoder.0/query"], mask)


def test_damaged_masks_are_named(tmp_path: Path) -> None:
    (tmp_path / "masks.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(InvalidInput, match="does not hold masks"):
        read_masks(tmp_path / "masks.npz")


def test_a_constant_input_does_not_fluctuate() -> None:
    inputs = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    inputs[:, 1] = 2.5
    seen = Inputs(3)
    seen.add(inputs)
    scores = score_inputs_by_fluctuation(torch.ones(4, 3), seen.variance)
    assert scores[1] == pytest.approx(0.0, abs=1e-9)
    assert scores[0] > 1


def _reconstruction(weight: Tensor, changed: Tensor, inputs: Tensor) -> float:
    return float(((weight - changed) @ inputs.T).square().mean())


def test_sparsegpt_makes_up_for_what_it_prunes() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(400, 192, generator=generator) @ torch.randn(192, 192, generator=generator) * 0.1
    inputs[:, 7] = 0.0
    weight = torch.randn(32, 192, generator=generator)
    changed, mask = prune_by_sparsegpt(weight, inputs.T @ inputs, 400, 0.5)
    assert float((~mask).float().mean()) == pytest.approx(0.5, abs=0.01)
    assert not mask[:, 7].any()
    assert torch.equal(changed == 0, ~mask)
    wanda = weight * keep_best(score_by_wanda(weight, inputs.square().sum(dim=0)), 0.5)
    assert _reconstruction(weight, changed, inputs) < 0.8 * _reconstruction(weight, wanda, inputs)


def test_layers_with_outliers_keep_more() -> None:
    quiet, loud = torch.ones(10, 100), torch.ones(10, 100)
    loud[:, 0] = 1000.0
    assert share_of_outliers({"a": quiet}) == 0.0
    assert share_of_outliers({"a": loud}) == 0.01
    shares = spread_sparsity([0.01, 0.03, 0.05], 0.5)
    assert sum(shares) / 3 == pytest.approx(0.5)
    assert shares[0] - shares[2] == pytest.approx(0.16)
    assert shares == sorted(shares, reverse=True)
    assert spread_sparsity([0.02, 0.02], 0.5) == [0.5, 0.5]


@given(
    outliers=st.lists(st.floats(0, 1), min_size=1, max_size=12),
    sparsity=st.floats(0, 0.99),
)
def test_no_layer_loses_more_than_it_has(outliers: list[float], sparsity: float) -> None:
    shares = spread_sparsity(outliers, sparsity)
    assert all(-1e-9 <= share <= 1 + 1e-9 for share in shares)
    assert sum(shares) / len(shares) == pytest.approx(sparsity, abs=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_no_statistics(family: str) -> None:
    model = make_model(family)
    block = read_blocks(model)[-1]
    batch = batches_of(family, 1)[0]
    longer = Batch(
        *(
            value if value is None else nn.functional.pad(value, (0, 3))
            for value in (batch.ids, batch.mask, batch.targets, batch.target_mask)
        )
    )
    plain, padded = observe(model, block, [batch]), observe(model, block, [longer])
    assert plain.keys() == block.linears().keys()
    for name, inputs in plain.items():
        assert inputs.tokens == padded[name].tokens, name
        assert torch.allclose(inputs.squares, padded[name].squares, rtol=1e-3, atol=1e-6), name


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_loses_half_of_its_weights_and_nothing_else(family: str) -> None:
    model = make_model(family)
    read_blocks(model)  # GPT-2's matrices are transposed before they are looked at
    before = {name: value.clone() for name, value in model.named_parameters()}
    batches = batches_of(family, 2)
    masks = prune_weights(model, batches, "wanda", Sparsity(0.5))
    assert sparsity_of(masks) == pytest.approx(0.5)
    pruned = {id(linear.weight) for block in read_blocks(model) for linear in block.linears().values()}
    for name, parameter in model.named_parameters():
        if id(parameter) not in pruned:
            assert torch.equal(parameter, before[name]), name
    again = make_model(family)
    apply_masks(again, masks)
    for mine, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_blocks_are_pruned_one_after_the_other() -> None:
    """The second block loses what it gets least of once the first is pruned, not what it got least of before."""
    batches = batches_of("bert", 2)
    masks = prune_weights(make_model("bert"), batches, "wanda", Sparsity(0.5))

    def masks_of_second(model: PreTrainedModel) -> dict[str, Tensor]:
        block = read_blocks(model)[1]
        inputs = observe(model, block, batches)
        return {n: keep_best(score_by_wanda(m.weight, inputs[n].squares), 0.5) for n, m in block.linears().items()}

    below, untouched = make_model("bert"), make_model("bert")
    for name, linear in read_blocks(below)[0].linears().items():
        linear.weight.data.mul_(masks[f"{read_blocks(below)[0].name}/{name}"])
    name = read_blocks(below)[1].name
    expected, at_once = masks_of_second(below), masks_of_second(untouched)
    assert all(torch.equal(masks[f"{name}/{linear}"], mask) for linear, mask in expected.items())
    assert any(not torch.equal(at_once[linear], mask) for linear, mask in expected.items())


def test_order_and_scale_of_the_calibration_do_not_matter() -> None:
    batches = batches_of("bert", 3)
    masks = [prune_weights(make_model("bert"), part, "wanda", Sparsity(0.5)) for part in (batches, batches[::-1])]
    assert distance(masks[0], masks[1]) < 0.001
    weight, squares = torch.randn(8, 16, generator=torch.Generator().manual_seed(0)), torch.rand(16)
    assert torch.equal(
        keep_best(score_by_wanda(weight, squares), 0.5), keep_best(score_by_wanda(weight, squares * 49), 0.5)
    )


def test_languages_that_use_other_inputs_get_other_masks() -> None:
    """Two made-up languages that light up separate halves of a layer's inputs: each loses the other's half."""
    weight = torch.randn(16, 20, generator=torch.Generator().manual_seed(0)) + 0.1
    inputs = {name: torch.zeros(50, 20) for name in ("left", "right")}
    inputs["left"][:, :10], inputs["right"][:, 10:] = 1.0, 1.0
    kept = {name: keep_best(score_by_wanda(weight, x.square().sum(dim=0)), 0.5) for name, x in inputs.items()}
    assert distance({"a": kept["left"]}, {"a": kept["right"]}) == 1.0
    matched = _reconstruction(weight, weight * kept["left"], inputs["left"])
    assert matched < 1e-9 < _reconstruction(weight, weight * kept["right"], inputs["left"])


@pytest.mark.parametrize(
    ("share", "pattern", "says"), [(1.0, "", "sparsity 1.0"), (-0.1, "", "sparsity -0.1"), (0.5, "4:2", '"4:2"')]
)
def test_impossible_sparsities_are_named(share: float, pattern: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        Sparsity(share, pattern)


@pytest.mark.parametrize("method", ["magnitude", "sparsegpt"])
def test_the_baselines_reach_the_same_sparsity(method: str) -> None:
    masks = prune_weights(make_model("bart"), batches_of("bart", 2), method, Sparsity(0.5))  # type: ignore[arg-type]
    assert sparsity_of(masks) == pytest.approx(0.5, abs=0.02)
    layered = prune_weights(make_model("bert"), batches_of("bert", 2), "wanda", Sparsity(0.5, by_layer=True))
    assert sparsity_of(layered) == pytest.approx(0.5, abs=0.06)
