"""Training the search base: queries made of documentation, batches, and a run that survives being killed."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from sprig_export.bases.neighbours import group_pairs
from sprig_export.bases.recipe import SearchRecipe, read_search_recipe
from sprig_export.bases.search import plan_batches, train_search
from sprig_export.bases.search_data import hide_name, prepare, read_pairs, read_rankings
from sprig_export.data.queries import base_form, keywords, question
from sprig_export.models.checkpoints import open_checkpoint
from sprig_server.errors import InvalidInput

VERBS = ["open", "close", "read", "write", "sort", "merge", "parse", "send"]
NOUNS = ["file", "list", "socket", "table", "token", "number", "buffer", "tree"]


@pytest.mark.parametrize(
    ("verb", "base"),
    [
        ("returns", "return"),
        ("parses", "parse"),
        ("matches", "match"),
        ("copies", "copy"),
        ("processes", "process"),
        ("process", "process"),
        ("is", "is"),
        ("get", "get"),
    ],
)
def test_verbs_lose_their_third_person(verb: str, base: str) -> None:
    assert base_form(verb) == base


def test_queries_read_like_what_people_type() -> None:
    draw = random.Random(0)
    sentence = "Returns the number of open files, or None if nothing is known."
    asked = {question(sentence, "python", draw) for _ in range(200)}
    searched = {keywords(sentence, "cpp", draw) for _ in range(200)}
    assert "how to return the number of open files in python" in asked
    assert "c++ return number open files" in searched
    assert all(text == text.lower() and "." not in text for text in asked | searched)
    assert not any(" the " in text or " of " in text for text in searched)


def test_a_hidden_name_is_gone_but_not_the_words_it_is_part_of() -> None:
    code = "def load(path):\n    return load_all(path) or load(path, reload=True)"
    assert hide_name(code, "load") == "def f(path):\n    return load_all(path) or f(path, reload=True)"
    assert hide_name("operator() (x)", "") == "operator() (x)"


def test_batches_hold_one_language_and_every_pair_once_an_epoch() -> None:
    draw = np.random.default_rng(0)
    languages, lengths = draw.integers(0, 3, 300).astype(np.int8), draw.integers(5, 100, 300)
    groups = np.arange(300)
    batches, seen = plan_batches(languages, lengths, groups, 10, seed=1), list[int]()
    again = plan_batches(languages, lengths, groups, 10, seed=1)
    for _ in range(sum(int((languages == n).sum()) // 10 for n in range(3)) - 6):
        batch = next(batches)
        assert np.array_equal(batch, next(again))
        assert len(batch) == 10
        assert len(set(languages[batch].tolist())) == 1
        seen.extend(batch.tolist())
    assert len(seen) == len(set(seen))


def test_neighbours_share_a_group_and_groups_share_a_batch() -> None:
    draw = np.random.default_rng(0)
    topics = draw.integers(0, 4, 960)
    vectors = np.eye(16, dtype=np.float32)[topics] + draw.normal(0, 0.02, (960, 16)).astype(np.float32)
    languages, lengths = (np.arange(960) % 2).astype(np.int8), draw.integers(5, 100, 960)
    groups = group_pairs(vectors, languages, lengths, 4, seed=1)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    assert sum(len(rows) for rows in members) == 960
    assert {len(rows) for rows in members} == {4}
    assert all(len(set(languages[rows].tolist())) == 1 for rows in members)
    assert all(np.ptp(lengths[rows]) < 20 for rows in members), "one eighth of the lengths"
    of_one_topic = np.mean([len(set(topics[rows].tolist())) == 1 for rows in members])
    assert of_one_topic > 0.5, "at random, one group in 64 would be"
    batches = plan_batches(languages, lengths, groups, 8, seed=1)
    for batch in (next(batches) for _ in range(50)):
        assert len(set(groups[batch].tolist())) == 2


def test_too_few_pairs_for_a_batch_are_named() -> None:
    with pytest.raises(InvalidInput, match="make `batch` smaller"):
        next(plan_batches(np.zeros(3, np.int8), np.full(3, 9), np.arange(3), 10, seed=1))


@pytest.fixture(scope="module")
def prepared(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchRecipe, Path]:
    folder = tmp_path_factory.mktemp("prepared")
    rows = []
    for number, (verb, noun) in enumerate((v, n) for v in VERBS for n in NOUNS):
        language = ("python", "typescript")[number % 2]
        code = f"def {verb}_{noun}(x):\n    {noun} = x.{verb}()\n    return {noun}"
        summary = f"{verb.title()}s the {noun} of the given one."
        split = "valid" if number % 8 < 2 else "train"
        row = {"name": f"{verb}_{noun}", "code": code, "documentation": summary + "\n\nMore.", "summary": summary}
        rows.append({**row, "language": language, "split": split})
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "pairs.parquet")
    records = [{"query": f"{r['name']} ?", "code": r["code"], "language": "python", "id": r["name"]} for r in rows]
    for name, lines in {
        "web.train": records[:4],
        "shop.valid": [{**record, "code_id": record["id"]} for record in records[8:12]],
        "shop.corpus": records[8:24],
    }.items():
        with gzip.open(folder / f"{name}.jsonl.gz", "wt") as stream:
            stream.write("".join(json.dumps(line) + "\n" for line in lines))
    recipe = SearchRecipe(
        "tiny",
        str(bert),
        steps=6,
        learning_rate=1e-3,
        styles=(1.0, 1.0, 1.0, 1.0),
        queries=("web.train.jsonl.gz",),
        validation=("shop",),
        validation_pool=6,
        batch=8,
        neighbours=4,
        same_above=0.95,
        warm_up_steps=2,
        validation_steps=3,
        checkpoint_steps=2,
    )
    prepare(recipe, [folder / "pairs.parquet"], folder / "data", folder)
    return recipe, folder / "data"


def test_prepared_data_holds_pairs_and_rankings(prepared: tuple[SearchRecipe, Path], bert: Path) -> None:
    pairs, rankings = read_pairs(prepared[1]), read_rankings(prepared[1])
    assert len(pairs.queries) == len(pairs.code) == 48 + 4
    assert set(pairs.languages.tolist()) == {0, 2}, "TypeScript is trained with JavaScript"
    assert {name: (len(r.queries), len(r.code)) for name, r in rankings.items()} == {
        "javascript": (8, 8),
        "python": (8, 8),
        "shop": (4, 10),
    }
    tokenizer = Tokenizer.from_file(str(bert / "tokenizer.json"))
    assert tokenizer.decode(pairs.code.row(0).tolist()).startswith("def ")


def test_killed_run_ends_with_the_weights_of_an_uninterrupted_one(
    prepared: tuple[SearchRecipe, Path], tmp_path: Path
) -> None:
    train_search(*prepared, tmp_path / "whole")
    for stop in (1, 4, None):
        train_search(*prepared, tmp_path / "parts", stop)
    whole = torch.load(tmp_path / "whole" / "state.pt", weights_only=True)
    parts = torch.load(tmp_path / "parts" / "state.pt", weights_only=True)
    assert whole["step"] == parts["step"] == 6
    for name, weights in whole["model"].items():
        assert torch.equal(weights, parts["model"][name]), name
    log = [json.loads(line) for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "valid_shop" in line] == [3, 6]
    assert "valid_python" in (tmp_path / "parts" / "log.svg").read_text()


def test_trained_model_is_a_sentence_encoder_folder(prepared: tuple[SearchRecipe, Path], tmp_path: Path) -> None:
    train_search(*prepared, tmp_path / "run")
    checkpoint = open_checkpoint(str(tmp_path / "run" / "model"))
    assert checkpoint.pooling == "mean"
    weights = load_file(checkpoint.folder / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}


def test_run_of_another_recipe_is_not_continued(prepared: tuple[SearchRecipe, Path], tmp_path: Path) -> None:
    from dataclasses import replace

    recipe, data = prepared
    train_search(recipe, data, tmp_path / "run", 2)
    with pytest.raises(InvalidInput, match="another recipe"):
        train_search(replace(recipe, seed=2), data, tmp_path / "run")


def test_recipe_needs_four_styles(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('name = "x"\nstart = "y"\nsteps = 1\nlearning_rate = 1e-4\nstyles = [1, 2]\n')
    with pytest.raises(InvalidInput, match=r"four shares, not \[1\.0, 2\.0\]"):
        read_search_recipe(path)
