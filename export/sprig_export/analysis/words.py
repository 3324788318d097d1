"""The words of an analysis: drawing them from a corpus or a folder of source code, and reading them with a model."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from sprig_export.analysis.activations import Encoder, read_states
from sprig_export.analysis.passages import Passages, cut_passages
from sprig_export.analysis.probe import Features, Labels, Rows, Splits
from sprig_export.analysis.split import Sample, Sizes, draw_sample
from sprig_export.analysis.token_classes import CLASSES
from sprig_export.models.checkpoints import Checkpoint
from sprig_export.report.progress import Announce, stage
from sprig_server.code.functions import parse_functions
from sprig_server.code.languages import language_of_path
from sprig_server.code.lines import decode
from sprig_server.errors import InvalidInput
from sprig_server.types import Task

_WINDOW = 128  # tokens of a function that are read: time grows with them, and the first ones contain all classes
_FUNCTIONS = (
    4  # functions that are cut into words for each training word of a class; those without a chosen word are not read
)
_LEAST_TOKENS = 10  # the fewest words of a class to train on


@dataclass(frozen=True, slots=True)
class Study:
    """What to analyse: a model folder or hub id, a language, its corpus (a Parquet file or a folder of source code),
    the number of words of each class to train on, and the seed.
    """

    model: str
    language: str
    corpus: Path
    tokens: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Functions as the model reads them, at most `window` tokens of each, the word type of every word, and the drawn
    words.
    """

    passages: Passages
    types: tuple[str, ...]
    sample: Sample
    window: int

    def types_of(self, rows: NDArray[np.int64]) -> list[str]:
        """The word types of some words."""
        return [self.types[row] for row in rows]

    def labels_of(self, rows: NDArray[np.int64]) -> Labels:
        """The classes of some words, as indices into `sample.classes`."""
        number = {name: place for place, name in enumerate(self.sample.classes)}
        return np.array([number[self.passages.words[row].label] for row in rows], dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The words of a sample: the input of probes, and the model's states.

    `splits` and `seen` are standardised by the `mean` and `deviation` of the training words, float32 [features].
    `states` are the hidden states of the training words, float32 [words, layers + 1, width]. `pooled` is the mean
    output for each function, float32 [functions, width].
    """

    splits: Splits
    seen: Rows
    mean: Features
    deviation: Features
    states: NDArray[np.float32]
    pooled: NDArray[np.float32]


def read_corpus(plan: Study, checkpoint: Checkpoint, language: str, announce: Announce) -> Corpus:
    """Functions of the study's corpus, cut into words, and a sample of these.

    Raises:
        InvalidInput: the corpus or the tokenizer cannot be used, or there are too few words.
    """
    if plan.tokens < _LEAST_TOKENS:
        raise InvalidInput(
            f"{plan.tokens} words of each class are too few to train on: give at least {_LEAST_TOKENS} (--tokens)"
        )
    tick = stage(announce, "functions", 1)
    task: Task = "summarize" if checkpoint.config.get("is_encoder_decoder") else "search"
    window = min(_WINDOW, checkpoint.max_tokens)
    functions = read_functions(plan.corpus, language, _FUNCTIONS * plan.tokens, plan.seed)
    passages = cut_passages(functions, language, task, _tokenizer(checkpoint), window)
    sizes = Sizes(plan.tokens, max(1, round(0.15 * plan.tokens)), max(1, round(0.2 * plan.tokens)))
    types = tuple(word.text.casefold() for word in passages.words)  # the tokenizer may ignore case
    sample = draw_sample(types, [word.label for word in passages.words], CLASSES, sizes, plan.seed)
    tick(1)
    return Corpus(passages, types, sample, window)


def read_functions(source: Path, language: str, count: int, seed: int) -> list[str]:
    """The code of functions without their documentation, without duplicates, in random order.

    Args:
        source: a Parquet file of `sprig corpus build`, or a folder of source files.
        language: the name of a language. Code in other languages is ignored.
        count: the most functions.
        seed: for the order.

    Raises:
        InvalidInput: the file or folder does not exist, or contains no function in that language.
    """
    draw = random.Random(seed)
    functions = _of_folder(source, language, count, draw) if source.is_dir() else _of_corpus(source, language)
    if not functions:
        raise InvalidInput(f'"{source}" holds no function in {language}: name another corpus or language')
    different = list(dict.fromkeys(functions))
    return draw.sample(different, min(count, len(different)))


def read_words(encoder: Encoder, corpus: Corpus, announce: Announce, name: str) -> Words:
    """The activations of a sample's words in a model.

    Args:
        name: the name of this stage.
    """
    sample = corpus.sample
    parts = (sample.train, sample.seen, sample.dev, sample.test)
    rows = np.concatenate(parts)
    tick = stage(announce, name, len(np.unique(corpus.passages.places[rows, 0])))
    states = read_states(encoder, corpus.passages, rows, {}, tick)
    flat = states.words.reshape(len(rows), -1)
    mean, deviation = flat[: len(sample.train)].mean(axis=0), flat[: len(sample.train)].std(axis=0)
    deviation[deviation == 0] = 1
    scaled = (flat - mean) / deviation
    ends = np.cumsum([len(part) for part in parts])[:-1]
    train, seen, dev, test = (
        Rows(features, corpus.labels_of(part)) for features, part in zip(np.split(scaled, ends), parts, strict=True)
    )
    splits = Splits(train, dev, test, len(sample.classes))
    return Words(splits, seen, mean, deviation, states.words[: len(sample.train)], states.pooled)


def _tokenizer(checkpoint: Checkpoint) -> Tokenizer:
    try:
        backend: Tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder).backend_tokenizer
    except (OSError, ValueError) as error:
        raise InvalidInput(f'the tokenizer of "{checkpoint.folder}" cannot be loaded: {error}') from error
    return backend


def _of_corpus(path: Path, language: str) -> list[str]:
    import pyarrow.parquet  # a folder is read without it

    try:
        rows = pyarrow.parquet.read_table(path, columns=["code", "language"]).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise InvalidInput(f'"{path}" is not a corpus that `sprig corpus build` wrote ({error})') from error
    return [row["code"] for row in rows if row["language"] == language]


def _of_folder(folder: Path, language: str, count: int, draw: random.Random) -> list[str]:
    """Functions of files in random order, until there are a few times as many as needed."""
    paths = sorted(path for path in folder.rglob("*") if language_of_path(path.name) is not None and path.is_file())
    draw.shuffle(paths)
    functions: list[str] = []
    for path in paths:
        known = language_of_path(path.name)
        if known is None or known.name != language:
            continue
        try:
            text = decode(path.read_bytes())
        except OSError as error:
            raise InvalidInput(f'"{path}" cannot be read ({error.strerror})') from None
        functions.extend(function.code for function in parse_functions(text, known.name))
        if len(functions) > 4 * count:
            break
    return functions
