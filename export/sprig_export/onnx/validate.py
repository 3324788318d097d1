"""Comparing an ONNX file with its PyTorch model. Each check raises an error if a difference is too large."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from sprig_export.models.families import decoder_shape
from sprig_server.errors import SprigError

# The largest allowed absolute difference between PyTorch and fp32 ONNX, as a share of the output's largest value.
RELATIVE_TOLERANCE = 1e-4


class ValidationFailed(SprigError):
    """The exported graph does not compute what the model computes."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of an output from the reference: its largest value, and the reference's largest value."""

    output: str
    largest: float
    scale: float

    def check(self) -> None:
        """Raise an error if the difference exceeds `RELATIVE_TOLERANCE`.

        Raises:
            ValidationFailed: it is.
        """
        if not self.largest <= RELATIVE_TOLERANCE * self.scale:
            raise ValidationFailed(
                f'the ONNX output "{self.output}" differs from PyTorch by {self.largest:.2e} where '
                f"{RELATIVE_TOLERANCE * self.scale:.2e} is allowed: try another opset or version of optimum-onnx"
            )


def compare(output: str, reference: NDArray[np.float32], found: NDArray[np.float32]) -> Difference:
    """The difference between two arrays of the same shape.

    Raises:
        ValidationFailed: the shapes differ.
    """
    if reference.shape != found.shape:
        raise ValidationFailed(f'the ONNX output "{output}" has shape {found.shape}, PyTorch gives {reference.shape}')
    return Difference(output, float(np.abs(reference - found).max()), float(np.abs(reference).max()))


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Texts as an encoder reads them: token ids, int64 [b, t], and a mask that is 0 at padding, int64 [b, t]."""

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]


def validate_encoder(model: PreTrainedModel, path: Path, tokens: Tokens) -> Difference:
    """Compare the last hidden state at unpadded positions.

    Raises:
        ValidationFailed: beyond the tolerance.
    """
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = {node.name for node in session.get_inputs()}
    ids, mask = tokens.ids, tokens.mask
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    found = session.run(None, {name: value for name, value in feeds.items() if name in names})[0]
    with torch.inference_mode():
        reference = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).last_hidden_state
    difference = compare("last_hidden_state", reference.numpy()[mask == 1], found[mask == 1])
    difference.check()
    return difference


def validate_encoder_decoder(
    model: PreTrainedModel, encoder: Path, decoder: Path, tokens: Tokens, target: NDArray[np.int64]
) -> Difference:
    """Compare the logits of every step, decoded with the cache, with PyTorch without a cache.

    Args:
        target: what the decoder reads, int64 [b, s].

    Raises:
        ValidationFailed: beyond the tolerance.
    """
    found = teacher_forced_logits(encoder, decoder, model, tokens, target)
    difference = compare("logits", reference_logits(model, tokens, target), found)
    difference.check()
    return difference


def validate_decoder_only(model: PreTrainedModel, path: Path, texts: Sequence[Sequence[int]]) -> Difference:
    """Compare the logits in the second half of every text, read with the cache, with PyTorch without a cache.

    Args:
        texts: token ids, at least two for each text.

    Returns:
        The largest difference of all texts.

    Raises:
        ValidationFailed: beyond the tolerance.
    """
    differences = []
    halves = [(ids, len(ids) // 2) for ids in texts]
    for (ids, start), found in zip(halves, continued_logits(path, model, halves), strict=True):
        with torch.inference_mode():
            reference = model(torch.tensor([ids])).logits[0, start:].numpy()
        differences.append(compare("logits", reference, found))
    worst = max(differences, key=lambda difference: difference.largest / difference.scale)
    worst.check()
    return worst


def continued_logits(
    path: Path, model: PreTrainedModel, texts: Sequence[tuple[Sequence[int], int]]
) -> Iterator[NDArray[np.float32]]:
    """The logits of a decoder-only ONNX file after each token of a text (ids, start), from the start on: float32
    [len(ids) - start, v].

    Tokens before the start are read in one run, later ones one by one with the cache, as the server does.
    """
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for ids, start in texts:
        yield _continue(session, model, ids, start)


def _continue(
    session: ort.InferenceSession, model: PreTrainedModel, ids: Sequence[int], start: int
) -> NDArray[np.float32]:
    inputs = {node.name for node in session.get_inputs()}
    cached = [node.name for node in session.get_outputs() if node.name.startswith("present")]
    shape = decoder_shape(model)
    empty = np.zeros((1, shape.heads, 0, shape.head_dim), dtype=np.float32)
    past = {name.replace("present", "past_key_values"): empty for name in cached}
    logits = []
    for first, last in [(0, start), *((place, place + 1) for place in range(start, len(ids)))]:
        feeds = {
            "input_ids": np.array([ids[first:last]], dtype=np.int64),
            "attention_mask": np.ones((1, last), dtype=np.int64),
            "position_ids": np.arange(first, last)[None],
        }
        run = {name: value for name, value in feeds.items() if name in inputs}
        step_logits, *present = session.run(["logits", *cached], run | past)
        past = dict(zip(past, present, strict=True))
        logits.append(step_logits[0])
    return np.concatenate(logits[1:])


def reference_logits(model: PreTrainedModel, tokens: Tokens, target: NDArray[np.int64]) -> NDArray[np.float32]:
    """PyTorch's logits for every decoder position: float32 [b, s, v]."""
    with torch.inference_mode():
        output = model(
            input_ids=torch.from_numpy(tokens.ids),
            attention_mask=torch.from_numpy(tokens.mask),
            decoder_input_ids=torch.from_numpy(target),
        )
    logits: NDArray[np.float32] = output.logits.numpy()
    return logits


def teacher_forced_logits(
    encoder: Path, decoder: Path, model: PreTrainedModel, tokens: Tokens, target: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The same logits from the two ONNX files, step by step, starting with an empty cache."""
    encoding = ort.InferenceSession(str(encoder), providers=["CPUExecutionProvider"])
    decoding = ort.InferenceSession(str(decoder), providers=["CPUExecutionProvider"])
    names = [node.name for node in encoding.get_outputs()]
    outputs = encoding.run(names, {"input_ids": tokens.ids, "attention_mask": tokens.mask})
    feeds = {name.replace("present", "past_key_values"): value for name, value in zip(names, outputs, strict=True)}
    cached = [node.name for node in decoding.get_outputs() if node.name.startswith("present")]
    shape = decoder_shape(model)
    empty = np.zeros((len(tokens.ids), shape.heads, 0, shape.head_dim), dtype=np.float32)
    feeds |= {name.replace("present", "past_key_values"): empty for name in cached}
    logits = []
    for step in range(target.shape[1]):
        inputs = {**feeds, "input_ids": target[:, step : step + 1], "encoder_attention_mask": tokens.mask}
        step_logits, *present = decoding.run(["logits", *cached], inputs)
        feeds |= {
            name.replace("present", "past_key_values"): value for name, value in zip(cached, present, strict=True)
        }
        logits.append(step_logits)
    return np.concatenate(logits, axis=1)
