"""Exports that take parts out of a model, calibrated on somebody's own folder of code."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from transformers import BertConfig, BertModel

from sprig_export.bundles.graphs import build_unchecked
from sprig_export.config.recipe import Recipe
from sprig_export.config.request import Example, ExportRequest
from sprig_export.data.calibration import InputFormat, read_calibration
from sprig_export.evaluate.throughput import measure_throughput
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.loading import load_model, load_tokenizer
from sprig_export.onnx.validate import ValidationFailed
from sprig_export.pipeline import export
from sprig_export.pruning.masks import Sparsity, prune_weights, sparsity_of
from sprig_export.pruning.structure import Shape, cut
from sprig_export.report.stages import StageLog
from sprig_export.training.batches import make_batches
from sprig_server.bundle.store import open_bundle
from sprig_server.errors import InvalidInput, SprigError
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.session import open_tokenizer
from sprig_server.inference.summarizer import Summarizer

SMALLER = {"layers": 1, "units": 0.5, "recovery_steps": 3, "max_loss": 100.0, "sample": 8}


def test_a_folder_of_code_is_a_calibration(repository: Path) -> None:
    calibration = read_calibration(repository, InputFormat("search", "python"), 10, 0)
    assert len(calibration.pairs) + 10 <= 64
    assert len(calibration.examples) == 10
    assert calibration.name == f"held-out files of {repository.name}"
    assert not any("stolen" in code for code, _ in calibration.pairs)
    measured = {example.code for example in calibration.examples}
    assert not any(code in measured for code, _ in calibration.pairs), "files are held out whole"
    assert read_calibration(repository, InputFormat("search", "python"), 10, 0) == calibration


def test_search_is_calibrated_on_what_people_type_as_well(repository: Path) -> None:
    prose = [text for _, text in read_calibration(repository, InputFormat("search", "python"), 10, 0).pairs]
    documentation = [text for text in prose if text.endswith(".")]
    asked = [text for text in prose if text not in documentation]
    assert 0.2 < len(documentation) / len(prose) < 0.8
    assert all(text == text.lower() for text in asked)
    assert any(text.startswith("how to ") for text in asked)
    summaries = [text for _, text in read_calibration(repository, InputFormat("summarize", "python"), 10, 0).pairs]
    assert all(text.endswith(".") for text in summaries), "a summary is never a question"


def test_too_little_code_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text('def only(x):\n    """Return the only thing there is."""\n    return x\n')
    with pytest.raises(InvalidInput, match=r"documented functions to calibrate on .* give more code"):
        read_calibration(tmp_path, InputFormat("search", "python"), 10, 0)


def test_a_corpus_of_another_language_is_refused(tmp_path: Path) -> None:
    row = dict.fromkeys(("name", "code", "documentation", "summary"), "text") | {"language": "java", "split": "train"}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "java.parquet")
    with pytest.raises(InvalidInput, match=r'java\.parquet" holds java, not python: give a corpus of python'):
        read_calibration(tmp_path / "java.parquet", InputFormat("search", "python"), 10, 0)


@pytest.mark.parametrize("heads", [1.0, 0.5])
def test_a_cut_search_bundle_is_smaller_and_answers(bert: Path, repository: Path, tmp_path: Path, heads: float) -> None:
    whole = Recipe("search", str(bert), "python", sample=8, max_loss=100.0, min_cosine=-1.0)
    before = export(ExportRequest(whole, tmp_path / "whole", repository), StageLog())
    after = export(ExportRequest(replace(whole, **SMALLER, heads=heads), tmp_path / "cut", repository), StageLog())  # type: ignore[arg-type]
    assert after.files["encoder.onnx"].size < before.files["encoder.onnx"].size
    vectors = Encoder(open_bundle(tmp_path / "cut"), 1).encode(["def open_file(path): pass", "a"])
    assert vectors.shape == (2, before.dimensions)
    assert np.isfinite(vectors).all()
    stages = json.loads((tmp_path / "cut" / "report.json").read_text())["stages"]
    cut = next(stage for stage in stages if stage["stage"].startswith("cut"))
    assert cut["parameters"] < cut["parameters_before"]


def test_a_bundle_is_as_large_as_its_plan_adds_up_to(bert: Path, repository: Path, tmp_path: Path) -> None:
    recipe = Recipe(
        "search", str(bert), "python", layers=1, units=0.5, sample=8, max_loss=100.0, linear_dtype="float32"
    )
    manifest = export(
        ExportRequest(replace(recipe, embedding_dtype="float32"), tmp_path / "cut", repository), StageLog()
    )
    width, units, positions, segments = 32, 32, 64, 2
    words = open_tokenizer(open_bundle(tmp_path / "cut")).get_vocab_size()
    tables = width * (words + positions + segments) + 2 * width
    layer = 4 * (width * width + width) + 2 * width * units + units + width + 4 * width
    pooler = width * width + width  # of the checkpoint; the graph has none
    compared = json.loads((tmp_path / "cut" / "report.json").read_text())["compared"]
    assert compared["layers"] == {"before": 2, "after": 1}
    assert compared["parameters"]["after"] == tables + layer + pooler
    graph = manifest.files["encoder.onnx"].size - 4 * (tables + layer)
    assert 0 < graph < 40_000, "bytes of names and nodes"


@pytest.fixture(scope="module")
def wide(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose matrix products take most of the time."""
    folder = tmp_path_factory.mktemp("wide") / "wide-bert"
    shutil.copytree(bert, folder)
    size = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024}
    BertModel(BertConfig.from_pretrained(bert, **size, max_position_embeddings=256)).save_pretrained(folder)
    return folder


