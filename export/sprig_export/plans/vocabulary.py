"""How many entries of its vocabulary a language needs."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter

from tokenizers import Tokenizer

from sprig_export.calibration import Calibration
from sprig_export.checkpoints import Checkpoint
from sprig_export.pruning.checkpoint import count_calibration, load_tokenizer
from sprig_export.pruning.vocabulary import TRIMMED, trim_vocabulary

_COVERED = 0.98
"""The share of the calibration's tokens that keep an entry of their own; the others are spelt out."""
_STEP = 512


def choose_vocabulary(base: Checkpoint, calibration: Calibration) -> int:
    """The number of entries, in steps of 512, that the calibration's text needs; 0 where the vocabulary stays whole."""
    tokenizer = load_tokenizer(base).backend_tokenizer
    if json.loads(tokenizer.to_str())["model"]["type"] not in TRIMMED:
        return 0
    counts = count_calibration(tokenizer.to_str(), calibration)
    sizes = range(_STEP, tokenizer.get_vocab_size(), _STEP)
    covering = bisect_left(sizes, _COVERED, key=lambda size: _covered(tokenizer, counts, size))
    return sizes[covering] if covering < len(sizes) else 0


def _covered(tokenizer: Tokenizer, counts: Counter[int], size: int) -> float:
    """The share of the counted tokens that keep their entry in a vocabulary of a size."""
    kept = trim_vocabulary(tokenizer, counts, size).kept
    return sum(counts[int(index)] for index in kept) / max(1, counts.total())
