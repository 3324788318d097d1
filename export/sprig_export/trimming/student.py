"""Training on trimmed functions: the student reads trimmed functions, the teacher whole ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sprig_export.training.batches import Batch
from sprig_server.trim.importance import Weights
from sprig_server.trim.novelty import keep_novel
from sprig_server.trim.tokens import kept_count

RATIOS = (0.0, 0.0, 0.3, 0.5)
"""The shares to leave out of the functions of a batch, equally likely. Half of the batches are read whole."""


@dataclass(frozen=True, slots=True)
class Trimming:
    """How functions are trimmed: the weight of each token (`novelty_table`, float64 [vocabulary]), the tokens that
    always stay, and the number that stay at least.
    """

    table: Weights
    special: tuple[int, ...]
    least: int = 1


@dataclass(frozen=True, slots=True)
class Read:
    """What a student reads of a batch, and the places of these tokens in the batch, int64 [b, k], padded with 0."""

    batch: Batch
    places: Tensor

    def states_of(self, whole: Tensor) -> Tensor:
        """The states [b, t, d] of the whole batch at the places that the student reads: [b, k, d]."""
        return whole.gather(1, self.places[:, :, None].expand(-1, -1, whole.shape[-1]))


def read_trimmed(batch: Batch, trimming: Trimming, ratio: float) -> Read:
    """A batch of functions without the share `ratio` of their tokens."""
    rows = [
        _kept(ids[mask == 1], trimming, ratio) for ids, mask in zip(batch.ids.numpy(), batch.mask.numpy(), strict=True)
    ]
    longest = max(map(len, rows))
    places = torch.zeros((len(rows), longest), dtype=torch.int64)
    mask = torch.zeros_like(places)
    for number, row in enumerate(rows):
        places[number, : len(row)] = torch.from_numpy(row)
        mask[number, : len(row)] = 1
    return Read(replace(batch, ids=batch.ids.gather(1, places) * mask, mask=mask), places)


def _kept(ids: NDArray[np.int64], trimming: Trimming, ratio: float) -> NDArray[np.int64]:
    """The places of a function's tokens that stay, int64 [n]."""
    inner = np.flatnonzero(~np.isin(ids, trimming.special))
    stays = np.ones(len(ids), dtype=bool)
    stays[inner] = False
    stays[inner[keep_novel(ids[inner], kept_count(len(inner), ratio, trimming.least), trimming.table)]] = True
    return np.flatnonzero(stays)


def choose_ratio(generator: np.random.Generator, ratios: Sequence[float] = RATIOS) -> float:
    """A random one of the shares."""
    return float(ratios[int(generator.integers(len(ratios)))])
