"""What to export and how, as one frozen value: the pipeline reads nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from sprig_server.types import Task


@dataclass(frozen=True, slots=True)
class Recipe:
    """The plan of an export.

    `model` is a folder or a hub id. `min_cosine` bounds how far int8 vectors may turn from those of PyTorch (the mean
    over a sample); `min_agreement` is the least share of positions at which the int8 decoder, fed the same prefix,
    picks the token that PyTorch picks. No run of
    `no_repeat` tokens may stand twice in a summary. `sample` functions are measured, drawn with `seed`.
    """

    task: Task
    model: str
    language: str
    opset: int = 18
    summary_tokens: int = 256
    max_new_tokens: int = 40
    beams: int = 4
    no_repeat: int = 3
    min_cosine: float = 0.99
    min_agreement: float = 0.95
    sample: int = 400
    seed: int = 0
