"""Retrieval quality: mean reciprocal rank of the right function for each query."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sprig_server.inference.encoder import normalize, pool
from sprig_server.types import Vectors

_BATCH = 16


def reciprocal_ranks(queries: Vectors, candidates: Vectors, relevant: Sequence[int]) -> NDArray[np.float64]:
    """1 / rank of the relevant candidate for each query, by cosine.

    The rank is the number of candidates that score at least as high, so that ties count against the model.

    Args:
        queries: float32 [q, d], L2-normalised.
        candidates: float32 [c, d], L2-normalised.
        relevant: for each query the row of its one right candidate.

    Returns:
        float64 [q], each in (0, 1].
    """
    scores = queries @ candidates.T  # [q, c]
    own = scores[np.arange(len(queries)), np.asarray(relevant)]
    ranks: NDArray[np.float64] = (scores >= own[:, None]).sum(axis=1).astype(np.float64)
    return np.reciprocal(ranks)


def encode_with_torch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    pooling: str,
    max_tokens: int,
) -> Vectors:
    """Vectors from the unexported model: float32 [n, d], L2-normalised; the baseline of every figure."""
    by_length = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    rows: list[NDArray[np.float32]] = [np.zeros(0, dtype=np.float32)] * len(texts)
    for start in range(0, len(by_length), _BATCH):
        batch = by_length[start : start + _BATCH]
        inputs = tokenizer(
            [texts[i] for i in batch],
            padding=True,
            truncation=True,
            max_length=max_tokens,
            return_tensors="pt",
        )
        with torch.inference_mode():
            hidden = model(**inputs).last_hidden_state.float().numpy()
        for index, vector in zip(
            batch, normalize(pool(hidden, inputs["attention_mask"].numpy(), pooling)), strict=True
        ):
            rows[index] = vector
    return np.stack(rows)
