"""4-bit weights: what training rounds, what the exporter packs and what ONNX Runtime computes are the same numbers."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from sprig_export.autotune.precision import fewest_bits
from sprig_export.config.recipe import BLOCK, Recipe
from sprig_export.config.request import Example, ExportRequest
from sprig_export.evaluate.search import EncodingSettings, encode_with_torch
from sprig_export.models.checkpoints import Checkpoint
from sprig_export.onnx import quantize as quantize_module
from sprig_export.onnx import share as share_module
from sprig_export.onnx.convert import convert_encoder_decoder
from sprig_export.onnx.quantize import pack_blocks, quantize, quantize_lookups
from sprig_export.onnx.share import share_tables
from sprig_export.onnx.validate import Tokens, teacher_forced_logits
from sprig_export.pipeline import export
from sprig_export.report.stages import StageLog
from sprig_export.training.fake_quantization import (
    round_activations,
    round_rows,
    round_weights,
    rounded_activations,
    rounded_parameters,
    used_parameters,
)
from sprig_server.bundle.manifest import SHARED
from sprig_server.bundle.store import open_bundle
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.summarizer import Summarizer

WIDTHS = (BLOCK, 2 * BLOCK, 36, 96, 192, 200)
"""Whole blocks, and rows whose last block is not full."""


def unpack(packed: np.ndarray, factors: np.ndarray, width: int) -> np.ndarray:
    numbers = np.stack([packed & 15, packed >> 4], axis=-1).reshape(len(packed), -1, BLOCK).astype(np.float32) - 8
    return (numbers * factors.reshape(len(packed), -1, 1)).reshape(len(packed), -1)[:, :width]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 5), width=st.integers(1, 3 * BLOCK), zero=st.booleans())
def test_training_rounds_as_the_exporter_packs(seed: int, rows: int, width: int, zero: bool) -> None:
    weights = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    if zero:
        weights[0, :BLOCK] = 0
    unpacked = unpack(*pack_blocks(weights), width)
    assert np.allclose(unpacked, round_weights(torch.from_numpy(weights)).numpy(), atol=1e-6)
    for start in range(0, width, BLOCK):
        block = slice(start, start + BLOCK)
        error, largest = np.abs(unpacked - weights)[:, block].max(axis=1), np.abs(weights[:, block]).max(axis=1)
        assert (error <= largest / 8 + 1e-6).all()  # half a step, or a whole one for the end that has 7 steps only


def test_training_rounds_as_int8_products_do(tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(64, 48)
    states = torch.randn(1, 20, 64, generator=draw) + 0.5
    full, small = tmp_path / "full.onnx", tmp_path / "small.onnx"
    torch.onnx.export(layer, (states,), str(full), input_names=["states"], dynamo=False)
    quantize(full, small)
    found = ort.InferenceSession(str(small)).run(None, {"states": states.numpy()})[0]
    with torch.no_grad(), rounded_activations(layer), used_parameters(layer, rounded_parameters(layer, "int8")):
        expected = layer(states).numpy()
    with torch.no_grad():
        exact = layer(states).numpy()
    assert np.abs(found - expected).mean() < 0.1 * np.abs(exact - expected).mean()


def test_parameters_that_have_several_names_come_back() -> None:
    sizes = {"d_model": 16, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    model = T5ForConditionalGeneration(T5Config(vocab_size=9, decoder_start_token_id=0, **sizes))
    before = dict(model.named_parameters())
    ids = torch.ones(1, 3, dtype=torch.int64)
    with used_parameters(model, rounded_parameters(model, "int8")):
        model(input_ids=ids, decoder_input_ids=ids).logits.sum().backward()
    after = dict(model.named_parameters())
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    assert all(parameter.grad is not None for parameter in after.values())


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-3, 3), zero=st.booleans())
def test_int8_rounding_is_off_by_half_a_step_at_most(seed: int, shift: float, zero: bool) -> None:
    numbers = torch.randn(4, 16, generator=torch.Generator().manual_seed(seed)) + shift
    if zero:
        numbers[:] = 0
    step = (numbers.clamp(min=0).max() - numbers.clamp(max=0).min()) / 255
    assert (round_activations(numbers) - numbers).abs().max() <= step * 1.01 + 1e-7  # zero is a level of its own
    assert (round_rows(numbers) - numbers).abs().max() <= numbers.abs().max() / 128 + 1e-6


@pytest.mark.parametrize("width", WIDTHS)
def test_look_ups_read_the_packed_rows(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(quantize_module, "_LARGE_TABLE", 1)
    monkeypatch.setattr(quantize_module, "_SMALL_TABLE", 1)
    rows = np.random.default_rng(0).normal(size=(500, width)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["out"], name="look_up")],
        "tables",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "t"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["b", "t", width])],
        [numpy_helper.from_array(rows, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    quantize_lookups(model.graph, "int4")
    blocks = -(-width // BLOCK)
    assert sum(len(tensor.raw_data) for tensor in model.graph.initializer) < 500 * blocks * BLOCK * 4 / 7
    ids = np.array([[3, 499, 0], [7, 7, 1]])
    (found,) = ort.InferenceSession(model.SerializeToString()).run(None, {"ids": ids})
    assert np.allclose(found, unpack(*pack_blocks(rows), width)[ids], atol=1e-6)


@pytest.fixture(scope="module")
def bart_folder(tmp_path_factory: pytest.TempPathFactory, bart: Path) -> Path:
    """A tiny summary model whose width is a whole block."""
    folder = tmp_path_factory.mktemp("wide") / "wide-bart"
    tokenizer = PreTrainedTokenizerFast.from_pretrained(bart)
    shape = {"encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 256, "decoder_ffn_dim": 256}
    ids = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    torch.manual_seed(0)
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 64}
    size = {"vocab_size": len(tokenizer), "d_model": BLOCK, "forced_eos_token_id": None}
    model = BartForConditionalGeneration(BartConfig(**size, **shape, **heads, **ids))
    with torch.no_grad():
        model.model.shared.weight.mul_(20)  # so that tokens differ
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_the_graphs_compute_with_the_rounded_weights(
    bart_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize_module, "_LARGE_TABLE", 1)
    monkeypatch.setattr(quantize_module, "_SMALL_TABLE", 1)
    monkeypatch.setattr(share_module, "_LARGE", 1)
    encoder, decoder = convert_encoder_decoder(bart_folder, tmp_path, 18)
    for path in (encoder, decoder):
        full = path.with_suffix(".fp32.onnx")
        path.rename(full)
        quantize(full, path, "int4", "int4")
    model = BartForConditionalGeneration.from_pretrained(bart_folder).eval()
    rounded = BartForConditionalGeneration.from_pretrained(bart_folder).eval()
    rounded.load_state_dict(rounded_parameters(model), strict=False)
    rounded.tie_weights()
    draw = np.random.default_rng(0)
    ids, target = draw.integers(4, model.config.vocab_size, (3, 20)), draw.integers(4, model.config.vocab_size, (3, 6))
    mask = np.ones_like(ids)
    found = teacher_forced_logits(encoder, decoder, model, Tokens(ids, mask), target)
    with torch.no_grad():
        inputs = {"input_ids": torch.from_numpy(ids), "decoder_input_ids": torch.from_numpy(target)}
        expected, unrounded = rounded(**inputs).logits.numpy(), model(**inputs).logits.numpy()
    assert np.abs(found - expected).mean() < 0.25 * np.abs(unrounded - expected).mean()
    assert share_tables(encoder, decoder)
    for path in (encoder, decoder):
        with np.load(path.with_name(SHARED)) as arrays:
            options = ort.SessionOptions()
            values = [ort.OrtValue.ortvalue_from_numpy(arrays[name]) for name in arrays]
            options.add_external_initializers(list(arrays), values)
        ort.InferenceSession(path.read_bytes(), options)
        outside = onnx.load(path, load_external_data=False).graph.initializer
        outside = {t.name for t in outside if t.data_location == TensorProto.EXTERNAL}
        assert outside == {"embedding", "embedding_scale"}


def test_a_four_bit_bundle_keeps_one_table_and_summarizes(
    bart_folder: Path, tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize_module, "_LARGE_TABLE", 1)
    monkeypatch.setattr(quantize_module, "_SMALL_TABLE", 1)
    monkeypatch.setattr(share_module, "_LARGE", 1)
    recipe = Recipe(
        "summarize", str(bart_folder), "python", linear_dtype="int4", embedding_dtype="int4", min_agreement=0, sample=8
    )
    manifest = export(ExportRequest(recipe, tmp_path / "bundle", examples=tuple(examples)), StageLog())
    assert manifest.quantization == "int4 weights"
    assert {"encoder.onnx", "decoder.onnx", "shared.npz", "tokenizer.json"} <= set(manifest.files)
    bundle = open_bundle(tmp_path / "bundle")
    with np.load(io.BytesIO(bundle.load("shared.npz"))) as arrays:
        entries = len(PreTrainedTokenizerFast.from_pretrained(bart_folder))
        assert arrays["embedding"].size == entries * BLOCK // 2
    first = Summarizer(bundle, threads=1).summarize(examples[0].code, "python")
    assert first == Summarizer(bundle, threads=1).summarize(examples[0].code, "python")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_is_found_again_in_the_projection_it_is_tied_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(quantize_module, "_LARGE_TABLE", 1)
    monkeypatch.setattr(quantize_module, "_SMALL_TABLE", 1)
    rows = np.random.default_rng(0).normal(size=(300, width)).astype(np.float16).astype(np.float32)
    rows[:2, 0], rows[:2, 1] = 9, -9  # either extreme may set the factor
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "ids"], ["found"], name="look_up"),
            helper.make_node("MatMul", ["found", "projection"], ["out"]),
        ],
        "tied",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "t"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["b", "t", 300])],
        [numpy_helper.from_array(rows, "table"), numpy_helper.from_array(np.ascontiguousarray(rows.T), "projection")],
    )
    source, target = tmp_path / "full.onnx", tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), source)
    quantize(source, target, "int4", "int4")
    large = [t for t in onnx.load(target).graph.initializer if len(t.raw_data) > 10_000]
    assert len(large) == 1
    ids = np.array([[3, 299, 0], [7, 7, 1]])
    outputs = [ort.InferenceSession(str(path)).run(None, {"ids": ids})[0] for path in (source, target)]
    assert np.corrcoef(*(output.ravel() for output in outputs))[0, 1] > 0.98


@pytest.mark.parametrize("width", [36, 96, 192])
def test_a_model_of_any_width_is_exported_in_four_bits(
    bert: Path, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(quantize_module, "_LARGE_TABLE", 1)
    monkeypatch.setattr(quantize_module, "_SMALL_TABLE", 1)
    folder = tmp_path / "model"
    shutil.copytree(bert, folder)
    size = AutoConfig.from_pretrained(bert).vocab_size
    torch.manual_seed(0)
    shape = {"hidden_size": width, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 2 * width + 4}
    BertModel(BertConfig(vocab_size=size, max_position_embeddings=64, **shape)).save_pretrained(folder)
    recipe = Recipe(
        "search", str(folder), "python", linear_dtype="int4", embedding_dtype="int4", min_cosine=0.9, max_loss=100
    )
    manifest = export(ExportRequest(recipe, tmp_path / "bundle", examples=tuple(examples[:16])), StageLog())
    assert (manifest.quantization, manifest.dimensions) == ("int4 weights", width)
    code = [example.code for example in examples[:16]]
    model = AutoModel.from_pretrained(folder).eval()
    expected = encode_with_torch(model, AutoTokenizer.from_pretrained(folder), code, EncodingSettings("mean", 64))
    found = Encoder(open_bundle(tmp_path / "bundle"), threads=1).encode(code)
    assert (found * expected).sum(axis=1).min() > 0.95


@pytest.mark.parametrize(("width", "bits"), [(32, "int8"), (64, "int8"), (96, "int4"), (192, "int4"), (384, "int4")])
def test_four_bits_are_the_fewest_where_they_take_less_room(width: int, bits: str) -> None:
    assert fewest_bits(Checkpoint(Path(), "", "", "", {"hidden_size": width})) == bits
    rows = np.ones((100, width), np.float32)
    assert (sum(array.nbytes for array in pack_blocks(rows)) < 100 * (width + 4)) == (bits == "int4")
