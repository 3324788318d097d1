"""`sprig export` from a checkpoint on disk to a bundle that the server runs, and every way it may refuse."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from sprig_export.config.recipe import Recipe, read_recipe
from sprig_export.config.request import Example, ExportRequest
from sprig_export.data.samples import read_examples, standard_library_examples
from sprig_export.evaluate.export_quality import Quality
from sprig_export.evaluate.search import EncodingSettings, encode_with_torch
from sprig_export.evaluate.summaries import SummarySettings, summarize_with_torch
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.loading import load_summarizer
from sprig_export.onnx import quantize as quantize_module
from sprig_export.onnx.convert import convert_encoder_decoder
from sprig_export.onnx.quantize import quantize, quantize_lookups
from sprig_export.onnx.validate import Difference, Tokens, ValidationFailed, compare, validate_encoder_decoder
from sprig_export.pipeline import export
from sprig_export.report.stages import StageLog
from sprig_server.bundle.store import open_bundle
from sprig_server.cli import main
from sprig_server.errors import InvalidBundle, InvalidInput
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.summarizer import Summarizer

# Random weights round worse than trained ones, so the gates of these recipes are wider.
SEARCH = Recipe(task="search", model="", language="python", min_cosine=0.95)
SUMMARIZE = Recipe(
    task="summarize", model="", language="python", min_agreement=0.5, max_new_tokens=8, beams=2, no_repeat=0
)


@pytest.fixture(scope="module")
def search_bundle(bert: Path, examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("bundles") / "tiny-search"
    export(ExportRequest(replace(SEARCH, model=str(bert)), output, examples=tuple(examples)), StageLog())
    return output


@pytest.fixture
def summary_bundle(encoder_decoder: Path, examples: list[Example], tmp_path: Path) -> Path:
    output = tmp_path / "tiny-summary"
    export(
        ExportRequest(replace(SUMMARIZE, model=str(encoder_decoder)), output, examples=tuple(examples[:8])), StageLog()
    )
    return output


def test_a_search_bundle_encodes_as_the_model_does(search_bundle: Path, bert: Path, examples: list[Example]):
    code = [example.code for example in examples]
    tokenizer = AutoTokenizer.from_pretrained(bert)
    expected = encode_with_torch(AutoModel.from_pretrained(bert).eval(), tokenizer, code, EncodingSettings("mean", 64))
    found = Encoder(open_bundle(search_bundle), threads=1).encode(code)
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found * expected).sum(axis=1).mean() > 0.98


def test_a_bundle_says_what_it_is(search_bundle: Path, bert: Path):
    manifest = open_bundle(search_bundle).manifest
    assert (manifest.task, manifest.languages, manifest.dimensions) == ("search", ("python",), 32)
    assert (manifest.max_tokens, manifest.pooling, manifest.quantization) == (64, "mean", "int8-dynamic")
    assert manifest.base.name == "tiny-bert"
    assert manifest.base.sha256 == open_checkpoint(str(bert)).sha256
    assert set(manifest.files) == {
        "encoder.onnx",
        "tokenizer.json",
        "recipe.toml",
        "report.json",
        "report.html",
        "README.md",
    }
    assert read_recipe(search_bundle / "recipe.toml") == replace(SEARCH, model="tiny-bert")
    page = (search_bundle / "report.html").read_text()
    assert "Before and after" in page and "What was forgotten" in page and "encoder.0" in page
    assert str(bert.parent) not in page
    assert list(search_bundle.iterdir()) and not list(search_bundle.parent.glob(".*"))
    (figures,) = manifest.quality.values()
    assert {"base_mrr", "mrr", "base_keyword_mrr", "keyword_mrr", "cosine"} <= set(figures)
    assert {"MRR", "keyword MRR"} <= set(json.loads((search_bundle / "report.json").read_text())["compared"])
    report = (search_bundle / "report.json").read_text()
    assert str(bert.parent) not in report
    stages = [stage["stage"] for stage in json.loads(report)["stages"]]
    assert stages[:4] == ["load the model", "convert to ONNX", "validate against PyTorch", "quantize to int8"]


def test_the_gate_sees_the_score_that_lost_most() -> None:
    """A model that answers sentences as before may still have forgotten how people type."""
    quality = Quality({"MRR": (0.8, 0.8), "keyword MRR": (0.5, 0.4)}, {}, ())
    assert quality.lost == ("keyword MRR", pytest.approx(20.0))
    assert Quality({"BLEU-4": (0.0, 0.0)}, {}, ()).lost == ("BLEU-4", 0.0)


def test_a_summary_bundle_writes_as_the_model_does(
    summary_bundle: Path, encoder_decoder: Path, examples: list[Example]
):
    summarizer = Summarizer(open_bundle(summary_bundle), threads=1)
    model, tokenizer = load_summarizer(encoder_decoder), AutoTokenizer.from_pretrained(encoder_decoder)
    pairs = [(example.code, "python") for example in examples[:8]]
    expected = summarize_with_torch(model, tokenizer, pairs, SummarySettings(256, 8))
    found = [summarizer.summarize(code, language, beams=1) for code, language in pairs]
    assert sum(f.text == e for f, e in zip(found, expected, strict=True)) >= 4
    assert all(f.confidence <= 0 for f in found)
    assert len(set(expected)) > 1 or expected[0], "the model must say something for this to mean something"


def test_more_beams_never_score_lower_on_average(summary_bundle: Path, examples: list[Example]):
    summarizer = Summarizer(open_bundle(summary_bundle), threads=1)
    greedy = [summarizer.summarize(e.code, "python", beams=1).confidence for e in examples[:16]]
    beamed = [summarizer.summarize(e.code, "python", beams=4).confidence for e in examples[:16]]
    assert np.mean(beamed) >= np.mean(greedy) - 0.01, "a wider search may end elsewhere, but hardly worse"


def test_the_graphs_compute_what_the_model_computes(encoder_decoder: Path, tmp_path: Path):
    encoder, decoder = convert_encoder_decoder(encoder_decoder, tmp_path, 18)
    model = load_summarizer(encoder_decoder)
    draw = np.random.default_rng(0)
    size = model.config.vocab_size
    ids, target = draw.integers(4, size, (3, 20)), draw.integers(4, size, (3, 6))
    mask = np.ones_like(ids)
    mask[1, 9:] = 0
    tokens = Tokens(ids, mask)
    assert validate_encoder_decoder(model, encoder, decoder, tokens, target).largest < 1e-4
    with torch.no_grad():
        model.get_encoder().get_input_embeddings().weight.mul_(1.01)
    with pytest.raises(ValidationFailed, match='"logits" differs from PyTorch'):
        validate_encoder_decoder(model, encoder, decoder, tokens, target)


def test_a_tied_embedding_is_kept_once_and_looked_up_right(encoder_decoder: Path, tmp_path: Path):
    _, decoder = convert_encoder_decoder(encoder_decoder, tmp_path, 18)
    model = load_summarizer(encoder_decoder)
    v, d = model.get_input_embeddings().weight.shape
    two_copies, small, graph = tmp_path / "two.onnx", tmp_path / "small.onnx", onnx.load(decoder).graph
    quantize(decoder, two_copies, "int8", "float32")
    quantized = onnx.load(two_copies)
    monolith = [t for t in quantized.graph.initializer if sorted(t.dims) == sorted((v, d))]
    assert len(monolith) == 2, "the quantizer alone keeps a table and a projection"
    quantize_module._SMALL_TABLE, before = 1, quantize_module._SMALL_TABLE
    try:
        quantize_lookups(quantized.graph)
    finally:
        quantize_module._SMALL_TABLE = before
    (shared,) = [t for t in quantized.graph.initializer if sorted(t.dims) == sorted((v, d))]
    assert shared.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
    onnx.save(quantized, small)
    # Products are rounded in both, so that nothing but the look-up differs.
    whole, compact = (ort.InferenceSession(str(path)) for path in (two_copies, small))
    draw, feeds = np.random.default_rng(1), {}
    for node in graph.input:
        dims = [x.dim_param or x.dim_value for x in node.type.tensor_type.shape.dim]
        shape = [
            2 if x == "batch_size" else 0 if "past_decoder" in str(x) else 5 if isinstance(x, str) else x for x in dims
        ]
        if node.name == "input_ids":
            feeds[node.name] = np.array([[7], [v - 1]])
        elif "mask" in node.name:
            feeds[node.name] = np.ones(shape, dtype=np.int64)
        else:
            feeds[node.name] = draw.normal(size=shape).astype(np.float32)
    one, two = whole.run(["logits"], feeds)[0], compact.run(["logits"], feeds)[0]
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.995


def test_an_export_replaces_a_bundle_and_nothing_else(bert: Path, examples: list[Example], tmp_path: Path):
    recipe = replace(SEARCH, model=str(bert))
    output = tmp_path / "bundle"
    export(ExportRequest(recipe, output, examples=tuple(examples)), StageLog())
    again = export(ExportRequest(recipe, output, examples=tuple(examples)), StageLog())
    assert open_bundle(output).manifest == again
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidInput, match="exists and is not a bundle"):
        export(ExportRequest(recipe, tmp_path / "mine", examples=tuple(examples)), StageLog())
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_failed_export_leaves_nothing_behind(bert: Path, examples: list[Example], tmp_path: Path):
    with pytest.raises(ValidationFailed, match="no bundle was written"):
        export(
            ExportRequest(
                replace(SEARCH, model=str(bert), min_cosine=1.1), tmp_path / "bundle", examples=tuple(examples)
            ),
            StageLog(),
        )
    assert list(tmp_path.iterdir()) == []


def test_an_export_is_reproducible(bert: Path, search_bundle: Path, examples: list[Example], tmp_path: Path):
    again = export(
        ExportRequest(replace(SEARCH, model=str(bert)), tmp_path / "tiny-search", examples=tuple(examples)), StageLog()
    )
    before = open_bundle(search_bundle).manifest
    assert again.files["encoder.onnx"] == before.files["encoder.onnx"]
    assert again.digest == before.digest


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("./nowhere", 'the model "./nowhere" does not exist'),
        ("no-such-folder", "give a folder, or a hub id"),
    ],
)
def test_a_model_that_is_not_there_is_named(model: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["export", "--task", "search", "--model", model, "--language", "python", "--output", str(tmp_path / "b")]
    assert main(words) == 2
    assert says in capsys.readouterr().err


def test_a_folder_without_a_model_is_named(tmp_path: Path):
    with pytest.raises(InvalidInput, match=r"is not a model folder: it needs config\.json"):
        open_checkpoint(str(tmp_path))


def test_an_architecture_that_is_not_known_is_named(bert: Path, examples: list[Example], tmp_path: Path):
    with pytest.raises(InvalidInput, match="is of the family bert: summaries are exported from bart, t5, llama"):
        export(
            ExportRequest(replace(SUMMARIZE, model=str(bert)), tmp_path / "bundle", examples=tuple(examples)),
            StageLog(),
        )


def test_a_hub_id_is_taken_from_the_local_cache(bert: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    revision = "0" * 40
    repository = tmp_path / "hub" / "models--sprig--tiny-bert"
    shutil.copytree(bert, repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert open_checkpoint("sprig/tiny-bert").sha256 == open_checkpoint(str(bert)).sha256
    with pytest.raises(InvalidInput, match='"sprig/absent" cannot be downloaded'):
        open_checkpoint("sprig/absent")


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.json"])
def test_a_damaged_bundle_is_refused(search_bundle: Path, tmp_path: Path, name: str):
    damaged = tmp_path / "damaged"
    shutil.copytree(search_bundle, damaged)
    data = bytearray((damaged / name).read_bytes())
    data[len(data) // 2] ^= 1
    (damaged / name).write_bytes(data)
    with pytest.raises(InvalidBundle, match="does not match its hash"):
        Encoder(open_bundle(damaged), threads=1)


def test_a_file_that_is_no_model_is_refused(search_bundle: Path, tmp_path: Path):
    from sprig_server.bundle.manifest import describe_file, render_manifest

    folder = tmp_path / "bundle"
    shutil.copytree(search_bundle, folder)
    (folder / "encoder.onnx").write_bytes(b"not an onnx file")
    manifest = open_bundle(folder).manifest
    files = manifest.files | {"encoder.onnx": describe_file(folder / "encoder.onnx")}
    (folder / "manifest.json").write_text(render_manifest(replace(manifest, files=files)))
    with pytest.raises(InvalidBundle, match="is not a model that ONNX Runtime can load"):
        Encoder(open_bundle(folder), threads=1)


def test_a_bundle_for_the_other_task_is_refused(search_bundle: Path):
    with pytest.raises(InvalidBundle, match="is a bundle for search: give one for summarize"):
        Summarizer(open_bundle(search_bundle), threads=1)


def test_differences_are_measured_on_equal_shapes():
    with pytest.raises(ValidationFailed, match="has shape"):
        compare("x", np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32))
    with pytest.raises(ValidationFailed):
        Difference("x", float("nan"), 1.0).check()


def test_the_default_sample_is_drawn_by_its_seed():
    first = standard_library_examples(20, seed=1)
    assert first == standard_library_examples(20, seed=1)
    assert first != standard_library_examples(20, seed=2)
    assert all(example.text not in example.code for example in first)


def test_evaluation_data_that_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "data.jsonl").write_text('{"query": "no code"}\n')
    with pytest.raises(InvalidInput, match="cannot be used as evaluation data"):
        read_examples(tmp_path / "data.jsonl", "python")
