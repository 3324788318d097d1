"""Turning a checkpoint into the files of a bundle: convert to ONNX, compare with PyTorch, quantize."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sprig_export.bundles.interface import Interface, describe_bundle
from sprig_export.config.recipe import Recipe
from sprig_export.config.request import Example
from sprig_export.models.checkpoints import Checkpoint
from sprig_export.models.families import decoder_shape
from sprig_export.models.generation import read_generation
from sprig_export.models.head import convert_head, head_of, pooled_width, vector_width
from sprig_export.models.loading import load_model, load_tokenizer, write_tokenizer
from sprig_export.models.projection import projection_of
from sprig_export.models.prompts import check_prompt, default_prompt, encoder_of, stop_tokens
from sprig_export.onnx.convert import convert_decoder_only, convert_encoder, convert_encoder_decoder
from sprig_export.onnx.mixed import quantize_mixed
from sprig_export.onnx.quantize import quantize
from sprig_export.onnx.share import share_tables
from sprig_export.onnx.validate import (
    Tokens,
    ValidationFailed,
    continued_logits,
    reference_logits,
    teacher_forced_logits,
    validate_decoder_only,
    validate_encoder,
    validate_encoder_decoder,
)
from sprig_export.report.stages import StageLog
from sprig_server.bundle.manifest import FILE_NAME, Decoding, render_manifest
from sprig_server.code.text import prompt_ids, summary_input
from sprig_server.errors import InvalidInput

# The number of functions for numeric comparisons. Evaluation uses the whole sample.
_VALIDATED = 16
_AGREEMENT = 48
_COMPARED = 32  # tokens of a summary
_CONTINUED = 16  # tokens after a prompt


def build_search(
    recipe: Recipe, checkpoint: Checkpoint, sample: Sequence[Example], folder: Path, run: StageLog
) -> Interface:
    """Write encoder.onnx and tokenizer.json of a sentence encoder into `folder`.

    Raises:
        ValidationFailed: the graph does not compute what the model computes.
    """
    model = load_model(checkpoint, "search")
    with run.stage("convert to ONNX") as facts:
        path = _convert_encoder(checkpoint, model, folder, recipe.opset)
        facts["megabytes"] = _megabytes(path)
    with run.stage("validate against PyTorch") as facts:
        tokenizer = load_tokenizer(checkpoint)
        tokens = _tokenize(tokenizer, [example.code for example in sample[:_VALIDATED]], checkpoint.max_tokens)
        facts |= asdict(validate_encoder(model, path, tokens))
    with run.stage(f"quantize to {recipe.linear_dtype}") as facts:
        _replace_quantized(path, recipe)
        write_tokenizer(checkpoint, folder / "tokenizer.json")
        facts["megabytes"] = _megabytes(path)
    return _interface(recipe, checkpoint, model)


def build_summary(
    recipe: Recipe, checkpoint: Checkpoint, sample: Sequence[Example], folder: Path, run: StageLog
) -> Interface:
    """Write the graphs and the tokenizer of a summary model into `folder`.

    Raises:
        ValidationFailed: the graphs do not compute what the model computes, or differ too much after quantization.
    """
    build = _build_decoder_only if checkpoint.decoder_only else _build_encoder_decoder
    return build(recipe, checkpoint, sample, folder, run)


def _build_encoder_decoder(
    recipe: Recipe, checkpoint: Checkpoint, sample: Sequence[Example], folder: Path, run: StageLog
) -> Interface:
    with run.stage("convert to ONNX") as facts:
        encoder, decoder = convert_encoder_decoder(checkpoint.folder, folder, recipe.opset)
        facts["megabytes"] = _megabytes(encoder, decoder)
    model = load_model(checkpoint, "summarize")
    tokenizer = load_tokenizer(checkpoint)
    with run.stage("validate against PyTorch") as facts:
        written = min(_COMPARED, recipe.max_new_tokens)
        tokens = _read(tokenizer, sample[:_VALIDATED], recipe)
        targets = _decoder_inputs(model, tokenizer, [example.text for example in sample[:_VALIDATED]], written)
        facts |= asdict(validate_encoder_decoder(model, encoder, decoder, tokens, targets))
    with run.stage(f"quantize to {recipe.linear_dtype}") as facts:
        _replace_quantized(encoder, recipe)
        _replace_quantized(decoder, recipe)
        facts["megabytes"] = _megabytes(encoder, decoder)
        write_tokenizer(checkpoint, folder / "tokenizer.json")
    with run.stage("compare greedy tokens") as facts:
        tokens = _read(tokenizer, sample[:_AGREEMENT], recipe)
        agreement = facts["agreement"] = _agreement(model, encoder, decoder, tokens, written)
    _check_agreement(agreement, recipe)
    if recipe.embedding_dtype == "int4":
        with run.stage("share the embedding") as facts:
            facts["shared"] = share_tables(encoder, decoder)
            facts["megabytes"] = _megabytes(encoder, decoder)
    return _interface(recipe, checkpoint, model)


def _build_decoder_only(
    recipe: Recipe, checkpoint: Checkpoint, sample: Sequence[Example], folder: Path, run: StageLog
) -> Interface:
    with run.stage("convert to ONNX") as facts:
        path = convert_decoder_only(checkpoint.folder, folder, recipe.opset)
        facts["megabytes"] = _megabytes(path)
    model = load_model(checkpoint, "summarize")
    tokenizer = load_tokenizer(checkpoint)
    asked = prompt_for(checkpoint, recipe) or ""
    encode, window = encoder_of(tokenizer), recipe.summary_tokens
    prompts = [prompt_ids(encode, asked, e.code, e.language, window) for e in sample[:_AGREEMENT]]
    with run.stage("validate against PyTorch") as facts:
        facts |= asdict(validate_decoder_only(model, path, prompts[:_VALIDATED]))
    with run.stage(f"quantize to {recipe.linear_dtype}") as facts:
        _replace_quantized(path, recipe)
        facts["megabytes"] = _megabytes(path)
        write_tokenizer(checkpoint, folder / "tokenizer.json")
    with run.stage("compare greedy tokens") as facts:
        agreement = facts["agreement"] = _continued_agreement(model, path, prompts)
    _check_agreement(agreement, recipe)
    return _interface(recipe, checkpoint, model)


def build_unchecked(recipe: Recipe, checkpoint: Checkpoint, folder: Path) -> Path:
    """Write the bundle of a model into the new folder `folder`, for measuring. It is not compared with PyTorch."""
    folder.mkdir(parents=True)
    model = load_model(checkpoint, recipe.task)
    if recipe.task == "search":
        graphs: tuple[Path, ...] = (_convert_encoder(checkpoint, model, folder, recipe.opset),)
    elif checkpoint.decoder_only:
        graphs = (convert_decoder_only(checkpoint.folder, folder, recipe.opset),)
    else:
        graphs = convert_encoder_decoder(checkpoint.folder, folder, recipe.opset)
    for path in graphs:
        _replace_quantized(path, recipe)
    if len(graphs) > 1 and recipe.embedding_dtype == "int4":
        share_tables(*graphs)
    write_tokenizer(checkpoint, folder / "tokenizer.json")
    for path in folder.iterdir():
        if path.suffix not in (".onnx", ".npz") and path.name != "tokenizer.json":
            path.unlink()  # left over by the converter
    interface = _interface(recipe, checkpoint, model)
    manifest = describe_bundle(recipe, checkpoint, folder.name, interface, folder)
    (folder / FILE_NAME).write_text(render_manifest(manifest), encoding="utf-8")
    return folder


def _convert_encoder(checkpoint: Checkpoint, model: PreTrainedModel, folder: Path, opset: int) -> Path:
    """Write encoder.onnx into `folder`, and head.onnx if there are layers behind the pooling."""
    path = convert_encoder(checkpoint.folder, folder, opset, projection_of(model))
    head = head_of(model)
    if head is not None:
        convert_head(head, pooled_width(model, checkpoint.pooling), folder, opset)
    return path


def _interface(recipe: Recipe, checkpoint: Checkpoint, model: PreTrainedModel) -> Interface:
    if recipe.task == "search":
        sentences = checkpoint.sentences
        width = vector_width(model, sentences.pooling)
        return Interface(width, sentences.pooling, checkpoint.max_tokens, prompts=sentences.prompts)
    decoding = decoding_for(recipe, checkpoint, model)
    return Interface(model.config.hidden_size, "none", recipe.summary_tokens, decoding)


def decoding_for(recipe: Recipe, checkpoint: Checkpoint, model: PreTrainedModel) -> Decoding:
    """The decoding settings of a summary bundle.

    Raises:
        InvalidInput: a setting of the model cannot be honoured.
    """
    only = checkpoint.decoder_only
    tokenizer, generation = load_tokenizer(checkpoint), read_generation(checkpoint.folder)
    end, *others = generation.ends
    return Decoding(
        **asdict(decoder_shape(model)),
        start_token=generation.start or 0,
        end_token=end,
        max_new_tokens=recipe.max_new_tokens,
        beams=recipe.beams,
        no_repeat=recipe.no_repeat,
        prompt=prompt_for(checkpoint, recipe),
        stop_tokens=(*others, *(stop_tokens(tokenizer) if only else ())),
        rules=generation.rules,
    )


def prompt_for(checkpoint: Checkpoint, recipe: Recipe) -> str | None:
    """The prompt of a decoder-only model; None for others.

    Raises:
        InvalidInput: the recipe's prompt has no place for the function, or there are several languages and no prompt.
    """
    if recipe.task != "summarize" or not checkpoint.decoder_only:
        return None
    if "," in recipe.language and not recipe.prompt:
        raise InvalidInput(f"a bundle for {recipe.language} needs a prompt: give one that has {{language}} in it")
    return check_prompt(recipe.prompt) if recipe.prompt else default_prompt(recipe.language)


def _check_agreement(agreement: float, recipe: Recipe) -> None:
    if agreement < recipe.min_agreement:
        raise ValidationFailed(
            f"the bundle's decoder chooses PyTorch's token at {agreement:.1%} of positions, {recipe.min_agreement:.0%} "
            "are required: no bundle was written; this model needs another quantization"
        )


def _agreement(model: PreTrainedModel, encoder: Path, decoder: Path, tokens: Tokens, written: int) -> float:
    """The share of positions in PyTorch's greedy outputs, of at most `written` tokens, at which the ONNX decoder
    chooses the same token."""
    with torch.inference_mode():
        greedy = model.generate(
            input_ids=torch.from_numpy(tokens.ids),
            attention_mask=torch.from_numpy(tokens.mask),
            max_new_tokens=written,
            do_sample=False,
        ).numpy()
    inputs, chosen = greedy[:, :-1], greedy[:, 1:]
    reference = reference_logits(model, tokens, inputs).argmax(axis=-1)
    found = teacher_forced_logits(encoder, decoder, model, tokens, inputs).argmax(axis=-1)
    counted = chosen != model.config.pad_token_id
    return float((reference == found)[counted].mean()) if counted.any() else 1.0  # nothing to compare


def _continued_agreement(model: PreTrainedModel, decoder: Path, prompts: Sequence[list[int]]) -> float:
    """The same for a decoder-only model after its prompts."""
    with torch.inference_mode():
        texts = [
            model.generate(torch.tensor([ids]), max_new_tokens=_CONTINUED, do_sample=False)[0, :-1].tolist()
            for ids in prompts
        ]
        # The generated tokens are not compared, because the model's rules may have changed them.
        expected = [model(torch.tensor([text])).logits[0].numpy().argmax(axis=-1) for text in texts]
    read = [(text, len(ids) - 1) for text, ids in zip(texts, prompts, strict=True)]
    same = [
        logits.argmax(axis=-1) == tokens[start:]
        for logits, tokens, (_, start) in zip(continued_logits(decoder, model, read), expected, read, strict=True)
    ]
    return float(np.concatenate(same).mean()) if same else 1.0


def _read(tokenizer: PreTrainedTokenizerBase, sample: Sequence[Example], recipe: Recipe) -> Tokens:
    """Functions as the encoder of a model that summarizes reads them."""
    return _tokenize(tokenizer, [summary_input(e.code, e.language) for e in sample], recipe.summary_tokens)


def _tokenize(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], window: int) -> Tokens:
    inputs = tokenizer(list(texts), padding=True, truncation=True, max_length=window, return_tensors="np")
    return Tokens(inputs["input_ids"].astype(np.int64), inputs["attention_mask"].astype(np.int64))


def _decoder_inputs(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], length: int
) -> NDArray[np.int64]:
    """The reference sentences, shifted right by the start token: int64 [b, s]."""
    ids = _tokenize(tokenizer, texts, length).ids
    start = np.full((len(ids), 1), model.config.decoder_start_token_id, dtype=np.int64)
    return np.concatenate([start, ids[:, :-1]], axis=1)


def _replace_quantized(path: Path, recipe: Recipe) -> None:
    full = path.with_suffix(".fp32.onnx")
    path.rename(full)
    if recipe.linear_dtype == "mixed":
        quantize_mixed(full, path, recipe.sensitive)
    else:
        quantize(full, path, recipe.linear_dtype, recipe.embedding_dtype)
    full.unlink()


def _megabytes(*paths: Path) -> float:
    return round(sum(path.stat().st_size for path in paths) / 1e6, 2)
