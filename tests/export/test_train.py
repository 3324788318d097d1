"""Training: the recipe, the tokenizer, what the model starts from, and a run that survives being killed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForSeq2SeqLM,
    BertConfig,
    BertModel,
    BertTokenizerFast,
    PreTrainedTokenizerFast,
)

from sprig_export.bases.recipe import (
    Stage,
    SummaryRecipe,
    is_adapter_recipe,
    read_adapter_recipe,
    read_search_recipe,
    read_summary_recipe,
)
from sprig_export.bases.start import start_model, train_tokenizer
from sprig_export.bases.summarize import learning_rate, train_summary
from sprig_export.bases.summary_data import plan_batches, prepare, read_examples
from sprig_export.config.recipe import read_recipe
from sprig_server.errors import InvalidInput

WORDS = [
    "load",
    "save",
    "count",
    "merge",
    "values",
    "names",
    "lines",
    "return",
    "the",
    "def",
    "all",
    "of",
    "in",
]
RECIPES = Path(__file__).parents[2] / "export" / "sprig_export" / "bases" / "recipes"
RECIPE = """
name = "tiny"
start = {start}
targets = ["style.train.jsonl.gz"]
target_validation = "style.valid.jsonl.gz"
vocabulary_size = 320
encoder_layers = 2
decoder_layers = 1
positions = 64
source_tokens = 32
target_tokens = 12
warm_up_steps = 2
validation_steps = 4
checkpoint_steps = 2

[[stages]]
name = "decoder"
steps = 3
learning_rate = 1e-3
train_encoder = false
batch_tokens = 256

[[stages]]
name = "all"
steps = 5
learning_rate = 5e-4
target_share = 0.5
batch_tokens = 128
dropout = 0.1
"""


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ";", "(", ")", ":", *WORDS]
    vocabulary += [prefix + letter for letter in "abcdefghijklmnopqrstuvwxyz" for prefix in ("", "##")]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, hidden_dropout_prob=0.0, **shape)
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def prepared(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recipe file and the data prepared for it."""
    folder = tmp_path_factory.mktemp("prepared")
    choose = np.random.default_rng(0)
    rows = []
    for number in range(120):
        verb, noun = (str(word) for word in choose.choice(WORDS, 2))
        code = f"def {verb}_{noun}(x):\n    " + "\n    ".join(f"{noun} = {verb}(x)" for _ in range(number % 4 + 1))
        summary = f"{verb.title()} the {noun}."
        split = "valid" if number % 10 == 0 else "train"
        rows.append({"language": "python", "code": code, "summary": summary, "split": split})
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "pairs.parquet")
    for split in ("train", "valid"):
        with gzip.open(folder / f"style.{split}.jsonl.gz", "wt") as stream:
            for row in rows:
                if row["split"] == split:
                    stream.write(json.dumps({**row, "docstring": row["summary"].lower()}) + "\n")
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE.format(start=json.dumps(str(bert))))
    prepare(read_summary_recipe(recipe), [folder / "pairs.parquet"], folder / "data", folder)
    return recipe, folder / "data"


def test_committed_recipes_can_be_read() -> None:
    paths = sorted(RECIPES.glob("*.toml"))
    assert paths
    for path in paths:
        if path.stem.startswith("distill"):
            assert read_recipe(path).cuts
            continue
        of_summaries = read_adapter_recipe if is_adapter_recipe(path) else read_summary_recipe
        read = read_search_recipe if path.stem.startswith("search") else of_summaries
        assert read(path).name == path.stem


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("speed = 3", "does not know speed"),
        ("seed = 'one'", "seed of the recipe must be of type int"),
        ("seed = [", "is not a TOML file"),
    ],
)
def test_recipe_refuses_what_it_does_not_know(tmp_path: Path, change: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(change + "\n" + RECIPE.format(start='"bert"'))
    with pytest.raises(InvalidInput, match=message):
        read_summary_recipe(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('products = "int4"', "products of the recipe is called linear_dtype now"),
        ('tables = "int4"', "tables of the recipe is called embedding_dtype now"),
        ('recovery_products = "int8"', "called recovery_linear_dtype now"),
        ("learn_tables = false", "called train_embeddings now"),
    ],
)
def test_an_old_key_is_refused_with_the_new_name(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f'task = "search"\nmodel = "m"\nlanguage = "python"\n{old}\n')
    with pytest.raises(InvalidInput, match=new):
        read_recipe(path)


