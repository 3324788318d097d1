"""A smaller base for all languages: a model is cut to a shape and distilled at length.

Exports start from it (`start` in a recipe), so that the recovery for one language can be short.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from sprig_export.bases.search_data import draw_pairs, query_pairs
from sprig_export.bundles.graphs import prompt_for
from sprig_export.config.recipe import Recipe
from sprig_export.config.request import Example
from sprig_export.data.calibration import Calibration, InputFormat, read_calibration, read_rows
from sprig_export.models.checkpoints import Checkpoint, open_checkpoint
from sprig_export.models.folder import replace_folder
from sprig_export.models.loading import halve_checkpoint
from sprig_export.pruning.cut import CutRequest, cut_checkpoint, pairs_for
from sprig_export.trimming.importance import learn_trimming
from sprig_server.errors import InvalidInput

_FUNCTIONS = 100  # of each language

_STYLES, _HIDDEN_NAMES = (0.35, 0.15, 0.2, 0.3), 0.4  # as in bases/recipes/search.toml


def distill(recipe: Recipe, corpora: Sequence[Path], output: Path, questions: Sequence[Path] = ()) -> Path:
    """Cut a model and distil it on all corpora alike. Writes `model` in half precision into `output`.

    An interrupted run in `output` is continued.

    Args:
        recipe: the task, the model, its shape (or, as `start`, a smaller model that continues to learn), and the length
            and rate of the distillation. The rest is ignored.
        corpora: LANGUAGE.parquet of every language.
        questions: further pair files, for search: real questions with code that answers them.

    Returns:
        The model's folder.

    Raises:
        InvalidInput: the model or a corpus cannot be used, the recipe removes nothing, or `output` belongs to another
            recipe.
    """
    if not replace(recipe, start="").cuts:
        raise InvalidInput("the recipe removes nothing and trains nothing: give layers, units or recovery_steps")
    if questions and recipe.task == "summarize":
        raise InvalidInput("only search is trained on questions: leave --questions out")
    base, start = open_checkpoint(recipe.model, recipe.adapter), open_checkpoint(recipe.start) if recipe.start else None
    pairs = _draw(recipe, base, corpora, questions)
    output.mkdir(parents=True, exist_ok=True)
    read = [str(path.resolve()) for path in (*corpora, *questions)]
    stamp, made_by = output / "made-by.txt", f"{recipe} {base.sha256} {start and start.sha256} {read}"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") != made_by:
        raise InvalidInput(f'"{output}" holds a model of another recipe: give another folder, or delete it')
    stamp.write_text(made_by, encoding="utf-8")
    mixed = Calibration("all languages", tuple(pairs), (), functions=tuple(_read_functions(recipe, corpora)))
    trimming = learn_trimming(base, recipe, mixed)
    cut = cut_checkpoint(base, CutRequest(recipe, mixed, output, start=start, trimming=trimming), {})
    with replace_folder(output / "model") as folder:
        halve_checkpoint(cut, recipe.task, folder)
    if (log := output / "state" / "log.jsonl").is_file():  # without recovery_steps there is no training
        shutil.copy(log, output / "model" / "training.jsonl")
    return output / "model"


def _read_functions(recipe: Recipe, corpora: Sequence[Path]) -> list[Example]:
    """Functions of each corpus in turn, enough for an importance table."""
    drawn = [random.Random(recipe.seed).sample(rows, min(_FUNCTIONS, len(rows))) for rows in map(_train_rows, corpora)]
    turns = (row for turn in zip_longest(*drawn) for row in turn if row is not None)
    return [Example(row["language"], row["code"], row["summary"]) for row in turns]


def _train_rows(corpus: Path) -> list[dict[str, str]]:
    return [row for row in read_rows(corpus, corpus.stem) if row["split"] == "train"]


def _draw(
    recipe: Recipe, base: Checkpoint, corpora: Sequence[Path], questions: Sequence[Path]
) -> list[tuple[str, str]]:
    """As many pairs of code and prose as the run can read, from all corpora alike, and those of the further files."""
    draw, share = random.Random(recipe.seed), -(-pairs_for(recipe) // len(corpora))
    pairs: list[tuple[str, str]] = []
    for corpus in corpora:
        if recipe.task == "search":
            drawn = draw_pairs(read_rows(corpus, corpus.stem), _STYLES, _HIDDEN_NAMES, share, draw)
            pairs += [(code, query) for query, code, _ in drawn]
        else:
            prompt = prompt_for(base, replace(recipe, language=corpus.stem))
            form = InputFormat(recipe.task, corpus.stem, prompt)
            pairs += read_calibration(corpus, form, 2, recipe.seed).pairs[:share]
    pairs += [(code, query) for path in questions for query, code, _ in query_pairs(path)]
    draw.shuffle(pairs)
    return pairs
