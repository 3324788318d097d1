"""The export, stage after stage: load, convert, validate, quantize, evaluate, gate, write."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from sprig_export.architectures import decoder_shape, load_encoder_decoder
from sprig_export.bundle_writer import staging_folder, write_bundle
from sprig_export.calibration import read_calibration
from sprig_export.checkpoints import Checkpoint, open_checkpoint
from sprig_export.evaluate.search import encode_with_torch, reciprocal_ranks
from sprig_export.evaluate.summaries import score_summaries, summarize_with_torch
from sprig_export.onnx.convert import convert_encoder, convert_encoder_decoder
from sprig_export.onnx.quantize import quantize
from sprig_export.onnx.share import share_tables
from sprig_export.onnx.validate import (
    ValidationFailed,
    reference_logits,
    teacher_forced_logits,
    validate_encoder,
    validate_encoder_decoder,
)
from sprig_export.pruning.checkpoint import cut_checkpoint, trim_checkpoint
from sprig_export.recipe import Recipe
from sprig_export.samples import Example, standard_library_examples
from sprig_server.bundle.manifest import SCHEMA, Base, Decoding, Manifest, describe_file
from sprig_server.bundle.store import Bundle
from sprig_server.code.text import summary_input
from sprig_server.errors import InvalidInput
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.session import default_threads
from sprig_server.inference.summarizer import Summarizer

# How many functions the numeric comparisons use; evaluation uses the whole sample.
_VALIDATED = 16
_AGREEMENT = 48


@dataclass(slots=True)
class Run:
    """One export under way: where its stages report to, and what they have found out."""

    announce: Callable[[str], None]
    stages: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a stage; what the caller puts into the dictionary is reported with it."""
        self.announce(name)
        facts: dict[str, Any] = {}
        started = time.perf_counter()
        yield facts
        self.stages.append({"stage": name, "seconds": round(time.perf_counter() - started, 2), **facts})


def export(
    recipe: Recipe,
    output: Path,
    examples: Sequence[Example] | None = None,
    calibrated_on: Path | None = None,
    announce: Callable[[str], None] = lambda stage: None,
) -> Manifest:
    """Make a bundle in the folder `output`.

    Args:
        examples: documented functions to validate and evaluate on; the standard library of the running Python where
            none are given.
        calibrated_on: a corpus of the language, or a folder of code: what the model has to know. Its tokens are
            counted, its functions show which parts matter, and its held-out ones are the examples where none are
            given. Needed where the recipe takes anything out.
        announce: called with the name of every stage as it begins.

    Raises:
        InvalidInput: the model or the output folder cannot be used.
        ValidationFailed: the graph does not compute what the model computes; nothing is written.
    """
    run = Run(announce)
    with staging_folder(output) as staging:
        with run.stage("load the model"):
            checkpoint = open_checkpoint(recipe.model)
            calibration = None
            if calibrated_on is not None:
                wanted = recipe.task, recipe.language, recipe.sample, recipe.seed
                calibration = read_calibration(calibrated_on, *wanted)
            if examples is not None:
                named, sample = "given", list(examples)
            elif calibration is not None:
                named, sample = calibration.name, list(calibration.examples)
            else:
                named = "python standard library"
                sample = standard_library_examples(recipe.sample, recipe.seed)
            if len(sample) < 2:
                raise InvalidInput("the evaluation data holds fewer than two functions: give more")
            base = checkpoint
        if recipe.vocabulary:
            if calibration is None:
                raise InvalidInput("a vocabulary is trimmed to what code needs: give code with --calibration")
            with run.stage("trim the vocabulary") as facts:
                checkpoint = trim_checkpoint(checkpoint, recipe, calibration, staging / "trimmed", facts)
        if recipe.cuts:
            if calibration is None:
                raise InvalidInput("what can go is seen on code: give a folder or a corpus with --calibration")
            with run.stage("cut layers, heads and units, and recover") as facts:
                parts = staging / "cut", staging / "recovery"
                checkpoint = cut_checkpoint(checkpoint, recipe, calibration, *parts, facts)
        steps = _export_search if recipe.task == "search" else _export_summarize
        manifest = steps(
            recipe, base, checkpoint, output.name, sample[: recipe.sample], f"{named} ({len(sample)})", staging, run
        )
        with run.stage("write the bundle"):
            # By its name, not by where it lies: a path says nothing elsewhere, and tells of the user's disk.
            named_recipe = asdict(recipe) | {"model": checkpoint.name}
            report = {"recipe": named_recipe, "stages": run.stages, "quality": manifest.quality}
            return write_bundle(staging, output, manifest, report)


