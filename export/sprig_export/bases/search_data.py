"""The data of the search base: pairs of query and code as token ids, and the rankings for validation."""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer

from sprig_export.bases.neighbours import group_pairs
from sprig_export.bases.recipe import SearchRecipe
from sprig_export.corpus.build import read_jsonl
from sprig_export.data.calibration import read_rows
from sprig_export.data.queries import keywords, question
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.training.encoding import Tokens, encode_all, tokenize
from sprig_server.code.text import search_input
from sprig_server.errors import InvalidInput

_LOG = logging.getLogger(__name__)
_LANGUAGES = ("python", "java", "javascript", "typescript", "cpp")
_MASK = "f"  # replaces the name of a function that is hidden

Pair = tuple[str, str, str]
"""Query, code and language."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Queries and code, row by row, with a number for the language, int8 [n], and one for the documentation, int64 [n]:
    functions with the same documentation are not negatives of each other. Pairs of one group, int64 [n], share a batch
    (`neighbours`).
    """

    queries: Tokens
    code: Tokens
    languages: NDArray[np.int8]
    texts: NDArray[np.int64]
    groups: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Queries, a pool of code, and the row of each query's right answer in it, int64 [queries]."""

    queries: Tokens
    code: Tokens
    relevant: NDArray[np.int64]


def prepare(
    recipe: SearchRecipe,
    corpora: Sequence[Path],
    output: Path,
    evaluation: Path | None = None,
    questions: Sequence[Path] = (),
) -> None:
    """Turn pairs into the folder that `search.train_search` reads.

    Args:
        recipe: what to train.
        corpora: Parquet files of `corpus.build.build`, of any languages.
        output: the folder to write: pairs.npz, and rankings/NAME.npz for each validation set.
        evaluation: the folder of the recipe's query and validation files; needed only if it names some.
        questions: further pair files, from `corpus.questions.collect`.

    Raises:
        InvalidInput: a corpus, a file or the tokenizer cannot be read.
    """
    if evaluation is None and (recipe.queries or recipe.validation):
        raise InvalidInput(f"The recipe {recipe.name} names data files; name their folder.")
    folder, draw = evaluation or Path(), random.Random(recipe.seed)
    rows = [row for path in corpora for row in read_rows(path, path.stem)]
    pairs = list(draw_pairs(rows, recipe.styles, recipe.hidden_names, recipe.most_pairs, draw))
    for path in (*(folder / name for name in recipe.queries), *questions):
        pairs.extend(query_pairs(path))
    draw.shuffle(pairs)
    tokenizer = _tokenizer(recipe)
    numbers: dict[str, int] = {}
    output.mkdir(parents=True, exist_ok=True)
    queries = tokenize(tokenizer, [query for query, _, _ in pairs], recipe.query_tokens)
    code = tokenize(tokenizer, [code for _, code, _ in pairs], recipe.code_tokens)
    languages = [_language_number(language) for _, _, language in pairs]
    _write(
        output / "pairs.npz",
        queries=queries,
        code=code,
        languages=languages,
        groups=_groups(recipe, queries, np.array(languages, dtype=np.int8), code.lengths),
        texts=[numbers.setdefault(query, len(numbers)) for query, _, _ in pairs],
    )
    _LOG.info("%d pairs", len(pairs))
    rankings = {name: _corpus_ranking(group, recipe, draw) for name, group in _held_out(rows)}
    rankings |= {name: _file_ranking(folder, name, recipe, draw) for name in recipe.validation}
    (output / "rankings").mkdir(exist_ok=True)
    for name, (asked, pool, relevant) in rankings.items():
        _write(
            output / "rankings" / f"{name}.npz",
            queries=tokenize(tokenizer, asked, recipe.query_tokens),
            code=tokenize(tokenizer, pool, recipe.code_tokens),
            relevant=relevant,
        )
        _LOG.info("%s: %d queries, %d functions", name, len(asked), len(pool))


def read_pairs(data: Path) -> Pairs:
    """The pairs that `prepare` wrote.

    Raises:
        InvalidInput: they do not exist.
    """
    arrays = _load(data / "pairs.npz")
    languages = arrays["languages"].astype(np.int8)
    return Pairs(_tokens(arrays, "queries"), _tokens(arrays, "code"), languages, arrays["texts"], arrays["groups"])


def read_rankings(data: Path) -> dict[str, Ranking]:
    """The validation sets that `prepare` wrote, by name."""
    found = {}
    for path in sorted((data / "rankings").glob("*.npz")):
        arrays = _load(path)
        found[path.stem] = Ranking(_tokens(arrays, "queries"), _tokens(arrays, "code"), arrays["relevant"])
    return found


def hide_name(code: str, name: str) -> str:
    """A function's code without its name, so that the body must be read."""
    return re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", _MASK, code) if name else code


