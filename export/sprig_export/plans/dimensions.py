"""How many output dimensions search needs: as few principal directions as rank the same functions first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sprig_export.checkpoints import Checkpoint
from sprig_export.evaluate.export_quality import questions_of, vectors_of_texts
from sprig_export.evaluate.search import reciprocal_ranks
from sprig_export.head import may_project, read_head
from sprig_export.projection import principal_directions
from sprig_export.samples import Example
from sprig_server.types import Vectors

_SHARES = (1 / 3, 1 / 2, 2 / 3)
_MULTIPLE = 32
_LOSS = 0.002
"""The share of the MRR that fewer dimensions may cost."""


def choose_dimensions(base: Checkpoint, texts: Sequence[str], sample: Sequence[Example]) -> int:
    """The fewest dimensions that keep the base's MRR on a sample, but for a fifth of a per cent; 0 for all of them.

    Args:
        texts: code and prose that the directions are found on, none of it of the sample.
    """
    if not may_project(base.pooling) or read_head(base.sentences)[1] is not None:
        return 0  # a map of states would not turn the vectors
    known, code = vectors_of_texts(base, texts), vectors_of_texts(base, [example.code for example in sample])
    asked = [vectors_of_texts(base, queries, asked=True) for queries in questions_of(sample).values()]
    width, own = int(code.shape[1]), range(len(sample))
    whole = np.mean([reciprocal_ranks(queries, code, own) for queries in asked])
    for share in _SHARES:
        kept = round(width * share / _MULTIPLE) * _MULTIPLE
        if not 0 < kept < width:
            continue
        turn = principal_directions(known, kept).numpy().T
        turned = _unit(code @ turn)
        if np.mean([reciprocal_ranks(_unit(queries @ turn), turned, own) for queries in asked]) >= (1 - _LOSS) * whole:
            return kept
    return 0


def _unit(rows: Vectors) -> Vectors:
    scaled: Vectors = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return scaled
