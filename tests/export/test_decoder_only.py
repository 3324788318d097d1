"""Decoder-only models: the whole way from a checkpoint to a summary bundle that answers with its cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from tests.export.families import make_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from sprig_export.config.recipe import Recipe
from sprig_export.config.request import Example, ExportRequest
from sprig_export.evaluate.summaries import SummarySettings, summarize_with_torch
from sprig_export.models.prompts import check_prompt, default_prompt, encoder_of, fill_prompt, stop_tokens
from sprig_export.pipeline import export
from sprig_export.report.stages import StageLog
from sprig_server.bundle.manifest import Trim
from sprig_server.bundle.store import open_bundle
from sprig_server.code.text import prompt_ids
from sprig_server.errors import InvalidInput
from sprig_server.inference.reader import Reader
from sprig_server.inference.summarizer import Summarizer

FAMILIES = ("llama", "qwen2", "gemma", "gpt2")
LOOSE = {"min_agreement": 0.0, "max_loss": 100.0, "max_new_tokens": 8, "sample": 8}


@pytest.fixture(scope="module")
def tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE of 400 entries, without tokens before or behind a text."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<end>", "<pad>"]
    inner.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", pad_token="<pad>")


@pytest.fixture(scope="module", params=FAMILIES)
def checkpoint(
    request: pytest.FixtureRequest, tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp(request.param) / "tiny"
    model = make_model(request.param)
    model.resize_token_embeddings(len(tokenizer))
    model.config.eos_token_id = model.generation_config.eos_token_id = 0
    model.config.bos_token_id = model.generation_config.bos_token_id = None
    model.config.pad_token_id = model.generation_config.pad_token_id = 1
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_bundle_says_what_pytorch_says(checkpoint: Path, examples: list[Example], tmp_path: Path) -> None:
    recipe = Recipe(
        "summarize", str(checkpoint), "python", **LOOSE, no_repeat=0, linear_dtype="float32", embedding_dtype="float32"
    )
    manifest = export(ExportRequest(recipe, tmp_path / "bundle", examples=tuple(examples)), StageLog())
    assert manifest.decoding is not None
    assert manifest.decoding.prompt == "{code}\n\n# Summary:"
    assert "encoder.onnx" not in manifest.files
    summarizer = Summarizer(open_bundle(tmp_path / "bundle"), 1)
    model = AutoModelForCausalLM.from_pretrained(checkpoint).eval()
    pairs = [(example.code, "python") for example in examples[:6]]
    expected = summarize_with_torch(model, AutoTokenizer.from_pretrained(checkpoint), pairs, SummarySettings(256, 8))
    assert [summarizer.summarize(*pair, beams=1).text for pair in pairs] == expected
    assert any(expected)


def test_a_trimmed_cut_and_quantized_bundle_answers(
    checkpoint: Path, examples: list[Example], repository: Path, tmp_path: Path
) -> None:
    cuts = {"vocabulary": 360, "decoder_layers": 2, "units": 0.67, "recovery_steps": 2, "speed_sample": 2}
    recipe = Recipe("summarize", str(checkpoint), "python", **LOOSE, **cuts, prompt="Explain:\n{code}\nIn short:")
    manifest = export(ExportRequest(recipe, tmp_path / "bundle", repository, examples=tuple(examples)), StageLog())
    assert manifest.decoding is not None
    assert manifest.decoding.layers == 2
    summarizer = Summarizer(open_bundle(tmp_path / "bundle"), 1)
    first = summarizer.summarize("def open_file(path):\n    return path", "python")
    assert first == summarizer.summarize("def open_file(path):\n    return path", "python")
    assert "\n" not in first.text
    assert np.isfinite(first.confidence)


def test_a_bundle_of_mixed_precision_answers(
    checkpoint: Path, examples: list[Example], repository: Path, tmp_path: Path
) -> None:
    recipe = Recipe("summarize", str(checkpoint), "python", **LOOSE, vocabulary=360, linear_dtype="mixed")
    manifest = export(ExportRequest(recipe, tmp_path / "bundle", repository, examples=tuple(examples)), StageLog())
    assert manifest.quantization == "int4 and int8 weights"
    assert Summarizer(open_bundle(tmp_path / "bundle"), 1).summarize("def f(x):\n    return x", "python").confidence < 0
    if AutoConfig.from_pretrained(checkpoint).tie_word_embeddings:  # one copy, and that in 8 bits
        tensors = onnx.load(tmp_path / "bundle" / "decoder.onnx").graph.initializer
        assert not [
            t.name for t in tensors if manifest.recipe["vocabulary"] in t.dims and t.data_type == TensorProto.FLOAT
        ]
    no_code = ExportRequest(recipe, tmp_path / "none", examples=tuple(examples))
    with pytest.raises(InvalidInput, match="needs code: give it with --calibration"):
        export(no_code, StageLog())


def test_a_trimmed_function_keeps_the_prompt_around_it(
    checkpoint: Path, examples: list[Example], repository: Path, tmp_path: Path
) -> None:
    prompt, code = "Explain {language}:\n{code}\nIn short:", "\ndef open_file(path):\n    return open(path, path)\n"
    recipe = Recipe("summarize", str(checkpoint), "python", **LOOSE, prompt=prompt, trim_ratio=0.5, trim_least=4)
    export(ExportRequest(recipe, tmp_path / "bundle", repository, examples=tuple(examples)), StageLog())
    bundle = open_bundle(tmp_path / "bundle")
    assert (bundle.manifest.trim.method, bundle.manifest.trim.ratio) == ("novelty", 0.5)
    whole, trimmed = (Reader(bundle, trim).read_prompt(code, "python") for trim in (Trim(), None))
    tokenizer = Reader(bundle).tokenizer
    around = [tokenizer.encode(part, add_special_tokens=False).ids for part in ("Explain python:\n", "\nIn short:")]
    inner = len(whole) - sum(map(len, around))
    assert len(trimmed) == len(whole) - inner + round(inner / 2)
    assert trimmed[: len(around[0])] == around[0]
    assert trimmed[-len(around[1]) :] == around[1]
    left = iter(whole)
    assert all(token in left for token in trimmed), "the tokens that stay keep their order"
    assert Summarizer(bundle, 1).summarize(code, "python").confidence < 0
    kept = Reader(bundle).explain(Reader(bundle).passage(code, "python"))
    assert kept.kept.sum() == round(inner / 2)
    assert "".join(text for text, *_ in kept.pieces()) == code.strip("\n")
    assert kept.importance.max() == 1 > kept.importance.min()


@pytest.mark.parametrize("window", [4, 12, 30, 256])
def test_a_bundle_that_trims_nothing_reads_the_prompt_that_it_was_made_with(
    checkpoint: Path, examples: list[Example], tokenizer: PreTrainedTokenizerFast, window: int, tmp_path: Path
) -> None:
    recipe = Recipe("summarize", str(checkpoint), "python", **LOOSE, summary_tokens=window, linear_dtype="float32")
    export(ExportRequest(recipe, tmp_path / "bundle", examples=tuple(examples)), StageLog())
    reader, code = Reader(open_bundle(tmp_path / "bundle")), examples[0].code
    expected = prompt_ids(encoder_of(tokenizer), default_prompt("python"), code, "python", window)
    assert reader.read_prompt(code, "python") == expected


def test_a_long_function_loses_its_end_and_not_the_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = prompt_ids(encoder_of(tokenizer), "{code}\n# Summary:", "def f():\n" + "    x = 1\n" * 500, "python", 64)
    assert len(ids) == 64
    text = tokenizer.decode(ids)
    assert text.startswith("def f():")
    assert text.endswith("\n# Summary:")


def test_a_prompt_is_the_same_as_text_and_as_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    code = "int one() {\n  return 1;\n}\n"
    for prompt in (default_prompt("java"), "```{language}\n{code}\n```\nSummary:"):
        ids = prompt_ids(encoder_of(tokenizer), prompt, code, "java", 500)
        assert tokenizer.decode(ids) == fill_prompt(prompt, code, "java")
    assert fill_prompt(prompt, code, "java").startswith("```java\nint")
    prompt = default_prompt("java")
    assert fill_prompt(prompt, code, "java").endswith("}\n\n// Summary:")


@pytest.mark.parametrize("prompt", ["Summarize it", "{code} and {code}"])
def test_a_prompt_needs_one_place_for_the_function(prompt: str) -> None:
    with pytest.raises(InvalidInput, match=r"must hold \{code\} once"):
        check_prompt(prompt)


def test_a_line_break_ends_a_summary(tokenizer: PreTrainedTokenizerFast) -> None:
    stops = stop_tokens(tokenizer)
    assert stops
    assert all("\n" in tokenizer.decode([token]) for token in stops)
    kept = sorted(set(range(len(tokenizer))) - set(stops))
    assert not any("\n" in tokenizer.decode([token]) for token in kept)


def test_the_cache_of_grouped_heads_is_as_wide_as_they_are(tokenizer: PreTrainedTokenizerFast) -> None:
    from sprig_export.models.families import decoder_shape

    for family, heads in (("llama", 2), ("qwen2", 2), ("gemma", 2), ("gpt2", 4)):
        model = make_model(family)
        with torch.no_grad():
            cache = model(torch.ones((1, 3), dtype=torch.int64), use_cache=True).past_key_values
        shape = decoder_shape(model)
        assert (shape.heads, shape.layers) == (heads, len(cache))
        assert cache[0][0].shape == (1, shape.heads, 3, shape.head_dim)
