"""Retrieval quality: the rank of the right function for each query, and confidence intervals of means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sprig_export.models.checkpoints import Checkpoint
from sprig_export.models.head import head_of
from sprig_server.code.text import prompted
from sprig_server.inference.encoder import normalize, pool, pooled_mask
from sprig_server.types import Vectors

_BATCH = 16
_RESAMPLES = 2_000


def ranks(scores: NDArray[np.floating[Any]], relevant: Sequence[int]) -> NDArray[np.int64]:
    """The rank of the one right candidate of each query, from 1.

    It is the number of candidates that score at least as high, so ties count against the model.

    Args:
        scores: float [q, c], higher is better.
        relevant: for each query the column of its right candidate.

    Returns:
        int64 [q], each at least 1.
    """
    own = scores[np.arange(len(scores)), np.asarray(relevant)]
    places: NDArray[np.int64] = (scores >= own[:, None]).sum(axis=1)
    return places


def reciprocal_ranks(queries: Vectors, candidates: Vectors, relevant: Sequence[int]) -> NDArray[np.float64]:
    """1 / rank of the right candidate for each query, by cosine.

    Args:
        queries: float32 [q, d], L2-normalised.
        candidates: float32 [c, d], L2-normalised.
        relevant: for each query the row of its one right candidate.

    Returns:
        float64 [q], each in (0, 1].
    """
    return 1 / ranks(queries @ candidates.T, relevant)


def bootstrap_interval(values: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of float64 [n], n at least 1, from 2,000 resamples drawn with `seed`."""
    draw = np.random.default_rng(seed)
    means = [values[draw.integers(0, len(values), len(values))].mean() for _ in range(_RESAMPLES)]
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class EncodingSettings:
    """How an encoder makes vectors.

    Attributes:
        pooling: as a bundle names it.
        max_tokens: of a text that it reads.
        prompt: the text before every text.
        pool_prompt: whether the prompt's tokens are pooled too.
    """

    pooling: str
    max_tokens: int
    prompt: str = ""
    pool_prompt: bool = True


def encoding_settings(checkpoint: Checkpoint, asked: bool = False) -> EncodingSettings:
    """How a checkpoint encodes functions, or questions where they are `asked`."""
    prompts = checkpoint.sentences.prompts
    prompt = prompts.query if asked else prompts.document
    return EncodingSettings(checkpoint.pooling, checkpoint.max_tokens, prompt, prompts.pooled)


def encode_with_torch(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], settings: EncodingSettings
) -> Vectors:
    """Vectors from the unexported model: float32 [n, d], L2-normalised; the baseline of every figure."""
    prompt, cut = settings.prompt, {"truncation": True, "max_length": settings.max_tokens}
    read = [tokenizer(prompted(text, prompt), **cut)["input_ids"] for text in texts]
    left_out = 0 if settings.pool_prompt or not prompt else _prompt_length(prompt, tokenizer)
    head, takes_types = head_of(model), "token_type_ids" in signature(model.forward).parameters
    by_length = sorted(range(len(texts)), key=lambda index: len(read[index]))
    rows: list[NDArray[np.float32]] = [np.zeros(0, dtype=np.float32)] * len(texts)
    for start in range(0, len(by_length), _BATCH):
        batch = by_length[start : start + _BATCH]
        # Padding is at the end, as in the server: some models count positions from the first token, padding or not.
        ids = torch.zeros((len(batch), max(1, max(len(read[index]) for index in batch))), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, index in enumerate(batch):
            ids[row, : len(read[index])] = torch.tensor(read[index], dtype=torch.int64)
            mask[row, : len(read[index])] = 1
        types = {"token_type_ids": torch.zeros_like(ids)} if takes_types else {}
        with torch.inference_mode():
            hidden = model(input_ids=ids, attention_mask=mask, **types).last_hidden_state.float().numpy()
            counted = pooled_mask(mask.numpy(), np.full(len(batch), left_out, dtype=np.int64))
            vectors = pool(hidden, counted, settings.pooling)
            if head is not None:
                vectors = head(torch.from_numpy(vectors)).numpy()
        for index, vector in zip(batch, normalize(vectors), strict=True):
            rows[index] = vector
    return np.stack(rows)


def _prompt_length(prompt: str, tokenizer: PreTrainedTokenizerBase) -> int:
    """The number of tokens of a prompt, with the special tokens before it and without those after it."""
    special = tokenizer(prompt, return_special_tokens_mask=True)["special_tokens_mask"]
    return len(special) - (special[-1] if special else 0)
