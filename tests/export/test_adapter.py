"""A language model is taught to summarize: what it reads, that a run survives being killed, and that it is exported."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from peft import PeftModel
from tests.export.families import make_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from sprig_export.bases.adapter import AdapterRun, make_batch, train_adapter
from sprig_export.bases.adapter_data import Lesson, balance, choose_lessons, encode_lesson, prepare, read_lessons
from sprig_export.bases.recipe import AdapterRecipe, is_adapter_recipe, read_adapter_recipe
from sprig_export.bases.summary_data import read_examples
from sprig_export.cli import run
from sprig_export.config.request import Example
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.folder import digest_weights
from sprig_export.models.loading import load_model, load_tokenizer
from sprig_export.models.prompts import encoder_of
from sprig_server.bundle.store import open_bundle
from sprig_server.code.text import prompt_ids
from sprig_server.errors import InvalidInput
from sprig_server.inference.summarizer import Summarizer

RECIPES = Path(__file__).parents[2] / "export" / "sprig_export" / "bases" / "recipes"
PROMPT = "```{language}\n{code}\n```\nSummary:"
NOUNS = ["lines", "names", "tables", "tokens", "sockets", "numbers", "buffers", "trees"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = []
    for number, noun in enumerate(NOUNS * 4):
        other = NOUNS[(number * 3 + 1) % len(NOUNS)]
        body = f"    found = sorted({noun})\n    {other}.extend(found)\n    return {other}"
        code = f"def f{number}({noun}, {other}):\n{body}"
        rows.append(
            {
                "package": f"p{number % 4}",
                "path": "a.py",
                "language": "python",
                "name": f"f{number}",
                "code": code,
                "documentation": "",
                "summary": f"Sort the {noun} and extend the {other} {'by' * (number % 3)} found.",
                "split": "valid" if number % 8 == 7 else "train",
            }
        )
    path = tmp_path_factory.mktemp("corpus") / "python.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    texts = [row["code"] + " " + row["summary"] for row in pyarrow.parquet.read_table(corpus).to_pylist()]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=400, special_tokens=["<end>", "<pad>"], initial_alphabet=alphabet)
    )
    folder = tmp_path_factory.mktemp("model") / "tiny"
    llama = make_model("llama")
    llama.resize_token_embeddings(inner.get_vocab_size())
    for config in (llama.config, llama.generation_config):
        config.eos_token_id, config.pad_token_id, config.bos_token_id = 0, 1, None
    llama.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", pad_token="<pad>").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def recipe(model: Path) -> AdapterRecipe:
    return AdapterRecipe(
        "tiny", str(model), PROMPT, 24, 2e-2, rank=4, among=0, of_verb=1.0, batch_tokens=400, warm_up_steps=2,
        validation_steps=12, checkpoint_steps=8,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(recipe: AdapterRecipe, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    prepare(recipe, [corpus], folder, None)
    return folder


@pytest.fixture(scope="module")
def taught(recipe: AdapterRecipe, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train_adapter(recipe, data, folder)
    return folder


def lesson(**changes: object) -> Lesson:
    code = "def f(names):\n    names.sort()\n    return names[0]"
    return replace(Lesson("p", "python", "f", code, "Sorts the names.", 1.0), **changes)


def test_a_whole_function_is_read_as_it_will_be_served(model: Path, recipe: AdapterRecipe) -> None:
    tokenizer = load_tokenizer(open_checkpoint(str(model)))
    encode, whole = encoder_of(tokenizer), replace(recipe, trimmed=(0.0,))
    row = encode_lesson(lesson(), tokenizer.backend_tokenizer, 0, whole, np.random.default_rng(0))
    assert row is not None
    assert row[0].tolist() == prompt_ids(encode, PROMPT, lesson().code, "python", 500)
    assert tokenizer.decode(row[1]) == " Sorts the names.<end>"


def test_a_trimmed_function_loses_code_and_nothing_of_the_prompt(model: Path, recipe: AdapterRecipe) -> None:
    tokenizer = load_tokenizer(open_checkpoint(str(model))).backend_tokenizer
    draw = np.random.default_rng(0)
    whole, half = (
        encode_lesson(lesson(), tokenizer, 0, replace(recipe, trimmed=(share,)), draw) for share in (0.0, 0.5)
    )
    assert whole is not None and half is not None
    text = tokenizer.decode(half[0].tolist())
    assert text.startswith("```python\n") and text.endswith("\n```\nSummary:")
    assert 0.4 < len(half[0]) / len(whole[0]) < 0.9
    long = lesson(code="def f():\n" + "    x = 1\n" * 500)
    assert encode_lesson(long, tokenizer, 0, recipe, draw) is None


def test_lessons_are_balanced(recipe: AdapterRecipe) -> None:
    def check(wanted: list[int], lessons: list[Lesson], **limits: object) -> None:
        assert [one.score for one in balance(lessons, replace(recipe, **limits))] == wanted

    many = [lesson(sentence=f"Sorts the names of {number}.", score=number, package=f"p{number}") for number in range(6)]
    check([5, 4, 3], many, pairs=3)
    check([5], [replace(one, package="p") for one in many], of_package=1)
    check([5, 4], many, pairs=10, of_verb=0.2)
    check([5], [replace(one, code="def f(x):\n    return x") for one in many], pairs=20, getters=0.05)
    check([5], [replace(one, sentence="Sorts the names.") for one in many])
    assert len(balance(many, replace(recipe, pairs=2), more=2.0)) == 4


def test_lessons_are_those_of_a_split(corpus: Path, tmp_path: Path) -> None:
    train, valid = ({one.name for one in read_lessons(corpus, split)} for split in ("train", "valid"))
    assert train and valid and not train & valid
    with pytest.raises(InvalidInput, match="is not a corpus"):
        list(read_lessons(tmp_path / "none.parquet", "train"))


def test_what_is_not_found_by_its_sentence_is_left_out(recipe: AdapterRecipe) -> None:
    lessons = [lesson(sentence=f"Sorts the names of {number}.") for number in range(4)]
    codes, sentences = np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32)[[1, 0, 2, 3]]
    chosen = choose_lessons(iter(lessons), replace(recipe, among=4, found_within=1), lambda *_: (codes, sentences))
    assert [one.sentence for one in chosen] == ["Sorts the names of 2.", "Sorts the names of 3."]


def test_only_the_sentence_is_learned(data: Path) -> None:
    examples = read_examples(data / "train.npz")
    batch = make_batch(examples, np.arange(3), torch.device("cpu"))
    following = batch.ids.roll(-1, dims=1)
    for row in range(3):
        assert following[row][batch.asked[row]].tolist() == examples.target(row).tolist()
        assert int(batch.mask[row].sum()) == len(examples.source(row)) + len(examples.target(row))


def test_the_model_learns_and_the_adapter_is_small(taught: Path, recipe: AdapterRecipe) -> None:
    log = [json.loads(line) for line in (taught / "log.jsonl").read_text().splitlines()]
    losses = [line["valid_loss"] for line in log if "valid_loss" in line]
    assert losses[-1] < losses[0]
    assert (taught / "adapter" / "adapter_model.safetensors").stat().st_size < 200_000
    assert recipe.model not in (taught / "adapter" / "adapter_config.json").read_text()


def test_a_killed_run_goes_on_as_if_nothing_had_been(
    taught: Path, recipe: AdapterRecipe, data: Path, tmp_path: Path
) -> None:
    train_adapter(recipe, data, tmp_path, stop_after=9)
    train_adapter(recipe, data, tmp_path)
    files = [folder / "adapter" / "adapter_model.safetensors" for folder in (taught, tmp_path)]
    assert digest_weights(files[:1]) == digest_weights(files[1:])
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert all("lora" in name for name in state["model"])  # what no step changes is not kept
    with pytest.raises(InvalidInput, match="another recipe"):
        train_adapter(replace(recipe, rank=2), data, tmp_path)


def test_a_merged_adapter_says_what_the_adapted_model_says(taught: Path, model: Path) -> None:
    base = open_checkpoint(str(model))
    merged = open_checkpoint(str(model), str(taught / "adapter"))
    assert merged.sha256 != base.sha256 and merged.name == "tiny with adapter"
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model), taught / "adapter").eval()
    ids = torch.arange(20)[None]
    with torch.no_grad():
        found = load_model(merged, "summarize")(ids).logits
        torch.testing.assert_close(found, adapted(ids).logits, atol=1e-4, rtol=1e-3)
        assert not torch.allclose(found, load_model(base, "summarize")(ids).logits, atol=1e-2)


def test_a_taught_model_becomes_a_bundle(taught: Path, model: Path, tmp_path: Path, examples: list[Example]) -> None:
    given = tmp_path / "given.jsonl"
    given.write_text("\n".join(json.dumps({"code": e.code, "docstring": e.text}) for e in examples[:8]))
    export = tmp_path / "export.toml"
    export.write_text(
        f'task = "summarize"\nmodel = "{model}"\nlanguage = "python"\nprompt = {json.dumps(PROMPT)}\n'
        'max_new_tokens = 8\nno_repeat = 0\nlinear_dtype = "float32"\nembedding_dtype = "float32"\n'
        "sample = 8\nmax_loss = 100.0\n"
    )
    words = ["export", "--recipe", str(export), "--adapter", str(taught / "adapter"), "--data", str(given)]
    assert run([*words, "--output", str(tmp_path / "bundle")]) == 0
    bundle = open_bundle(tmp_path / "bundle")
    assert bundle.manifest.base.sha256 == open_checkpoint(str(model), str(taught / "adapter")).sha256
    assert bundle.manifest.decoding is not None and bundle.manifest.decoding.prompt == PROMPT
    assert "adapter" not in bundle.manifest.recipe  # a path of this machine
    assert Summarizer(bundle, threads=1).summarize("def f(names):\n    return sorted(names)", "python").text


def test_what_cannot_be_merged_is_named(taught: Path, model: Path, bert: Path, tmp_path: Path) -> None:
    def check(adapter: Path, *said: str, base: Path = model) -> None:
        with pytest.raises(InvalidInput) as refused:
            open_checkpoint(str(base), str(adapter))
        assert all(part in str(refused.value) for part in said) and "\n" not in str(refused.value)

    check(tmp_path / "none", "is not an adapter")
    other = tmp_path / "other"
    shutil.copytree(model, other)
    check(taught / "adapter", "'tiny'", "'other'", base=other)
    damaged = tmp_path / "damaged"
    shutil.copytree(taught / "adapter", damaged)
    (damaged / "adapter_model.safetensors").write_bytes(b"\0" * 64)
    check(damaged, "does not fit")


def test_a_run_needs_pairs_and_a_language_model(recipe: AdapterRecipe, data: Path, bart: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be taught"):
        AdapterRun(replace(recipe, model=str(bart)), data, tmp_path)
    shutil.copytree(data, tmp_path / "empty")
    nothing = {name: np.zeros(size, kind) for name, size, kind in _EMPTY}
    np.savez(tmp_path / "empty" / "train.npz", **nothing)
    with pytest.raises(InvalidInput, match="no pair"):
        AdapterRun(recipe, tmp_path / "empty", tmp_path / "run")


_EMPTY = (
    ("sources", 0, np.uint16),
    ("source_offsets", 1, np.int64),
    ("targets", 0, np.uint16),
    ("target_offsets", 1, np.int64),
)


def test_recipes_are_told_apart(tmp_path: Path) -> None:
    assert is_adapter_recipe(RECIPES / "summary-adapter.toml") and not is_adapter_recipe(RECIPES / "summary.toml")
    assert read_adapter_recipe(RECIPES / "summary-adapter.toml").rank == 16
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('name = "x"\nmodel = "m"\nprompt = "Summarize"\nsteps = 1\nlearning_rate = 1e-4\n')
    with pytest.raises(InvalidInput, match=r"must hold \{code\} once"):
        read_adapter_recipe(wrong)
