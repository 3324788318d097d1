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
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sprig_export.comparison.matrix import Advantage, Kept, Scores, kept_shares, matched_advantage
from sprig_export.config.request import Example
from sprig_export.data.calibration import Calibration, read_calibration
from sprig_export.evaluate.metrics import sentence_bleu
from sprig_export.evaluate.search import encode_with_torch, reciprocal_ranks
from sprig_export.evaluate.summaries import summarize_with_torch
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_export.models.loading import load_model, load_tokenizer
from sprig_export.pruning.masks import Masks, Method, Sparsity, check_method, distance, prune_weights, write_masks
from sprig_export.training.batches import make_batches
from sprig_server.errors import InvalidInput
from sprig_server.types import Task

LANGUAGES = ("python", "java", "javascript", "cpp")
ENGLISH = "english text"
_CALIBRATED = 512  # functions or sentences for calibration
_SUMMARY_TOKENS = 40


@dataclass(frozen=True, slots=True)
class Experiment:
    """What to compare: a model, the corpora LANGUAGE.parquet in a folder, the sparsities and the method, and the number
    of functions to measure in each language.
    """

    task: Task
    model: str
    corpora: Path
    sparsities: tuple[Sparsity, ...]
    functions: int
    method: Method = "wanda"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """The results at one sparsity.

    Attributes:
        sparsity: the share of weights that were pruned.
        pruned: the sparsity in words, as in "50%, 2:4".
        scores: the mean score, by calibration and by measured language.
        kept: the share of the unpruned model's score, likewise.
        distances: the distances between the masks of two calibrations.
        redrawn: the distance between masks of two draws of functions in one language, if there are enough functions.
        advantage: the effect of matching languages.
    """

    sparsity: float
    pruned: str
    scores: dict[str, dict[str, float]]
    kept: dict[str, dict[str, Kept]]
    distances: dict[str, dict[str, float]]
    redrawn: dict[str, float]
    advantage: Advantage


@dataclass(frozen=True, slots=True)
class Comparison:
    """All levels, with their metric and the unpruned model's scores."""

    task: Task
    model: str
    method: Method
    metric: str
    functions: int
    seed: int
    whole: dict[str, float]
    levels: tuple[Level, ...]


def compare_languages(
    experiment: Experiment, output: Path, announce: Callable[[str], None] = lambda stage: None
) -> Comparison:
    """Prune a model for each language and for English text, and measure every sub-model on every language.

    Writes `report.json` and the packed masks into `output`.

    Raises:
        InvalidInput: the model, a corpus, a sparsity or the output folder cannot be used.
    """
    for sparsity in experiment.sparsities:  # checked before the long work
        check_method(experiment.method, sparsity)
    if experiment.functions < 2:
        raise InvalidInput(f"--functions {experiment.functions} is too few to rank: give 2 at least")
    checkpoint = open_checkpoint(experiment.model)
    model = load_model(checkpoint, experiment.task)
    tokenizer = load_tokenizer(checkpoint)
    read = {name: _read(experiment, name) for name in LANGUAGES}
    drawn = {name: _draw(calibration.pairs, experiment.seed) for name, calibration in read.items()}
    texts = {name: one for name, (one, _) in drawn.items()}
    texts[ENGLISH], _ = _draw([(prose, prose) for pairs in texts.values() for _, prose in pairs], experiment.seed)
    measured = {name: calibration.examples for name, calibration in read.items()}
    announce("the whole model")
    whole = _measure(experiment.task, checkpoint, model, tokenizer, measured)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f'cannot write to "{output}" ({error.strerror}): give another folder') from None

    def prune(pairs: Sequence[tuple[str, str]], sparsity: Sparsity) -> tuple[PreTrainedModel, Masks]:
        smaller = copy.deepcopy(model)
        batches = make_batches(experiment.task, smaller, tokenizer, pairs, experiment.seed)
        return smaller, prune_weights(smaller, batches, experiment.method, sparsity)

    levels = []
    for sparsity in experiment.sparsities:
        masks: dict[str, Masks] = {}
        scores: dict[str, Scores] = {}
        for name, pairs in texts.items():
            announce(f"{sparsity} pruned, calibrated on {name}")
            smaller, masks[name] = prune(pairs, sparsity)
            write_masks(masks[name], output / f"masks-{name.split()[0]}-{sparsity.slug}.npz")
            scores[name] = _measure(experiment.task, checkpoint, smaller, tokenizer, measured)
        redrawn = {}
        for name, (_, others) in drawn.items():
            if others:
                announce(f"{sparsity} pruned, calibrated on other functions of {name}")
                redrawn[name] = distance(masks[name], prune(others, sparsity)[1])
        distances = {one: {two: distance(masks[one], masks[two]) for two in masks} for one in masks}
        means = {name: _means(found) for name, found in scores.items()}
        kept = kept_shares(scores, whole, experiment.seed)
        advantage = matched_advantage(scores, experiment.seed)
        levels.append(Level(sparsity.share, str(sparsity), means, kept, distances, redrawn, advantage))
    comparison = Comparison(
        experiment.task,
        checkpoint.name,
        experiment.method,
        "MRR" if experiment.task == "search" else "BLEU-4",
        experiment.functions,
        experiment.seed,
        _means(whole),
        tuple(levels),
    )
    (output / "report.json").write_text(json.dumps(asdict(comparison), indent=2) + "\n", encoding="utf-8")
    return comparison


def _read(experiment: Experiment, language: str) -> Calibration:
    path = experiment.corpora / f"{language}.parquet"
    return read_calibration(path, experiment.task, language, experiment.functions, experiment.seed)


def _draw(pairs: Sequence[tuple[str, str]], seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The calibration texts, and a second draw of the same size if there are enough texts."""
    drawn = random.Random(seed).sample(list(pairs), min(2 * _CALIBRATED, len(pairs)))
    return drawn[:_CALIBRATED], drawn[_CALIBRATED:]


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
            prompts, settings = checkpoint.sentences.prompts, (checkpoint.pooling, checkpoint.max_tokens)
            queries, code = (
                encode_with_torch(model, tokenizer, texts, *settings, prompt, prompts.pooled)
                for prompt, texts in (
                    (prompts.query, [e.text for e in examples]),
                    (prompts.document, [e.code for e in examples]),
                )
            )
            found[language] = reciprocal_ranks(queries, code, range(len(examples)))
        else:
            pairs = [(example.code, example.language) for example in examples]
            written = summarize_with_torch(model, tokenizer, pairs, checkpoint.max_tokens, _SUMMARY_TOKENS)
            found[language] = np.array([sentence_bleu(s, e.text) for s, e in zip(written, examples, strict=True)])
    return found