def test_what_is_taken_out_makes_a_model_faster_and_zeros_do_not(wide: Path, tmp_path: Path) -> None:
    """Half of the layers and units, or half of all weights: only the first may be called faster."""
    dense = open_checkpoint(str(wide))
    code = [Example("python", "x = 1\n" * 32, "")] * 16  # 128 tokens
    recipe = Recipe("search", str(wide), "python", linear_dtype="float32", embedding_dtype="float32")
    batches = make_batches("search", load_model(dense, "search"), load_tokenizer(dense), [("x = 1\n" * 32, "x")] * 8, 0)
    rates = {}
    for name in ("dense", "structured", "zeros"):
        model = load_model(dense, "search")
        if name == "structured":
            cut(model, Shape(encoder_layers=2, units=0.5), batches)
        elif name == "zeros":
            assert sparsity_of(prune_weights(model, batches, "wanda", Sparsity(0.5))) == pytest.approx(0.5)
        shutil.copytree(wide, tmp_path / name)
        model.save_pretrained(tmp_path / name)
        bundle = build_unchecked(recipe, open_checkpoint(str(tmp_path / name)), tmp_path / f"{name}-bundle")
        rates[name] = measure_throughput(bundle, "search", code)
    assert rates["structured"] > 1.5 * rates["dense"]
    assert rates["zeros"] < 1.5 * rates["dense"]


def test_a_cut_summary_bundle_writes(encoder_decoder: Path, repository: Path, tmp_path: Path) -> None:
    recipe = Recipe("summarize", str(encoder_decoder), "python", **SMALLER, decoder_layers=1, min_agreement=0.0)  # type: ignore[arg-type]
    manifest = export(ExportRequest(recipe, tmp_path / "cut", repository), StageLog())
    assert manifest.decoding is not None
    summary = Summarizer(open_bundle(tmp_path / "cut"), 1).summarize("def open_file(path): return path", "python")
    assert isinstance(summary.text, str)


def test_a_bundle_that_lost_too_much_is_not_written(bert: Path, repository: Path, tmp_path: Path) -> None:
    recipe = Recipe("search", str(bert), "python", sample=8, layers=0, min_cosine=-1.0, max_loss=-1000.0)
    with pytest.raises(ValidationFailed, match=r"it loses .* -1000 % are allowed.* --max-loss"):
        export(ExportRequest(recipe, tmp_path / "bundle", repository), StageLog())
    assert [path.name for path in tmp_path.iterdir()] == [".bundle.work"], "what takes long is kept for --resume"


def test_an_interrupted_export_goes_on(bert: Path, repository: Path, tmp_path: Path) -> None:
    recipe = Recipe("search", str(bert), "python", **{**SMALLER, "recovery_steps": 6}, min_cosine=-1.0)  # type: ignore[arg-type]
    whole = export(ExportRequest(recipe, tmp_path / "whole", repository), StageLog())

    def stop_evaluating(stage: str) -> None:
        if stage == "evaluate":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(ExportRequest(recipe, tmp_path / "bundle", repository), StageLog(announce=stop_evaluating))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".bundle.work", "whole"]
    with pytest.raises(InvalidInput, match=r"had another recipe, model or code: leave --resume out"):
        export(ExportRequest(replace(recipe, units=0.25), tmp_path / "bundle", repository, resume=True), StageLog())
    other = repository / "node_modules"
    with pytest.raises(InvalidInput, match="had another recipe"):
        export(ExportRequest(recipe, tmp_path / "bundle", other, resume=True), StageLog())
    resumed = export(
        ExportRequest(replace(recipe, max_loss=90.0), tmp_path / "bundle", repository, resume=True), StageLog()
    )
    assert resumed.files["encoder.onnx"] == whole.files["encoder.onnx"], "byte for byte"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "whole"]
    with pytest.raises(InvalidInput, match="was interrupted: leave --resume out"):
        export(ExportRequest(recipe, tmp_path / "bundle", repository, resume=True), StageLog())


def test_cutting_needs_code(bert: Path, tmp_path: Path, examples: list[Example]) -> None:
    with pytest.raises(InvalidInput, match="--calibration"):
        export(
            ExportRequest(
                Recipe("search", str(bert), "python", layers=1), tmp_path / "bundle", examples=tuple(examples)
            ),
            StageLog(),
        )


def test_the_speed_is_measured_beside_the_whole_model(bert: Path, repository: Path, tmp_path: Path) -> None:
    recipe = Recipe("search", str(bert), "python", **SMALLER, speed_sample=4, min_cosine=-1.0)  # type: ignore[arg-type]
    export(ExportRequest(recipe, tmp_path / "cut", repository), StageLog())
    compared = json.loads((tmp_path / "cut" / "report.json").read_text())["compared"]
    speeds = {what: found for what, found in compared.items() if what.startswith("functions a second")}
    assert len(speeds) == 2
    assert all(found["before"] > 0 and found["after"] > 0 for found in speeds.values())
    assert compared["parameters"]["after"] < compared["parameters"]["before"]
    assert "ONNX Runtime, 32 bits" in (tmp_path / "cut" / "report.html").read_text()


def test_a_speed_that_cannot_be_measured_is_named(tmp_path: Path, examples: list[Example]) -> None:
    with pytest.raises(SprigError, match=r"the speed of .* could not be measured: .*no such model"):
        measure_throughput(tmp_path / "no such model", "search", examples[:2])