def test_recipe_needs_stages(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('name = "x"\nstart = "y"\n')
    with pytest.raises(InvalidInput, match="stages"):
        read_summary_recipe(path)


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    stages = (Stage("one", 100, 1e-3), Stage("two", 100, 4e-4))
    recipe = SummaryRecipe("r", "s", stages, warm_up_steps=10)
    rates = [learning_rate(recipe, step) for step in range(recipe.steps)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[100] == pytest.approx(4e-4)
    assert rates[50] == pytest.approx(7e-4)
    assert rates[-1] == pytest.approx(4e-6)


def test_tokenizer_cuts_identifiers_keeps_text_and_closes_it() -> None:
    texts = ["def loadValues(file_name):\nreturn parseHTTP2(file_name)", "Load all values of a file."] * 20
    tokenizer = train_tokenizer(texts, 320)
    assert [tokenizer.token_to_id(token) for token in ("<pad>", "</s>", "<unk>", "<python>")] == [0, 1, 2, 3]
    for text in (*texts[:2], "größer – 日本語", "a\tb\r\n  c"):
        ids = tokenizer.encode(text).ids
        assert ids[-1] == 1
        assert tokenizer.decode(ids) == text
    tokens = tokenizer.encode("loadValues file_name").tokens
    assert not any("dV" in token or "e_" in token for token in tokens)
    assert tokenizer.encode("<python> def").ids[0] == 3


def test_encoder_moves_over_exactly() -> None:
    torch.manual_seed(1)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    bert = BertModel(BertConfig(vocab_size=64, max_position_embeddings=32, layer_norm_eps=1e-5, **shape)).eval()
    old = Tokenizer(models.WordLevel({"[CLS]": 0, "[SEP]": 1, ";": 2, "[UNK]": 3}, unk_token="[UNK]"))
    old.pre_tokenizer = pre_tokenizers.Whitespace()
    new = train_tokenizer(["some text"], 300)
    recipe = SummaryRecipe("r", "s", (Stage("one", 1, 1e-3),), encoder_layers=2, decoder_layers=1, positions=32)
    model = start_model(recipe, bert, old, new, [[5, 6]]).eval()
    ids = torch.randint(10, 64, (3, 7))
    with torch.no_grad():
        embeddings = bert.embeddings.word_embeddings(ids)
        expected = bert(inputs_embeds=embeddings).last_hidden_state
        moved = model.model.encoder(inputs_embeds=embeddings).last_hidden_state
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=1e-4)
    assert model.final_logits_bias[0, 5] > model.final_logits_bias[0, 7]
    assert model.lm_head.weight.data_ptr() == model.model.shared.weight.data_ptr()


def test_batches_are_the_same_for_a_seed_and_never_too_large() -> None:
    recipe = SummaryRecipe("r", "s", (Stage("one", 1, 1e-3),), long_tokens=40, long_share=0.5)
    lengths = np.random.default_rng(3).integers(2, 60, 500)
    one, two = (plan_batches(lengths, recipe, 200, 7) for _ in range(2))
    seen: list[int] = []
    for _ in range(40):
        batch = next(one)
        assert np.array_equal(batch, next(two))
        assert len(batch) * lengths[batch].max() <= 200
        seen.extend(batch.tolist())
    assert len(seen) == len(set(seen))


def test_prepared_examples_are_what_the_server_would_feed(prepared: tuple[Path, Path]) -> None:
    tokenizer = Tokenizer.from_file(str(prepared[1] / "tokenizer.json"))
    examples = read_examples(prepared[1] / "mined.train.npz")
    ids = examples.source(0).tolist()
    assert (ids[0], ids[-1]) == (tokenizer.token_to_id("<python>"), 1)
    assert tokenizer.decode(ids).startswith(" def ")
    assert examples.source_lengths.max() <= 32
    assert len(examples) == 108


def test_killed_run_ends_with_the_weights_of_an_uninterrupted_one(prepared: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, data = prepared
    train_summary(read_summary_recipe(recipe), data, tmp_path / "whole")
    for stop in (2, 5, None):  # stops within and between stages
        train_summary(read_summary_recipe(recipe), data, tmp_path / "parts", stop)
    whole = torch.load(tmp_path / "whole" / "state.pt", weights_only=True)
    parts = torch.load(tmp_path / "parts" / "state.pt", weights_only=True)
    assert whole["step"] == parts["step"] == 8
    for name, weights in whole["model"].items():
        assert torch.equal(weights, parts["model"][name]), name
    log = [json.loads(line) for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "valid_target" in line] == [4, 8]


def test_trained_model_is_a_plain_folder(prepared: tuple[Path, Path], tmp_path: Path) -> None:
    train_summary(read_summary_recipe(prepared[0]), prepared[1], tmp_path / "run")
    folder = tmp_path / "run" / "model"
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    assert {weight.dtype for weight in load_file(folder / "model.safetensors").values()} == {torch.float16}
    assert model.config.decoder_start_token_id == 0
    ids = tokenizer("<python> def load(x):", return_tensors="pt").input_ids
    answer = model.float().generate(ids, max_new_tokens=4)
    assert answer.shape[1] <= 5


def test_run_of_another_recipe_is_not_continued(prepared: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, data = prepared
    train_summary(read_summary_recipe(recipe), data, tmp_path / "run", 2)
    changed = tmp_path / "changed.toml"
    changed.write_text("seed = 2\n" + recipe.read_text())
    with pytest.raises(InvalidInput, match="another recipe"):
        train_summary(read_summary_recipe(changed), data, tmp_path / "run")
    (tmp_path / "run" / "state.pt").write_bytes(b"damaged")
    with pytest.raises(InvalidInput, match="delete it to start again"):
        train_summary(read_summary_recipe(recipe), data, tmp_path / "run")