def _export_search(
    recipe: Recipe,
    base: Checkpoint,
    checkpoint: Checkpoint,
    name: str,
    sample: list[Example],
    data: str,
    staging: Path,
    run: Run,
) -> Manifest:
    model = AutoModel.from_pretrained(checkpoint.folder, torch_dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder)
    pooling, window = checkpoint.pooling, checkpoint.max_tokens
    code = [example.code for example in sample]
    with run.stage("convert to ONNX") as facts:
        path = convert_encoder(checkpoint.folder, staging, recipe.opset)
        facts["megabytes"] = _megabytes(path)
    with run.stage("validate against PyTorch") as facts:
        ids, mask = _tokenize(tokenizer, code[:_VALIDATED], window)
        facts |= asdict(validate_encoder(model, path, ids, mask))
    with run.stage(f"quantize to {recipe.products}") as facts:
        _replace_quantized(path, recipe)
        shutil.copy(checkpoint.folder / "tokenizer.json", staging / "tokenizer.json")
        facts["megabytes"] = _megabytes(path)
    manifest = _manifest(
        recipe,
        base,
        name,
        dimensions=model.config.hidden_size,
        pooling=pooling,
        max_tokens=window,
        staging=staging,
    )
    with run.stage("evaluate") as facts:
        encoder = Encoder(Bundle(staging, manifest), default_threads())
        queries = [example.text for example in sample]
        rows = list(range(len(sample)))
        if base is not checkpoint:
            model = AutoModel.from_pretrained(base.folder, torch_dtype=torch.float32).eval()
            tokenizer = AutoTokenizer.from_pretrained(base.folder)
        base_code = encode_with_torch(model, tokenizer, code, pooling, window)
        base_queries = encode_with_torch(model, tokenizer, queries, pooling, window)
        vectors = encoder.encode(code)
        cosine = float((vectors * base_code).sum(axis=1).mean())
        figures = {
            "base_mrr": float(reciprocal_ranks(base_queries, base_code, rows).mean()),
            "mrr": float(reciprocal_ranks(encoder.encode(queries), vectors, rows).mean()),
            "cosine": cosine,
        }
        facts |= figures
    if cosine < recipe.min_cosine:
        raise ValidationFailed(
            f"the bundle's vectors have a mean cosine of {cosine:.4f} with those of PyTorch, {recipe.min_cosine} is "
            "asked for: no bundle was written; this model needs another quantization"
        )
    _gate(recipe, "MRR", figures["base_mrr"], figures["mrr"], data)
    return _with_quality(manifest, data, figures)


def _export_summarize(
    recipe: Recipe,
    base: Checkpoint,
    checkpoint: Checkpoint,
    name: str,
    sample: list[Example],
    data: str,
    staging: Path,
    run: Run,
) -> Manifest:
    with run.stage("convert to ONNX") as facts:
        encoder, decoder = convert_encoder_decoder(checkpoint.folder, staging, recipe.opset)
        facts["megabytes"] = _megabytes(encoder, decoder)
    model = load_encoder_decoder(checkpoint.folder)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder)
    window = recipe.summary_tokens
    with run.stage("validate against PyTorch") as facts:
        inputs = [summary_input(example.code, example.language) for example in sample[:_VALIDATED]]
        ids, mask = _tokenize(tokenizer, inputs, window)
        targets = _decoder_inputs(model, tokenizer, [example.text for example in sample[:_VALIDATED]])
        facts |= asdict(validate_encoder_decoder(model, encoder, decoder, ids, mask, targets))
    with run.stage(f"quantize to {recipe.products}") as facts:
        _replace_quantized(encoder, recipe)
        _replace_quantized(decoder, recipe)
        facts["megabytes"] = _megabytes(encoder, decoder)
        (staging / "tokenizer.json").write_bytes((checkpoint.folder / "tokenizer.json").read_bytes())
    with run.stage("compare greedy tokens") as facts:
        agreement = _agreement(model, tokenizer, encoder, decoder, sample[:_AGREEMENT], window)
        facts["agreement"] = agreement
    if agreement < recipe.min_agreement:
        raise ValidationFailed(
            f"the bundle's decoder picks PyTorch's token at {agreement:.1%} of positions, {recipe.min_agreement:.0%} "
            "is asked for: no bundle was written; this model needs another quantization"
        )
    if recipe.tables == "int4":
        with run.stage("share the embedding") as facts:
            facts["shared"] = share_tables(encoder, decoder)
            facts["megabytes"] = _megabytes(encoder, decoder)
    config = model.config
    decoding = Decoding(
        **asdict(decoder_shape(model)),
        start_token=config.decoder_start_token_id,
        end_token=config.eos_token_id,
        max_new_tokens=recipe.max_new_tokens,
        beams=recipe.beams,
        no_repeat=recipe.no_repeat,
    )
    manifest = _manifest(
        recipe,
        base,
        name,
        dimensions=config.d_model,
        pooling="none",
        max_tokens=window,
        staging=staging,
        decoding=decoding,
    )
    with run.stage("evaluate") as facts:
        summarizer = Summarizer(Bundle(staging, manifest), default_threads())
        pairs = [(example.code, example.language) for example in sample]
        references = [example.text for example in sample]
        if base is not checkpoint:
            model, tokenizer = load_encoder_decoder(base.folder), AutoTokenizer.from_pretrained(base.folder)
        before = summarize_with_torch(
            model, tokenizer, pairs, window, recipe.max_new_tokens, no_repeat=recipe.no_repeat
        )
        greedy = [summarizer.summarize(code, language, beams=1).text for code, language in pairs]
        beam = [summarizer.summarize(code, language).text for code, language in pairs]
        figures = {
            "base_greedy_bleu": score_summaries(before, references)["bleu"],
            "greedy_bleu": score_summaries(greedy, references)["bleu"],
            **score_summaries(beam, references),
            "agreement": agreement,
        }
        facts |= figures
    _gate(recipe, "BLEU-4", figures["base_greedy_bleu"], figures["greedy_bleu"], data)
    return _with_quality(manifest, data, figures)


