"""Taking units, heads and layers out of models of every family: what is left computes what it should."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from tests.export.families import FAMILIES, HEADS, LAYERS, UNITS, batches_of, make_model
from torch import Tensor, nn
from transformers import BertModel, PreTrainedModel

from sprig_export.models.blocks import note_removed_heads, read_blocks, read_stacks
from sprig_export.pruning.statistics import observe
from sprig_export.pruning.structure import Shape, cut, keep_heads, keep_layers, keep_units
from sprig_export.training.batches import Batch
from sprig_server.errors import InvalidInput


def _outputs(model: PreTrainedModel, family: str) -> Tensor:
    with torch.no_grad():
        output = batches_of(family, 1)[0].run(model)
    values: Tensor = output.logits if hasattr(output, "logits") else output.last_hidden_state  # type: ignore[attr-defined]
    return values


def _make(family: str) -> PreTrainedModel:
    """In 64 bits, where sums differ by their order only beyond the sixth place."""
    return make_model(family).double()


def _parameters(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_units_that_say_nothing_can_go(family: str) -> None:
    model = _make(family)
    gone, kept = torch.arange(0, UNITS, 3), torch.tensor([k for k in range(UNITS) if k % 3])
    for block in read_blocks(model):
        block.feed_forward.output.weight.data[:, gone] = 0.0
    before, parameters = _outputs(model, family), _parameters(model)
    for block in read_blocks(model):
        keep_units(block.feed_forward, kept)
    assert torch.allclose(_outputs(model, family), before, atol=1e-6)
    per_unit = sum(
        sum(linear.in_features + (linear.bias is not None) for linear in block.feed_forward.inputs)
        + block.feed_forward.output.out_features
        for block in read_blocks(model)
    )
    assert parameters - _parameters(model) == per_unit * len(gone)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_order_of_units_does_not_matter(family: str) -> None:
    model = _make(family)
    before = _outputs(model, family)
    for block in read_blocks(model):
        keep_units(block.feed_forward, torch.randperm(UNITS, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(_outputs(model, family), before, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_removing_a_head_is_silencing_it(family: str) -> None:
    """A removed head, or group of heads, gives what zeroing its slice of the output matrix gives."""
    silenced, removed = _make(family), _make(family)
    for block in read_blocks(silenced):
        for attention in block.attentions:
            width = attention.head_dim * attention.heads // attention.groups
            attention.output.weight.data[:, width : 2 * width] = 0.0
    for block in read_blocks(removed):
        for attention in block.attentions:
            keep_heads(attention, [group for group in range(attention.groups) if group != 1])
    assert torch.allclose(_outputs(removed, family), _outputs(silenced, family), atol=1e-6)
    assert _parameters(removed) < _parameters(silenced)
    left = read_blocks(removed)[0].attentions[0]
    assert left.heads == HEADS - left.heads // left.groups


def test_what_lost_heads_before_can_lose_more_and_is_loaded_as_it_was(tmp_path: Path) -> None:
    """A smaller base that was distilled before may be cut again."""
    batches = batches_of("bert", 1)
    model = make_model("bert")
    note_removed_heads(model, cut(model, Shape(heads=0.75), batches))
    model.save_pretrained(tmp_path / "once")
    once = BertModel.from_pretrained(tmp_path / "once", add_pooling_layer=False).eval()
    assert torch.allclose(_outputs(once, "bert"), _outputs(model, "bert"), atol=1e-5)
    note_removed_heads(once, cut(once, Shape(encoder_layers=2, heads=0.67), batches))
    once.save_pretrained(tmp_path / "twice")
    twice = BertModel.from_pretrained(tmp_path / "twice", add_pooling_layer=False).eval()
    assert [block.attentions[0].heads for block in read_blocks(twice)] == [2, 2]
    assert torch.allclose(_outputs(twice, "bert"), _outputs(once, "bert"), atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_can_go(family: str) -> None:
    model = make_model(family)
    part = next(iter(read_stacks(model)))
    keep_layers(model, part, [0, 2])
    assert len(read_stacks(model)[part]) == 2
    assert _outputs(model, family).isfinite().all()
    with pytest.raises(InvalidInput, match="of 2 layers"):
        keep_layers(model, part, [1, 2])


def test_a_shorter_encoder_gives_the_states_between() -> None:
    model = make_model("bert")
    batch = batches_of("bert", 1)[0]
    with torch.no_grad():
        states = model(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=True).hidden_states
    keep_layers(model, "encoder", [0, 1])
    assert torch.equal(_outputs(model, "bert"), states[2])
    assert model.config.num_hidden_layers == 2 < LAYERS


@pytest.mark.parametrize("family", ["t5"])
def test_relative_positions_move_to_the_first_layer_that_stays(family: str) -> None:
    model = make_model(family)
    bias = model.encoder.block[0].layer[0].SelfAttention.relative_attention_bias
    keep_layers(model, "encoder", [1, 2])
    assert model.encoder.block[0].layer[0].SelfAttention.relative_attention_bias is bias
    assert _outputs(model, family).isfinite().all()


@pytest.mark.parametrize("family", ["bert", "roberta", "bart", "gpt2"])
def test_a_constant_unit_leaves_its_mean_behind(family: str) -> None:
    model = _make(family)
    blocks = read_blocks(model)
    for linear in blocks[0].feed_forward.inputs:
        linear.weight.data[5] = 0.0
        linear.bias.data[5] = 0.7
    before, name = _outputs(model, family), _name_of(blocks[0].feed_forward.output, blocks[0].linears())
    mean = observe(model, blocks[0], batches_of(family, 2))[name].mean
    keep_units(blocks[0].feed_forward, torch.tensor([k for k in range(UNITS) if k != 5]), mean)
    assert torch.allclose(_outputs(model, family), before, atol=1e-6)


@pytest.mark.parametrize("family", ["bart", "t5", "llama", "qwen2", "gemma", "gpt2"])
def test_smaller_models_still_generate(family: str) -> None:
    model = make_model(family)
    for block in read_blocks(model):
        keep_units(block.feed_forward, torch.arange(32))
        for attention in block.attentions:
            keep_heads(attention, [0])
    keep_layers(model, "decoder", [0, 2])
    batch: Batch = batches_of(family, 1)[0]
    whole = copy.deepcopy(model)
    made = [
        m.generate(
            input_ids=batch.ids[:1], attention_mask=batch.mask[:1], max_new_tokens=6, do_sample=False, use_cache=c
        )
        for m, c in ((model, True), (whole, False))
    ]
    assert torch.equal(*made), "with and without the cache of keys and values"


def _name_of(linear: nn.Linear, linears: dict[str, nn.Linear]) -> str:
    return next(name for name, candidate in linears.items() if candidate is linear)
