"""Cutting a model to a shape by calibration text, and what it learns back from the model that it was cut from."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from tests.export.families import FAMILIES, batches_of, make_model
from torch import Tensor
from torch.nn import functional
from transformers import DistilBertConfig, DistilBertModel, PreTrainedModel

from sprig_export.models.blocks import read_blocks, read_stacks, restore_conv1d
from sprig_export.pruning.recover import Lessons, Recovery, Schedule, recover, token_loss, vector_loss
from sprig_export.pruning.structure import Choice, Shape, cut, evenly_spaced, units_of
from sprig_export.training.encoding import pool
from sprig_server.errors import InvalidInput

WIDTHS = [(1536, 0.5, 768), (1536, 0.3, 448), (1536, 1.0, 1536), (1536, 0.001, 32), (20, 0.5, 10)]
SPREAD = [(6, 3, (0, 2, 5)), (6, 2, (0, 5)), (6, 1, (5,)), (6, 6, tuple(range(6))), (6, 0, ())]


@pytest.mark.parametrize(("width", "share", "units"), WIDTHS)
def test_widths_suit_the_kernels(width: int, share: float, units: int) -> None:
    assert units_of(width, share) == units


@pytest.mark.parametrize(("layers", "kept", "numbers"), SPREAD)
def test_layers_are_kept_evenly(layers: int, kept: int, numbers: tuple[int, ...]) -> None:
    assert evenly_spaced(layers, kept) == numbers


def test_the_first_layers_are_what_the_model_was_up_to_there() -> None:
    """What an analysis proposes: a probe needs the states up to a layer, and none above it."""
    model, (batch,) = make_model("bert"), batches_of("bert", 1)
    with torch.no_grad():
        between = model(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=True).hidden_states[1]
        cut(model, Shape(encoder_layers=1, which_layers="first"), [batch])
        assert torch.equal(batch.run(model).last_hidden_state, between)  # type: ignore[attr-defined]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_is_cut_to_its_shape(family: str) -> None:
    model, batches = make_model(family), batches_of(family, 2)
    part = next(iter(read_stacks(model)))
    layers = {f"{part}_layers": 2, "decoder_layers": 2}
    cut(model, Shape(units=0.67, heads=0.5, **layers), batches)  # type: ignore[arg-type]
    own = [block for block in read_blocks(model) if block.part == part]
    assert len(own) == 2
    assert {block.feed_forward.width for block in own} == {32}
    assert {attention.heads for block in own for attention in block.attentions} == {2}
    with torch.no_grad():
        batches[0].run(model)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cut_model_is_a_checkpoint_like_any_other(family: str, tmp_path: Path) -> None:
    model, batches = make_model(family), batches_of(family, 1)
    part = next(iter(read_stacks(model)))
    cut(model, Shape(units=0.67, **{"decoder_layers": 2, f"{part}_layers": 2}), batches)  # type: ignore[arg-type]
    restore_conv1d(model)
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path).eval()
    with torch.no_grad():
        mine, other = (batches[0].run(each)[0] for each in (model, loaded))  # type: ignore[index]
    assert torch.allclose(mine, other, atol=1e-5)


def test_t5_keeps_as_many_encoder_as_decoder_layers() -> None:
    with pytest.raises(InvalidInput, match="keep at least as many encoder layers"):
        cut(make_model("t5"), Shape(encoder_layers=1), batches_of("t5", 1))


@pytest.mark.parametrize("choice", ["fluctuation", "wanda", "magnitude", "random"])
def test_units_that_are_always_silent_go_first(choice: Choice) -> None:
    model = make_model("bert")
    silent = torch.arange(16, 32)
    for block in read_blocks(model):
        block.feed_forward.inputs[0].weight.data[silent] = 0.0
        block.feed_forward.inputs[0].bias.data[silent] = 0.0
    before = _vectors(model)
    cut(model, Shape(units=2 / 3), batches_of("bert", 2), choice)
    same = torch.allclose(_vectors(model), before, atol=1e-6)
    assert same == (choice in ("fluctuation", "wanda")), "the other two do not look at what the model does"


def test_losses_are_zero_for_the_same_and_grow_with_the_distance() -> None:
    generator = torch.Generator().manual_seed(0)
    wanted = functional.normalize(torch.randn(6, 8, generator=generator), dim=-1)
    noise = torch.randn(6, 8, generator=generator)
    near, far = (functional.normalize(wanted + share * noise, dim=-1) for share in (0.05, 1.0))
    seen = functional.normalize(torch.randn(9, 8, generator=generator), dim=-1)
    for others in (seen, seen[:0]):
        assert vector_loss(wanted, wanted, others) == pytest.approx(0.0, abs=1e-5)
        assert 0 < vector_loss(near, wanted, others) < vector_loss(far, wanted, others)
    assert vector_loss(near, wanted, seen) > vector_loss(near, wanted, seen[:0]), "there is more to rank"
    known = torch.cat([seen, wanted[:1], torch.zeros(3, 8)])
    alone = vector_loss(near[:1], wanted[:1], seen)
    assert vector_loss(near[:1], wanted[:1], known) == pytest.approx(float(alone)), "neither itself nor nothing counts"
    assert token_loss(noise, noise) == pytest.approx(0.0, abs=1e-6)
    assert token_loss(noise, noise + 5.0) == pytest.approx(0.0, abs=1e-5), "only differences of logits count"


def test_a_model_of_any_family_stays_whole_and_no_other_can_be_cut() -> None:
    config = DistilBertConfig(vocab_size=50, dim=16, hidden_dim=32, n_layers=2, n_heads=2)
    model = DistilBertModel(config).eval()
    assert cut(model, Shape(), batches_of("bert", 1)) == {}
    with pytest.raises(InvalidInput, match="family distilbert cannot be pruned"):
        cut(model, Shape(units=0.5), batches_of("bert", 1))


@pytest.mark.parametrize("family", ["bert", "bart"])
def test_recovery_brings_a_cut_model_back_and_resumes(family: str, tmp_path: Path) -> None:
    teacher, batches = make_model(family), batches_of(family, 4)
    student = copy.deepcopy(teacher)
    cut(student, Shape(encoder_layers=2, units=0.67), batches)
    interrupted = copy.deepcopy(student)
    before = _apart(student, teacher, family)
    schedule = Schedule(60, 3e-3, linear_dtype="int8")
    recover(student, teacher, Lessons(batches), schedule, tmp_path / "whole")
    assert _apart(student, teacher, family) < 0.8 * before
    stopped = copy.deepcopy(interrupted)
    Recovery(stopped, teacher, Lessons(batches), schedule, tmp_path / "parts").finish(20)
    recover(interrupted, teacher, Lessons(batches), schedule, tmp_path / "parts")
    for mine, other in zip(student.parameters(), interrupted.parameters(), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("family", ["bert", "bart"])
def test_look_ups_may_stay_as_they_are(family: str, tmp_path: Path) -> None:
    teacher, batches = make_model(family), batches_of(family, 2)
    before = teacher.get_input_embeddings().weight.detach().clone()  # type: ignore[union-attr]
    for learn in (True, False):
        student = copy.deepcopy(teacher)
        cut(student, Shape(encoder_layers=2), batches)
        layer = next(iter(read_blocks(student))).feed_forward.inputs[0].weight.detach().clone()
        recover(student, teacher, Lessons(batches), Schedule(3, 1e-2, train_embeddings=learn), tmp_path / str(learn))
        assert torch.equal(student.get_input_embeddings().weight, before) == (not learn)  # type: ignore[union-attr]
        assert not torch.equal(next(iter(read_blocks(student))).feed_forward.inputs[0].weight, layer)


def _vectors(model: PreTrainedModel) -> Tensor:
    batch = batches_of("bert", 1)[0]
    with torch.no_grad():
        return pool(model(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state, batch.mask)


def _apart(student: PreTrainedModel, teacher: PreTrainedModel, family: str) -> float:
    if family == "bert":
        wanted = _vectors(teacher)
        return float(vector_loss(_vectors(student), wanted, wanted[:0]))
    batch = batches_of(family, 1)[0]
    with torch.no_grad():
        given, wanted = (batch.run(model).logits.flatten(0, 1) for model in (student, teacher))  # type: ignore[attr-defined]
    return float(token_loss(given, wanted))