def _gate(recipe: Recipe, metric: str, base: float, found: float, data: str) -> None:
    """Refuse a bundle that lost too much.

    Raises:
        ValidationFailed: it lost more than the recipe allows.
    """
    lost = 100 * (1 - found / base) if base > 0 else 0.0
    if lost > recipe.max_loss:
        raise ValidationFailed(
            f"the bundle has a {metric} of {found:.3f} on {data}, its base {base:.3f}: it loses {lost:.1f} %, and "
            f"{recipe.max_loss:g} % are allowed. No bundle was written; keep more of the model (layers, units, "
            "vocabulary), let it recover for longer, or allow more with --max-loss"
        )


def _agreement(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    encoder: Path,
    decoder: Path,
    sample: Sequence[Example],
    window: int,
) -> float:
    """The share of positions of PyTorch's own greedy outputs at which the ONNX decoder picks the same token."""
    ids, mask = _tokenize(tokenizer, [summary_input(e.code, e.language) for e in sample], window)
    with torch.inference_mode():
        greedy = model.generate(
            input_ids=torch.from_numpy(ids),
            attention_mask=torch.from_numpy(mask),
            max_new_tokens=32,
            do_sample=False,
        ).numpy()
    inputs, chosen = greedy[:, :-1], greedy[:, 1:]
    reference = reference_logits(model, ids, mask, inputs).argmax(axis=-1)
    found = teacher_forced_logits(encoder, decoder, model, ids, mask, inputs).argmax(axis=-1)
    counted = chosen != model.config.pad_token_id
    return float((reference == found)[counted].mean())


def _tokenize(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], window: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    inputs = tokenizer(list(texts), padding=True, truncation=True, max_length=window, return_tensors="np")
    return inputs["input_ids"].astype(np.int64), inputs["attention_mask"].astype(np.int64)


def _decoder_inputs(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> NDArray[np.int64]:
    """The reference sentences shifted right behind the start token: int64 [b, s]."""
    ids, _ = _tokenize(tokenizer, texts, 32)
    start = np.full((len(ids), 1), model.config.decoder_start_token_id, dtype=np.int64)
    return np.concatenate([start, ids[:, :-1]], axis=1)


def _manifest(
    recipe: Recipe,
    checkpoint: Checkpoint,
    name: str,
    *,
    dimensions: int,
    pooling: Any,
    max_tokens: int,
    staging: Path,
    decoding: Decoding | None = None,
) -> Manifest:
    return Manifest(
        schema=SCHEMA,
        name=name,
        task=recipe.task,
        languages=recipe.languages,
        base=Base(checkpoint.name, checkpoint.sha256, checkpoint.licence),
        recipe={key: value for key, value in asdict(recipe).items() if key != "model"},
        dimensions=dimensions,
        pooling=pooling,
        max_tokens=max_tokens,
        quantization=recipe.quantization,
        opset=recipe.opset,
        licence=checkpoint.licence,
        files={path.name: describe_file(path) for path in staging.iterdir() if path.is_file()},
        decoding=decoding,
    )


def _with_quality(manifest: Manifest, data: str, figures: dict[str, float]) -> Manifest:
    return replace(manifest, quality={data: {name: round(value, 4) for name, value in figures.items()}})


def _replace_quantized(path: Path, recipe: Recipe) -> None:
    full = path.with_suffix(".fp32.onnx")
    path.rename(full)
    quantize(full, path, recipe.products, recipe.tables)
    full.unlink()


def _megabytes(*paths: Path) -> float:
    return round(sum(path.stat().st_size for path in paths) / 1e6, 2)
