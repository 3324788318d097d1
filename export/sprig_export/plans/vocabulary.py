"""How many entries of its vocabulary a language needs."""

from __future__ import annotations

import json

from transformers import AutoTokenizer

from sprig_export.calibration import Calibration
from sprig_export.checkpoints import Checkpoint
from sprig_export.pruning.checkpoint import count_calibration
from sprig_export.pruning.vocabulary import TRIMMED

_COVERED = 0.98
"""The share of the calibration's tokens that keep an entry of their own; the others are spelt out."""
_STEP = 512


def choose_vocabulary(base: Checkpoint, calibration: Calibration) -> int:
    """The number of entries, in steps of 512, that the calibration's text needs; 0 where the vocabulary stays whole."""
    tokenizer = AutoTokenizer.from_pretrained(base.folder).backend_tokenizer
    if json.loads(tokenizer.to_str())["model"]["type"] not in TRIMMED:
        return 0
    counts = count_calibration(tokenizer.to_str(), calibration)
    left, entries = (1 - _COVERED) * counts.total(), len(counts)
    for _, count in reversed(counts.most_common()):
        left -= count
        if left < 0:
            break
        entries -= 1
    wanted = -(-entries // _STEP) * _STEP + _STEP  # single characters and special entries stay as well
    return wanted if wanted < tokenizer.get_vocab_size() else 0
