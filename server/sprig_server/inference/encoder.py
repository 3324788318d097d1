"""Texts to vectors with a search bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sprig_server.bundle.store import Bundle
from sprig_server.code.text import Passage
from sprig_server.errors import Cancelled, InvalidBundle
from sprig_server.inference.reader import Reader
from sprig_server.inference.session import open_session
from sprig_server.types import Vectors

# Measured: int8 throughput falls again beyond this, and texts of equal length waste no padding.
BATCH = 8


class Encoder:
    """A loaded search bundle. Safe to call from several threads at once."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        """Load the bundle.

        Raises:
            InvalidBundle: a file is missing or damaged, or the bundle is for another task.
        """
        if bundle.manifest.task != "search":
            raise InvalidBundle(f'"{bundle.folder}" is a bundle for {bundle.manifest.task}: give one for search')
        self.bundle = bundle
        self.dimensions = bundle.manifest.dimensions
        self._reader = Reader(bundle)
        self._session = open_session(bundle, "encoder.onnx", threads)
        self._inputs = frozenset(node.name for node in self._session.get_inputs())

    def encode(self, texts: Sequence[str | Passage], stop: Callable[[], bool] = lambda: False) -> Vectors:
        """One vector for each text: float32 [n, dimensions], L2-normalised. Functions, which are passages, are trimmed.

        Raises:
            Cancelled: `stop` returned True between two batches.
        """
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for rows, batch in self.encode_batches(texts, stop):
            vectors[rows] = batch
        return vectors

    def encode_batches(
        self, texts: Sequence[str | Passage], stop: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[list[int], Vectors]]:
        """The same in batches of like length, each with the indices of its texts; the longest texts come last.

        Raises:
            Cancelled: `stop` returned True between two batches.
        """
        read = self._reader.read(texts)
        by_length = sorted(range(len(texts)), key=lambda index: len(read[index]))
        for start in range(0, len(by_length), BATCH):
            if stop():
                raise Cancelled
            rows = by_length[start : start + BATCH]
            yield rows, self._run([read[row] for row in rows])

    def _run(self, sequences: Sequence[list[int]]) -> Vectors:
        b, t = len(sequences), max(1, max(map(len, sequences)))
        ids = np.zeros((b, t), dtype=np.int64)
        mask = np.zeros((b, t), dtype=np.int64)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, {k: v for k, v in feeds.items() if k in self._inputs})[0]  # [b, t, d]
        return normalize(pool(hidden, mask, self.bundle.manifest.pooling))


def pool(hidden: NDArray[np.float32], mask: NDArray[np.int64], pooling: str) -> Vectors:
    """One vector for each row: the mean over its unmasked tokens, or its first token.

    Args:
        hidden: float32 [b, t, d].
        mask: int64 [b, t], 1 for tokens and 0 for padding.
        pooling: "mean" or "cls".

    Returns:
        float32 [b, d]; zeros for a row without tokens.
    """
    if pooling == "cls":
        return hidden[:, 0]
    weights = mask[:, :, None].astype(np.float32)
    means: Vectors = (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)
    return means


def normalize(vectors: Vectors) -> Vectors:
    """Rows scaled to length 1; a row of zeros stays as it is. float32 [n, d] to float32 [n, d]."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled
