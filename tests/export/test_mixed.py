"""Mixed precision: what GPTQ rounds, what the exporter packs and what ONNX Runtime computes are the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from sprig_export.onnx.mixed import pack_finely, quantize_mixed
from sprig_export.pruning.gptq import FINE_BLOCK, bits_of, round_by_gptq


def unpack(rows: np.ndarray, bits: int) -> np.ndarray:
    packed, factors = pack_finely(rows, bits)
    if bits == 4:
        packed = np.stack([packed & 15, packed >> 4], axis=-1).reshape(len(packed), -1, FINE_BLOCK)
    numbers = packed.astype(np.float32) - (1 << (bits - 1))
    wide = numbers * factors.astype(np.float32).reshape(len(packed), -1, 1)
    return wide.reshape(len(packed), -1)[:, : rows.shape[1]]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 3 * FINE_BLOCK), st.sampled_from([4, 8]))
def test_a_packed_weight_is_off_by_a_step_at_most(seed: int, rows: int, width: int, bits: int) -> None:
    weights = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    weights[0, :FINE_BLOCK] *= seed % 2  # a block of zeros has a factor too
    error = np.abs(unpack(weights, bits) - weights)
    assert error.max() <= np.abs(weights).max() / (1 << (bits - 1)) * 1.5 + 1e-6
    assert (error[0, :FINE_BLOCK] == 0).all() or seed % 2


@pytest.mark.parametrize("width", [FINE_BLOCK, 3 * FINE_BLOCK, 40])
def test_what_gptq_rounded_is_packed_without_a_loss(width: int) -> None:
    draw = torch.Generator().manual_seed(0)
    weight, inputs = torch.randn(24, width, generator=draw), torch.randn(200, width, generator=draw)
    rounded = round_by_gptq(weight, (inputs.T @ inputs).double()).numpy()
    assert np.allclose(unpack(rounded, 4), rounded, rtol=2e-3, atol=1e-5)


def test_gptq_changes_products_less_than_rounding_does() -> None:
    draw = torch.Generator().manual_seed(1)
    weight = torch.randn(48, 96, generator=draw)
    inputs = torch.randn(500, 12, generator=draw) @ torch.randn(12, 96, generator=draw)
    inputs[:, 5] = 0  # an input that is never anything else
    fitted = round_by_gptq(weight, (inputs.T @ inputs).double())
    plain = torch.from_numpy(unpack(weight.numpy(), 4))
    assert (inputs @ (fitted - weight).T).square().sum() < 0.3 * (inputs @ (plain - weight).T).square().sum()


def test_sensitive_matrices_have_8_bits() -> None:
    assert bits_of("/model/layers.3/self_attn/v_proj/MatMul", ("lm_head", "v_proj")) == 8
    assert bits_of("/model/layers.3/mlp/up_proj/MatMul", ("lm_head", "v_proj")) == 4


@pytest.mark.parametrize("sensitive", [(), ("head",)])
@pytest.mark.parametrize("width", [2 * FINE_BLOCK, 40])
def test_the_runtime_computes_with_the_packed_weights(tmp_path: Path, sensitive: tuple[str, ...], width: int) -> None:
    table = np.random.default_rng(0).normal(size=(50, width)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "ids"], ["states"], name="/look_up"),
            helper.make_node("MatMul", ["states", "weight"], ["logits"], name="/head/MatMul"),
        ],
        "tied",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "t"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", "t", 50])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.ascontiguousarray(table.T), "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "full.onnx")
    quantize_mixed(tmp_path / "full.onnx", tmp_path / "small.onnx", sensitive)
    small = onnx.load(tmp_path / "small.onnx")
    onnx.checker.check_model(small)
    bits = 8 if sensitive else 4
    weights = sum(len(tensor.raw_data) for tensor in small.graph.initializer)
    assert weights < 50 * (width + FINE_BLOCK) * (bits / 8 + 2 / FINE_BLOCK) + 400  # one copy
    ids = np.array([[3, 49, 0], [7, 7, 1]])
    (found,) = ort.InferenceSession(str(tmp_path / "small.onnx")).run(None, {"ids": ids})
    expected = unpack(table, bits)[ids] @ unpack(table, bits).T
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()  # activations are rounded to 8 bits
