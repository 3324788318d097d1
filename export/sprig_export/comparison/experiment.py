"""The experiment: one sub-model for each calibration text, all of them measured on every language."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sprig_export.calibration import Calibration, read_calibration
from sprig_export.checkpoints import Checkpoint, open_checkpoint
from sprig_export.comparison.matrix import Advantage, Scores, kept_shares, matched_advantage
from sprig_export.evaluate.search import encode_with_torch, reciprocal_ranks
from sprig_export.evaluate.summaries import summarize_with_torch
from sprig_export.evaluate.text_metrics import sentence_bleu
from sprig_export.pruning.checkpoint import load_model, load_tokenizer
from sprig_export.pruning.feeds import make_feeds
from sprig_export.pruning.masks import distance, write_masks
from sprig_export.pruning.unstructured import Sparsity, prune_weights
from sprig_export.samples import Example
from sprig_server.errors import InvalidInput
from sprig_server.types import Task

LANGUAGES = ("python", "java", "javascript", "cpp")
ENGLISH = "english text"
_CALIBRATED = 512  # functions or sentences that decide what goes
_SUMMARY_TOKENS = 40


@dataclass(frozen=True, slots=True)
class Experiment:
    """What to compare: a model, the corpora LANGUAGE.parquet of a folder, sparsities, functions measured a language."""

    task: Task
    model: str
    corpora: Path
    sparsities: tuple[float, ...]
    functions: int
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """What came out at one sparsity: by calibration and measured language the mean score, and the share of the
    unpruned model's; how far apart the masks are; and whether matching helps."""

    sparsity: float
    scores: dict[str, dict[str, float]]
    kept: dict[str, dict[str, float]]
    distances: dict[str, dict[str, float]]
    advantage: Advantage


@dataclass(frozen=True, slots=True)
class Comparison:
    """All levels, with what they are measured by and against."""

    task: Task
    model: str
    metric: str
    functions: int
    seed: int
    whole: dict[str, float]
    levels: tuple[Level, ...]


def compare_languages(
    experiment: Experiment, output: Path, announce: Callable[[str], None] = lambda stage: None
) -> Comparison:
    """Prune a model once for each language and for English text, and measure every sub-model on every language.

    Writes `report.json` and the packed masks into `output`.

    Raises:
        InvalidInput: the model, a corpus, a sparsity or the output folder cannot be used.
    """
    sparsities = [Sparsity(share) for share in experiment.sparsities]  # refused now, not after minutes
    if experiment.functions < 2:
        raise InvalidInput(f"--functions {experiment.functions} is too few to rank: give 2 at least")
    checkpoint = open_checkpoint(experiment.model)
    model = load_model(checkpoint, experiment.task)
    tokenizer = load_tokenizer(checkpoint)
    read = {name: _read(experiment, name) for name in LANGUAGES}
    texts = {name: _draw(calibration.pairs, experiment.seed) for name, calibration in read.items()}
    texts[ENGLISH] = _draw([(prose, prose) for pairs in texts.values() for _, prose in pairs], experiment.seed)
    measured = {name: calibration.examples for name, calibration in read.items()}
    announce("the whole model")
    whole = _measure(experiment.task, checkpoint, model, tokenizer, measured)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f'cannot write to "{output}" ({error.strerror}): give another folder') from None
    levels = []
    for sparsity in sparsities:
        masks: dict[str, dict[str, Tensor]] = {}
        scores: dict[str, Scores] = {}
        for name, pairs in texts.items():
            announce(f"{sparsity.share:.0%} pruned, calibrated on {name}")
            smaller = copy.deepcopy(model)
            feeds = make_feeds(experiment.task, smaller, tokenizer, pairs, experiment.seed)
            masks[name] = prune_weights(smaller, feeds, "wanda", sparsity)
            write_masks(masks[name], output / f"masks-{name.split()[0]}-{round(100 * sparsity.share)}.npz")
            scores[name] = _measure(experiment.task, checkpoint, smaller, tokenizer, measured)
        levels.append(_level(sparsity.share, scores, whole, masks, experiment.seed))
    comparison = Comparison(
        experiment.task,
        checkpoint.name,
        "MRR" if experiment.task == "search" else "BLEU-4",
        experiment.functions,
        experiment.seed,
        _means(whole),
        tuple(levels),
    )
    (output / "report.json").write_text(json.dumps(asdict(comparison), indent=2) + "\n", encoding="utf-8")
    return comparison


def _level(
    sparsity: float, scores: Mapping[str, Scores], whole: Scores, masks: Mapping[str, Mapping[str, Tensor]], seed: int
) -> Level:
    distances = {one: {two: distance(masks[one], masks[two]) for two in masks} for one in masks}
    means = {name: _means(found) for name, found in scores.items()}
    return Level(sparsity, means, kept_shares(scores, whole), distances, matched_advantage(scores, seed))


def _read(experiment: Experiment, language: str) -> Calibration:
    path = experiment.corpora / f"{language}.parquet"
    return read_calibration(path, experiment.task, language, experiment.functions, experiment.seed)


def _draw(pairs: Sequence[tuple[str, str]], seed: int) -> list[tuple[str, str]]:
    return random.Random(seed).sample(list(pairs), min(_CALIBRATED, len(pairs)))


def _means(scores: Scores) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in scores.items()}


def _measure(
    task: Task,
    checkpoint: Checkpoint,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    measured: Mapping[str, Sequence[Example]],
) -> dict[str, NDArray[np.float64]]:
    """A score for each function of each language: the reciprocal rank among them, or BLEU-4 of a greedy summary."""
    found = {}
    for language, examples in measured.items():
        if task == "search":
            queries, code = (
                encode_with_torch(model, tokenizer, texts, checkpoint.pooling, checkpoint.max_tokens)
                for texts in ([e.text for e in examples], [e.code for e in examples])
            )
            found[language] = reciprocal_ranks(queries, code, range(len(examples)))
        else:
            pairs = [(example.code, example.language) for example in examples]
            written = summarize_with_torch(model, tokenizer, pairs, checkpoint.max_tokens, _SUMMARY_TOKENS)
            found[language] = np.array([sentence_bleu(s, e.text) for s, e in zip(written, examples, strict=True)])
    return found