def _groups(
    recipe: SearchRecipe, queries: Tokens, languages: NDArray[np.int8], lengths: NDArray[np.int64]
) -> NDArray[np.int64]:
    if recipe.neighbours == 1:
        return np.arange(len(queries))
    encoder = AutoModel.from_pretrained(open_checkpoint(recipe.start).folder, add_pooling_layer=False).eval()
    return group_pairs(encode_all(encoder, queries), languages, lengths, recipe.neighbours, recipe.seed)


def draw_pairs(
    rows: Iterable[dict[str, str]], shares: Sequence[float], hidden_names: float, most: int, draw: random.Random
) -> Iterator[Pair]:
    """Pairs of the rows to train on.

    Args:
        rows: of corpora.
        shares: the shares of the kinds of queries: first sentence, whole documentation, question, keywords.
        hidden_names: the share of functions whose name is hidden in their code.
        most: pairs of each language.
        draw: the random generator.
    """
    styles = (_summary, _documentation, question, keywords)
    by_language: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if row["split"] == "train":
            by_language.setdefault("javascript" if row["language"] == "typescript" else row["language"], []).append(row)
    for _, own in sorted(by_language.items()):
        for row in draw.sample(own, min(most, len(own))):
            style: Callable[..., str] = draw.choices(styles, shares)[0]
            text = row["documentation"] if style is _documentation else row["summary"]
            code = hide_name(row["code"], row["name"]) if draw.random() < hidden_names else row["code"]
            yield style(text, row["language"], draw), search_input(code), row["language"]


def _summary(sentence: str, language: str, draw: random.Random) -> str:
    return sentence


def _documentation(text: str, language: str, draw: random.Random) -> str:
    return text


def query_pairs(path: Path) -> Iterator[Pair]:
    """The pairs of a file of JSON lines with "query" or "docstring", "code" and "language".

    Raises:
        InvalidInput: a record without them.
    """
    for record in read_jsonl(path):
        query = record.get("query") or record.get("docstring")
        code, language = record.get("code"), record.get("language")
        if not isinstance(query, str) or not isinstance(code, str) or not isinstance(language, str):
            raise InvalidInput(f'{path} needs "query" or "docstring", "code" and "language" in every record.')
        yield query, search_input(code), language


def _held_out(rows: Iterable[dict[str, str]]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if row["split"] == "valid":
            groups.setdefault("javascript" if row["language"] == "typescript" else row["language"], []).append(row)
    yield from sorted(groups.items())


def _corpus_ranking(
    rows: list[dict[str, str]], recipe: SearchRecipe, draw: random.Random
) -> tuple[list[str], list[str], list[int]]:
    chosen = draw.sample(rows, min(recipe.validation_pairs, len(rows)))
    return [row["summary"] for row in chosen], [search_input(row["code"]) for row in chosen], list(range(len(chosen)))


def _file_ranking(
    folder: Path, name: str, recipe: SearchRecipe, draw: random.Random
) -> tuple[list[str], list[str], list[int]]:
    """The queries of NAME.valid against functions of NAME.corpus: the right ones and a sample of the others."""
    queries = list(read_jsonl(folder / f"{name}.valid.jsonl.gz"))
    pool = {str(record["id"]): str(record["code"]) for record in read_jsonl(folder / f"{name}.corpus.jsonl.gz")}
    right = [str(query["code_id"]) for query in queries]
    others = sorted(pool.keys() - set(right))
    ids = sorted(set(right)) + draw.sample(others, min(recipe.validation_pool, len(others)))
    place = {key: index for index, key in enumerate(ids)}
    texts = [str(query["query"]) for query in queries]
    return texts, [search_input(pool[key]) for key in ids], [place[key] for key in right]


def _tokenizer(recipe: SearchRecipe) -> Tokenizer:
    try:
        backend: Tokenizer = AutoTokenizer.from_pretrained(open_checkpoint(recipe.start).folder).backend_tokenizer
    except (OSError, ValueError) as error:
        raise InvalidInput(f"The tokenizer of {recipe.start!r} cannot be loaded: {error}") from error
    return backend


def _language_number(language: str) -> int:
    """The number of a language. JavaScript and TypeScript count as one, because they are searched together."""
    return _LANGUAGES.index("javascript" if language == "typescript" else language)


def _write(path: Path, **columns: Tokens | Sequence[int] | NDArray[np.int64]) -> None:
    arrays: dict[str, NDArray[np.uint16] | NDArray[np.int64]] = {}
    for name, column in columns.items():
        if isinstance(column, Tokens):
            arrays |= {f"{name}_ids": column.ids, f"{name}_offsets": column.offsets}
        else:
            arrays[name] = np.array(column, dtype=np.int64)
    np.savez(path, allow_pickle=False, **arrays)


def _tokens(arrays: dict[str, NDArray[np.int64]], name: str) -> Tokens:
    return Tokens(arrays[f"{name}_ids"].astype(np.uint16), arrays[f"{name}_offsets"])


def _load(path: Path) -> dict[str, NDArray[np.int64]]:
    try:
        with np.load(path) as arrays:
            return dict(arrays)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} does not hold prepared data: {error}.") from error
