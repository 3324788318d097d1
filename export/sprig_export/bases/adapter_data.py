"""Training pairs for an adapter: the best of the corpora, balanced, as token ids."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from sprig_export.bases.recipe import AdapterRecipe
from sprig_export.bases.summary_data import Examples, write_examples
from sprig_export.corpus.grounding import ground
from sprig_export.corpus.teaching import teaching_sentence
from sprig_export.evaluate.round_trip import Search, find_ranks
from sprig_export.models.checkpoints import open_checkpoint
from sprig_server.code.text import prompt_parts
from sprig_server.errors import InvalidInput
from sprig_server.trim.novelty import keep_novel
from sprig_server.trim.tokens import kept_count

_LOG = logging.getLogger(__name__)
_MORE = 1.6  # the number of pairs to search for, as a multiple of the wanted pairs


@dataclass(frozen=True, slots=True)
class Lesson:
    """A function, and the sentence to learn about it."""

    package: str
    language: str
    name: str
    code: str
    sentence: str
    score: float
    """How many of its content words come from the function and are not in its name."""


def prepare(recipe: AdapterRecipe, corpora: Sequence[Path], output: Path, search: Search | None) -> None:
    """Turn pairs into the folder that `adapter.train_adapter` reads: train.npz and valid.npz.

    Args:
        corpora: Parquet files of `corpus.build.build`.
        search: finds functions by their sentences; None to search for none.

    Raises:
        InvalidInput: a corpus or the model's tokenizer cannot be read.
    """
    output.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(open_checkpoint(recipe.model).folder / "tokenizer.json"))
    end = open_checkpoint(recipe.model).config["eos_token_id"]
    draw = np.random.default_rng(recipe.seed)

    def is_short_enough(lesson: Lesson) -> bool:  # or it would take the place of one that is
        return len(tokenizer.encode(lesson.code, add_special_tokens=False).ids) <= recipe.code_tokens

    for split, wanted in (("train", recipe), ("valid", replace(recipe, pairs=recipe.validation_pairs))):
        candidates = (filter(is_short_enough, read_lessons(path, split)) for path in corpora)
        lessons = [lesson for found in candidates for lesson in choose_lessons(found, wanted, search)]
        random.Random(recipe.seed).shuffle(lessons)
        rows = [row for lesson in lessons if (row := encode_lesson(lesson, tokenizer, int(end), recipe, draw))]
        write_examples(output / f"{split}.npz", pack_examples(rows))
        counted = Counter(lesson.language for lesson in lessons)
        _LOG.info("%s: %s lessons, %d tokens", split, dict(counted), sum(len(source) for source, _ in rows))


def read_lessons(corpus: Path, split: str) -> Iterator[Lesson]:
    """The possible lessons of a corpus.

    Raises:
        InvalidInput: it is not a corpus.
    """
    import pyarrow.parquet

    columns = ["package", "language", "name", "code", "summary"]
    try:
        rows = pyarrow.parquet.read_table(corpus, columns=columns, filters=[("split", "=", split)]).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise InvalidInput(f"{corpus} is not a corpus that `sprig corpus build` wrote: {error}.") from error
    for row in rows:
        summary = row.pop("summary")
        sentence = teaching_sentence(summary, row["name"], row["code"])
        if sentence is not None:
            found = ground(sentence, row["name"], row["code"])
            yield Lesson(**row, sentence=sentence, score=found.words * (found.own - found.named / 2))


def choose_lessons(lessons: Iterable[Lesson], recipe: AdapterRecipe, search: Search | None) -> list[Lesson]:
    """The best lessons of a language whose functions are found by their sentences, balanced.

    Args:
        search: finds functions by their sentences; None to search for none.
    """
    if search is not None and (likely := balance(lessons, recipe, _MORE)):
        code, sentences = [lesson.code for lesson in likely], [lesson.sentence for lesson in likely]
        ranks = find_ranks(*search(likely[0].language, code, sentences), recipe.among, recipe.seed)
        lessons = [lesson for lesson, rank in zip(likely, ranks, strict=True) if rank <= recipe.found_within]
    return balance(lessons, recipe)


def balance(lessons: Iterable[Lesson], recipe: AdapterRecipe, more: float = 1.0) -> list[Lesson]:
    """The best lessons, each sentence once, within the recipe's limits for a language, a package, sentences that begin
    with one verb, and short functions. `more` multiplies all limits.
    """
    most = round(recipe.pairs * more)
    packages: Counter[str] = Counter()
    verbs: Counter[str] = Counter()
    short, chosen = 0, dict[str, Lesson]()
    for lesson in sorted(lessons, key=lambda lesson: -lesson.score):
        verb, small = lesson.sentence.partition(" ")[0], is_short(lesson.code)
        full = packages[lesson.package] >= recipe.of_package * more or verbs[verb] >= recipe.of_verb * most
        if full or lesson.sentence in chosen or (small and short >= recipe.getters * most):
            continue
        packages[lesson.package] += 1
        verbs[verb] += 1
        short += small
        chosen[lesson.sentence] = lesson
        if len(chosen) == most:
            break
    return list(chosen.values())


def is_short(code: str) -> bool:
    """Whether a function's body has one or two lines, such as "return self.size"."""
    return sum(1 for line in code.splitlines() if line.strip(" \t{}();")) <= 2


def encode_lesson(
    lesson: Lesson, tokenizer: Tokenizer, end: int, recipe: AdapterRecipe, draw: np.random.Generator
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]] | None:
    """The prompt and the sentence as token ids; None if the function is too long."""
    before, after = prompt_parts(recipe.prompt, lesson.language)
    head = tokenizer.encode(before, add_special_tokens=False).ids
    whole = tokenizer.encode(before + lesson.code.strip("\n"), add_special_tokens=True).ids
    tail = tokenizer.encode(after, add_special_tokens=False).ids
    sentence = tokenizer.encode(f" {lesson.sentence}", add_special_tokens=False).ids
    code = np.array(whole[len(head) :], dtype=np.int64)
    if len(code) > recipe.code_tokens or len(sentence) >= recipe.sentence_tokens:
        return None
    ratio = float(recipe.trimmed[int(draw.integers(len(recipe.trimmed)))])
    table = np.ones(tokenizer.get_vocab_size())
    kept = code[keep_novel(code, kept_count(len(code), ratio), table)]
    prompt = np.array([*whole[: len(head)], *kept, *tail], dtype=np.uint16)
    return prompt, np.array([*sentence, end], dtype=np.uint16)


def pack_examples(rows: Sequence[tuple[NDArray[np.uint16], NDArray[np.uint16]]]) -> Examples:
    """Prompts and sentences in flat arrays."""
    flat = [np.concatenate([np.empty(0, np.uint16), *column]) for column in zip(*rows, strict=True)] or [
        np.empty(0, np.uint16)
    ] * 2
    offsets = [np.cumsum([0, *(len(row[column]) for row in rows)], dtype=np.int64) for column in (0, 1)]
    return Examples(flat[0], offsets[0], flat[1], offsets[1])
