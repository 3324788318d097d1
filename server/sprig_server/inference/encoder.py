"""Computing vectors of texts with a search bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sprig_server.bundle.manifest import HEAD
from sprig_server.bundle.store import Bundle
from sprig_server.code.text import Passage
from sprig_server.errors import Cancelled, InvalidBundle
from sprig_server.inference.reader import Reader
from sprig_server.inference.session import open_session
from sprig_server.types import Vectors

# By measurement: int8 throughput falls beyond this. Texts of equal length need no padding.
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
        self._head = open_session(bundle, HEAD, threads) if HEAD in bundle.manifest.files else None

    def encode(self, texts: Sequence[str | Passage], stop: Callable[[], bool] = lambda: False) -> Vectors:
        """One vector for each text: float32 [n, dimensions], L2-normalised. Passages are functions and are trimmed;
        strings are questions.

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
        """The vectors in batches of texts of similar length, each with the indices of its texts; the longest texts come
        last.

        Raises:
            Cancelled: `stop` returned True between two batches.
        """
        read, unpooled = self._reader.read(texts), self._reader.unpooled(texts)
        by_length = sorted(range(len(texts)), key=lambda index: len(read[index]))
        for start in range(0, len(by_length), BATCH):
            if stop():
                raise Cancelled
            rows = by_length[start : start + BATCH]
            yield rows, self._run([read[row] for row in rows], unpooled[rows])

    def _run(self, sequences: Sequence[list[int]], unpooled: NDArray[np.int64]) -> Vectors:
        b, t = len(sequences), max(1, max(map(len, sequences)))
        ids = np.zeros((b, t), dtype=np.int64)
        mask = np.zeros((b, t), dtype=np.int64)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, {k: v for k, v in feeds.items() if k in self._inputs})[0]  # [b, t, d]
        vectors = pool(hidden, pooled_mask(mask, unpooled), self.bundle.manifest.pooling)
        if self._head is not None:
            vectors = self._head.run(None, {"pooled": vectors})[0]
        return normalize(vectors)


def pooled_mask(mask: NDArray[np.int64], unpooled: NDArray[np.int64]) -> NDArray[np.int64]:
    """A mask, int64 [b, t], without the first tokens of each text, as many as int64 [b] says. Padding is at the end."""
    pooled: NDArray[np.int64] = np.where(np.arange(mask.shape[1]) >= unpooled[:, None], mask, 0)
    return pooled


def pool(hidden: NDArray[np.float32], mask: NDArray[np.int64], pooling: str) -> Vectors:
    """One vector for each row, from the states of its unmasked tokens.

    Args:
        hidden: float32 [b, t, d].
        mask: int64 [b, t], 1 for tokens and 0 for padding.
        pooling: one of `POOLINGS`, or several joined by "+", whose vectors are concatenated.

    Returns:
        float32 [b, d * poolings]; zeros for a row without tokens.
    """
    there = mask[:, :, None].astype(np.float32)
    parts = [_POOL[name](hidden, there) for name in pooling.split("+")]
    vectors: Vectors = np.concatenate(parts, axis=1).astype(np.float32) * there.any(axis=1)
    return vectors


def _first(hidden: NDArray[np.float32], there: NDArray[np.float32]) -> Vectors:
    first: Vectors = hidden[np.arange(len(hidden)), there[:, :, 0].argmax(axis=1)]
    return first


def _last(hidden: NDArray[np.float32], there: NDArray[np.float32]) -> Vectors:
    return _first(hidden[:, ::-1], there[:, ::-1])


def _largest(hidden: NDArray[np.float32], there: NDArray[np.float32]) -> Vectors:
    largest: Vectors = np.where(there > 0, hidden, np.finfo(np.float32).min).max(axis=1)
    return largest


def _mean(hidden: NDArray[np.float32], weights: NDArray[np.float32]) -> Vectors:
    means: Vectors = (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)
    return means


def _scaled_mean(hidden: NDArray[np.float32], there: NDArray[np.float32]) -> Vectors:
    scaled: Vectors = _mean(hidden, there) * np.sqrt(there.sum(axis=1))
    return scaled


def _rising_mean(hidden: NDArray[np.float32], there: NDArray[np.float32]) -> Vectors:
    """The mean with weights that rise with the position of a token."""
    return _mean(hidden, there * np.arange(1, hidden.shape[1] + 1, dtype=np.float32)[:, None])


_POOL = {
    "cls": _first,
    "max": _largest,
    "mean": _mean,
    "mean_sqrt_len_tokens": _scaled_mean,
    "weightedmean": _rising_mean,
    "lasttoken": _last,
}


def normalize(vectors: Vectors) -> Vectors:
    """Rows scaled to length 1, float32 [n, d] to float32 [n, d]. A row of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled
