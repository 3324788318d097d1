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
from sprig_export.data.calibration import Calibration, InputFormat, read_calibration
from sprig_export.evaluate.metrics import sentence_bleu
from sprig_export.evaluate.search import encode_with_torch, encoding_settings, reciprocal_ranks
from sprig_export.evaluate.summaries import SummarySettings, summarize_with_torch
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_export.models.loading import load_model, load_tokenizer
from sprig_export.pruning.masks import Masks, Method, Sparsity, check_method, distance, prune_weights, write_masks
from sprig_export.training.batches import Pair, make_batches
from sprig_server.errors import InvalidInput
from sprig_server.types import Task

LANGUAGES = ("python", "java", "javascript", "cpp")
ENGLISH = "english text"
_CALIBRATED = 512  # functions or sentences for calibration
_SUMMARY_TOKENS = 40
_Drawn = tuple[list[Pair], list[Pair]]


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


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """The model that is pruned, and the functions of each language that every sub-model is measured on."""

    experiment: Experiment
    checkpoint: Checkpoint
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    measured: Mapping[str, Sequence[Example]]

    def prune(self, pairs: Sequence[Pair], sparsity: Sparsity) -> tuple[PreTrainedModel, Masks]:
        """A sub-model that was calibrated on these pairs."""
        task, smaller = self.experiment.task, copy.deepcopy(self.model)
        batches = make_batches(task, smaller, self.tokenizer, pairs, self.experiment.seed)
        return smaller, prune_weights(smaller, batches, self.experiment.method, sparsity)

    def measure(self, model: PreTrainedModel) -> Scores:
        """A score for each function of each language: the reciprocal rank among them, or BLEU-4 of a greedy summary."""
        score = self._ranks if self.experiment.task == "search" else self._bleu
        return {language: score(model, examples) for language, examples in self.measured.items()}

    def _ranks(self, model: PreTrainedModel, examples: Sequence[Example]) -> NDArray[np.float64]:
        queries, code = (
            encode_with_torch(model, self.tokenizer, texts, encoding_settings(self.checkpoint, asked))
            for texts, asked in (([e.text for e in examples], True), ([e.code for e in examples], False))
        )
        return reciprocal_ranks(queries, code, range(len(examples)))

    def _bleu(self, model: PreTrainedModel, examples: Sequence[Example]) -> NDArray[np.float64]:
        pairs = [(example.code, example.language) for example in examples]
        settings = SummarySettings(self.checkpoint.max_tokens, _SUMMARY_TOKENS)
        written = summarize_with_torch(model, self.tokenizer, pairs, settings)
        return np.array([sentence_bleu(s, e.text) for s, e in zip(written, examples, strict=True)])


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
    model, tokenizer = load_model(checkpoint, experiment.task), load_tokenizer(checkpoint)
    read = {name: _read(experiment, name) for name in LANGUAGES}
    texts = {name: _draw(calibration.pairs, experiment.seed) for name, calibration in read.items()}
    prose = [(text, text) for drawn, _ in texts.values() for _, text in drawn]
    texts[ENGLISH] = _draw(prose, experiment.seed)[0], []
    measured = {name: calibration.examples for name, calibration in read.items()}
    subject = _Subject(experiment, checkpoint, model, tokenizer, measured)
    announce("the whole model")
    whole = subject.measure(model)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f'cannot write to "{output}" ({error.strerror}): give another folder') from None
    comparison = Comparison(
        experiment.task,
        checkpoint.name,
        experiment.method,
        "MRR" if experiment.task == "search" else "BLEU-4",
        experiment.functions,
        experiment.seed,
        _means(whole),
        tuple(
            _compare(_prune_all(subject, texts, sparsity, output, announce), sparsity, whole, experiment.seed)
            for sparsity in experiment.sparsities
        ),
    )
    (output / "report.json").write_text(json.dumps(asdict(comparison), indent=2) + "\n", encoding="utf-8")
    return comparison


@dataclass(frozen=True, slots=True, eq=False)
class _SubModels:
    """What was pruned, by what it was calibrated on: the masks, the scores of each language, and how far the masks of a
    language are from those that other functions of it give."""

    masks: dict[str, Masks]
    scores: dict[str, Scores]
    redrawn: dict[str, float]


def _prune_all(
    subject: _Subject, texts: Mapping[str, _Drawn], sparsity: Sparsity, output: Path, announce: Callable[[str], None]
) -> _SubModels:
    masks: dict[str, Masks] = {}
    scores: dict[str, Scores] = {}
    for name, (pairs, _) in texts.items():
        announce(f"{sparsity} pruned, calibrated on {name}")
        smaller, masks[name] = subject.prune(pairs, sparsity)
        write_masks(masks[name], output / f"masks-{name.split()[0]}-{sparsity.slug}.npz")
        scores[name] = subject.measure(smaller)
    redrawn = {}
    for name, (_, others) in texts.items():
        if others:
            announce(f"{sparsity} pruned, calibrated on other functions of {name}")
            redrawn[name] = distance(masks[name], subject.prune(others, sparsity)[1])
    return _SubModels(masks, scores, redrawn)


def _compare(pruned: _SubModels, sparsity: Sparsity, whole: Scores, seed: int) -> Level:
    masks, scores = pruned.masks, pruned.scores
    return Level(
        sparsity.share,
        str(sparsity),
        {name: _means(found) for name, found in scores.items()},
        kept_shares(scores, whole, seed),
        {one: {two: distance(masks[one], masks[two]) for two in masks} for one in masks},
        pruned.redrawn,
        matched_advantage(scores, seed),
    )


def _read(experiment: Experiment, language: str) -> Calibration:
    form = InputFormat(experiment.task, language)
    return read_calibration(experiment.corpora / f"{language}.parquet", form, experiment.functions, experiment.seed)


def _draw(pairs: Sequence[Pair], seed: int) -> _Drawn:
    """The calibration texts, and a second draw of the same size if there are enough texts."""
    drawn = random.Random(seed).sample(list(pairs), min(2 * _CALIBRATED, len(pairs)))
    return drawn[:_CALIBRATED], drawn[_CALIBRATED:]


def _means(scores: Scores) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in scores.items()}
