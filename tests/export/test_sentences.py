"""Sentence encoders are read as sentence-transformers reads them, or refused: that library itself is the measure."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from transformers import ErnieConfig, ErnieModel, RobertaConfig, RobertaModel

from sprig_export.bundles.graphs import build_unchecked
from sprig_export.config.recipe import Recipe, whole_recipe
from sprig_export.config.request import Example, ExportRequest
from sprig_export.evaluate.models import TorchEncoder
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.inspection import inspect_model
from sprig_export.onnx import convert
from sprig_export.pipeline import export
from sprig_export.report.stages import StageLog
from sprig_server.bundle.manifest import POOLINGS
from sprig_server.bundle.store import open_bundle
from sprig_server.code.text import search_passage
from sprig_server.errors import InvalidInput, SprigError
from sprig_server.inference.encoder import Encoder, normalize
from sprig_server.types import Vectors

Layers = Sequence[tuple[str, dict[str, Any]]]
TEXTS = [
    "def open_file(list): return list",
    "Close the SOCKET of a Number",
    "sort",
    "def merge(table):\n    result = table.merge(buffer)\n    return result\n" * 6,
]
FLAGS = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
TANH, IDENTITY = "torch.nn.modules.activation.Tanh", "torch.nn.modules.linear.Identity"


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def add_modules(folder: Path, pooling: object, layers: Layers = (), places: Sequence[str] = ("", "1_Pooling")) -> None:
    """Make a model folder one of sentence-transformers; a dense layer is given as ("Dense", its settings)."""
    write(folder / places[1] / "config.json", pooling)
    modules = [("Transformer", places[0]), ("Pooling", places[1])]
    torch.manual_seed(1)
    for number, (kind, config) in enumerate(layers, 2):
        place = f"{number}_{kind}"
        modules.append((kind, place))
        (folder / place).mkdir()
        if config:
            write(folder / place / "config.json", config)
        if kind == "Dense":
            weights = {"linear.weight": torch.randn(config["out_features"], config["in_features"]) / 6}
            if config["bias"]:
                weights["linear.bias"] = torch.randn(config["out_features"]) / 6
            save_file(weights, folder / place / "model.safetensors")
        elif kind == "LayerNorm":
            weights = {
                "norm.weight": torch.rand(config["dimension"]),
                "norm.bias": torch.randn(config["dimension"]) / 6,
            }
            save_file(weights, folder / place / "model.safetensors")
    write(
        folder / "modules.json",
        [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (kind, path) in enumerate(modules)
        ],
    )


def dense(width: int, out: int, bias: bool = True, function: str = TANH) -> tuple[str, dict[str, Any]]:
    return "Dense", {"in_features": width, "out_features": out, "bias": bias, "activation_function": function}


@pytest.fixture(scope="module", autouse=True)
def converted_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A transformer is converted once, by its weights: what is done with its states is another in every test."""
    graphs, convert_anew = tmp_path_factory.mktemp("graphs"), convert.main_export

    def main_export(model: str, output: Path, **options: object) -> None:
        graph = graphs / hashlib.sha256((Path(model) / "model.safetensors").read_bytes()).hexdigest()
        if not graph.exists():
            convert_anew(model, output=output, **options)
            shutil.copy(output / "model.onnx", graph)
        shutil.copy(graph, output / "model.onnx")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "main_export", main_export)
        yield


@pytest.fixture
def folder(bert: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    shutil.copytree(bert, copy)
    path = copy / "tokenizer_config.json"
    write(path, json.loads(path.read_text()) | {"cls_token": "[CLS]", "sep_token": "[SEP]"})
    return copy


def oracle(folder: Path) -> tuple[Vectors, Vectors]:
    """Vectors of the texts as questions and as documents."""
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    queries, documents = (
        normalize(np.stack([encode(text) for text in TEXTS])) for encode in (model.encode_query, model.encode_document)
    )
    return queries, documents


def torch_side(folder: Path) -> tuple[Vectors, Vectors]:
    encoder = TorchEncoder(open_checkpoint(str(folder)))
    passages = [search_passage(text, 0, "python") for text in TEXTS]
    return encoder.encode_queries(TEXTS, lambda _: None), encoder.encode_code(passages, lambda _: None)


def bundle_of(folder: Path) -> Path:
    recipe = whole_recipe(Recipe("search", str(folder), "python"))
    bundle = folder.parent / "bundle"
    shutil.rmtree(bundle, ignore_errors=True)
    return build_unchecked(recipe, open_checkpoint(str(folder)), bundle)


def served(folder: Path) -> tuple[Vectors, Vectors]:
    encoder = Encoder(open_bundle(bundle_of(folder)), 1)
    return encoder.encode(TEXTS), encoder.encode([search_passage(text, 0, "python") for text in TEXTS])


def check_same(folder: Path, in_bundle: bool = True) -> None:
    expected = oracle(folder)
    for side in (torch_side, served) if in_bundle else (torch_side,):
        for wanted, found in zip(expected, side(folder), strict=True):
            assert wanted.shape == found.shape, side.__name__
            assert (wanted * found).sum(axis=1).min() > 0.9999, side.__name__


def check_refused(folder: Path, *said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        torch_side(folder)
    message = str(caught.value)
    assert all(words in message for words in said), message
    assert "\n" not in message


BEHIND: dict[str, Layers] = {
    "none": (),
    "normalize": (("Normalize", {}),),
    "dense": (dense(32, 16),),
    "linear": (dense(32, 8, bias=True, function=IDENTITY), ("Normalize", {})),
    "several": (
        ("Dropout", {"dropout": 0.5}),
        dense(32, 24),
        ("LayerNorm", {"dimension": 24}),
        dense(24, 8, bias=False),
    ),
    "normalize first": (("Normalize", {}), dense(32, 8)),
}


@pytest.mark.parametrize(
    ("pooling", "layers"),
    [(pooling, name) for pooling in POOLINGS for name in ("none", "several")]
    + [(pooling, name) for pooling in ("mean", "max") for name in BEHIND if name not in ("none", "several")],
)
def test_every_pooling_and_every_layer_behind_it(folder: Path, pooling: str, layers: str) -> None:
    settings = {"embedding_dimension": 32, "pooling_mode": pooling, "include_prompt": True}
    add_modules(folder, settings, BEHIND[layers])
    check_same(folder)


@pytest.mark.parametrize("flag", FLAGS)
def test_the_older_flags(folder: Path, flag: str) -> None:
    flags = {f"pooling_mode_{name}": name == flag for name in FLAGS}
    add_modules(folder, {"word_embedding_dimension": 32, **flags})
    check_same(folder, in_bundle=False)


@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode": ["mean", "cls"]},
        {"pooling_mode": ["max"]},
        {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True, "pooling_mode_lasttoken": True},
    ],
)
@pytest.mark.parametrize("behind", [False, True])
def test_several_poolings_are_concatenated(folder: Path, pooling: dict[str, Any], behind: bool) -> None:
    modes = pooling.get("pooling_mode", list(pooling))
    add_modules(folder, {"embedding_dimension": 32, **pooling}, [dense(32 * len(modes), 8)] if behind else [])
    check_same(folder)


@pytest.mark.parametrize(
    ("pooling", "said"),
    [
        ({"embedding_dimension": 32, "pooling_mode": "median"}, "'median'"),
        ({"embedding_dimension": 32, "pooling_mode": ["mean", "median"]}, "median"),
        ({"embedding_dimension": 32, "pooling_mode": []}, "names the pooling []"),
        ({"embedding_dimension": 32, "pooling_mode": None}, "names the pooling None"),
        ({"embedding_dimension": 32, "pooling_mode": {"mean": True}}, "names the pooling"),
        ({"embedding_dimension": 32}, "names the pooling []"),
        ({"embedding_dimension": 32, "pooling_mode_median_tokens": True}, "pooling_mode_median_tokens"),
        ({"embedding_dimension": 32, "pooling_mode_cls_token": "true"}, "neither true nor false"),
        ({"embedding_dimension": 32, "pooling_mode_cls_token": False}, "names the pooling []"),
        ([], "holds a list"),
    ],
)
def test_a_pooling_that_is_not_understood_is_no_mean(folder: Path, pooling: object, said: str) -> None:
    add_modules(folder, pooling)
    check_refused(folder, "1_Pooling/config.json", said)


def test_a_pooling_whose_settings_are_missing_is_no_mean(folder: Path) -> None:
    add_modules(folder, {})
    (folder / "1_Pooling" / "config.json").unlink()
    check_refused(folder, "1_Pooling", "names the pooling []")


@pytest.mark.parametrize(
    "kind", ["WeightedLayerPooling", "CNN", "LSTM", "BoW", "StaticEmbedding", "CLIPModel", "Router", "Asym", "Own"]
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_other_modules_are_refused(folder: Path, kind: str, place: int) -> None:
    add_modules(folder, {"pooling_mode": "cls"}, [("Normalize", {})])
    modules = json.loads((folder / "modules.json").read_text())
    package = "custom" if kind == "Own" else "sentence_transformers.models"
    modules[place]["type"] = f"{package}.{kind}"
    write(folder / "modules.json", modules)
    check_refused(folder, f"{package}.{kind}")


@pytest.mark.parametrize(
    "change", [{"activation_function": "own.Function"}, {"in_features": 31}, {"bias": False}, {"extra": 1}]
)
def test_dense_layers_that_are_not_understood_are_refused(folder: Path, change: dict[str, Any]) -> None:
    add_modules(folder, {"pooling_mode": "cls"}, [dense(32, 8)])
    path = folder / "2_Dense" / "config.json"
    write(path, json.loads(path.read_text()) | change)
    check_refused(folder, "2_Dense")


def test_a_dense_layer_of_another_width_is_refused(folder: Path) -> None:
    add_modules(folder, {"pooling_mode": "max"}, [dense(64, 8)])
    check_refused(folder, "cannot be loaded")


def test_modules_lie_where_they_are_said_to(folder: Path) -> None:
    inner = folder / "0_Transformer"
    inner.mkdir()
    for path in list(folder.iterdir()):
        if path.is_file():
            path.rename(inner / path.name)
    pooling = {"embedding_dimension": 32, "pooling_mode": "max"}
    add_modules(folder, pooling, [dense(32, 8)], ("0_Transformer", "pool"))
    check_same(folder)


@pytest.mark.parametrize("places", [("../model", "1_Pooling"), ("", "../pool")])
def test_no_module_lies_outside_of_the_folder(folder: Path, places: tuple[str, str]) -> None:
    add_modules(folder, {"pooling_mode": "max"}, (), places)
    if places[0] == "../model":
        (folder / "modules.json").write_text((folder / "modules.json").read_text().replace("../model", "../other"))
    check_refused(folder, "outside the folder")


def prompts(**texts: str | None) -> dict[str, Any]:
    return {"prompts": texts}


@pytest.mark.parametrize("pooling", ["mean", "cls", "weightedmean", "max", "lasttoken"])
@pytest.mark.parametrize("included", [True, False])
def test_prompts(folder: Path, pooling: str, included: bool) -> None:
    add_modules(folder, {"embedding_dimension": 32, "pooling_mode": pooling, "include_prompt": included})
    write(folder / "config_sentence_transformers.json", prompts(query="Find the code: ", document="Function "))
    check_same(folder)


@pytest.mark.parametrize(
    ("config", "query", "document"),
    [
        (prompts(query="q: "), "q: ", ""),
        (prompts(query="q: ", passage="p: "), "q: ", "p: "),
        (prompts(query="q: ", corpus="c: ", other="o: "), "q: ", "c: "),
        (prompts(query="q: ", document="d: ", passage="p: "), "q: ", "d: "),
        (prompts(query=None, document=""), "", ""),
        ({**prompts(std="s: "), "default_prompt_name": "std"}, "s: ", "s: "),
        ({**prompts(std="s: ", query=""), "default_prompt_name": "std"}, "", "s: "),
        ({"prompts": None, "default_prompt_name": None}, "", ""),
    ],
)
def test_which_prompt_goes_before_what(folder: Path, config: dict[str, Any], query: str, document: str) -> None:
    write(folder / "config_sentence_transformers.json", config)
    found = open_checkpoint(str(folder)).sentences.prompts
    assert (found.query, found.document) == (query, document)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"similarity_fn_name": "dot"}, "'dot'"),
        ({"similarity_fn_name": "manhattan"}, "'manhattan'"),
        ({"similarity_fn_name": 3}, "compares vectors by 3"),
        ({"truncate_dim": 0}, "truncate_dim"),
        ({"truncate_dim": "8"}, "truncate_dim"),
        ({"prompts": {"query": 3}}, "not texts"),
        ({"prompts": "query: "}, "not texts"),
        ({"default_prompt_name": "x"}, "'x'"),
    ],
)
def test_settings_that_cannot_be_honoured_are_refused(folder: Path, config: dict[str, Any], said: str) -> None:
    add_modules(folder, {"pooling_mode": "mean"})
    write(folder / "config_sentence_transformers.json", config)
    check_refused(folder, "config_sentence_transformers.json", said)


@pytest.mark.parametrize("similarity", ["dot", "euclidean", "cosine"])
def test_unit_vectors_are_ranked_alike_by_dot_and_distance(folder: Path, similarity: str) -> None:
    add_modules(folder, {"pooling_mode": "mean"}, [("Normalize", {})])
    write(folder / "config_sentence_transformers.json", {"similarity_fn_name": similarity})
    open_checkpoint(str(folder)).sentences  # noqa: B018
    write(folder / "config_sentence_transformers.json", {"similarity_fn_name": similarity, "truncate_dim": 8})
    if similarity != "cosine":
        check_refused(folder, similarity)


@pytest.mark.parametrize("layers", [(), (dense(32, 16), ("Normalize", {}))])
@pytest.mark.parametrize("kept", [8, 100])
def test_the_first_dimensions(folder: Path, layers: Layers, kept: int) -> None:
    add_modules(folder, {"embedding_dimension": 32, "pooling_mode": "mean"}, layers)
    write(folder / "config_sentence_transformers.json", {"truncate_dim": kept})
    check_same(folder)


def cased(folder: Path) -> None:
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["normalizer"]["lowercase"] = False
    path.write_text(json.dumps(tokenizer))


@pytest.mark.parametrize(
    ("lower", "name"), [(True, "sentence_bert_config.json"), (False, "sentence_roberta_config.json")]
)
def test_lower_case_and_window(folder: Path, lower: bool, name: str) -> None:
    cased(folder)
    add_modules(folder, {"embedding_dimension": 32, "pooling_mode": "mean"})
    write(folder / name, {"max_seq_length": 16, "do_lower_case": lower})
    check_same(folder)
    assert open_bundle(folder.parent / "bundle").manifest.max_tokens == 16


def test_settings_of_the_tokenizer_reach_the_bundle(folder: Path) -> None:
    """They stand beside tokenizer.json, and change what it says."""
    cased(folder)
    path = folder / "tokenizer_config.json"
    kind = {"tokenizer_class": "BertTokenizerFast", "do_lower_case": True, "model_max_length": 12}
    write(path, json.loads(path.read_text()) | kind)
    add_modules(folder, {"embedding_dimension": 32, "pooling_mode": "mean"})
    check_same(folder)
    assert open_bundle(folder.parent / "bundle").manifest.max_tokens == 12


def test_a_tokenizer_without_a_file_of_its_own_is_converted(folder: Path) -> None:
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)) + "\n")
    (folder / "tokenizer.json").unlink()
    write(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    check_same(folder)


@pytest.mark.parametrize("config", [{"max_seq_length": 0}, {"max_seq_length": "64"}, {"do_lower_case": "yes"}])
def test_windows_that_are_none_are_refused(folder: Path, config: dict[str, Any]) -> None:
    write(folder / "sentence_bert_config.json", config)
    check_refused(folder, "sentence_bert_config.json", next(iter(config)))


def test_a_model_that_names_no_modules_is_pooled_by_the_mean(folder: Path) -> None:
    check_same(folder)
    assert open_bundle(folder.parent / "bundle").manifest.pooling == "mean"


def test_what_sentence_transformers_saves_today(folder: Path) -> None:
    add_modules(folder, {"word_embedding_dimension": 32, "pooling_mode_max_tokens": True}, [dense(32, 8)])
    write(folder / "config_sentence_transformers.json", prompts(query="a: ", document="b: "))
    saved = folder.parent / "saved"
    SentenceTransformer(str(folder), device="cpu", local_files_only=True).save(str(saved))
    check_same(saved)


# --- tables and windows


def roberta(folder: Path, positions: int, window: int | None) -> None:
    """Put a RoBERTa model in the place of the folder's; its padding has the number 1."""
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    torch.manual_seed(0)
    config = RobertaConfig(vocab_size=size, max_position_embeddings=positions, pad_token_id=1, **shape)
    RobertaModel(config).save_pretrained(folder)
    if window:
        write(folder / "sentence_bert_config.json", {"max_seq_length": window})


@pytest.mark.parametrize(("window", "tokens"), [(None, 32), (128, 32), (20, 20)])
def test_positions_begin_behind_padding(folder: Path, window: int | None, tokens: int) -> None:
    roberta(folder, 34, window)
    checkpoint = open_checkpoint(str(folder))
    facts = inspect_model(checkpoint, "search")
    assert checkpoint.max_tokens == tokens
    assert str(facts["max_tokens"]).startswith(str(tokens))
    assert ("128 are named" in str(facts["max_tokens"])) == (window == 128)
    # The library itself would read beyond the table.
    add_modules(folder, {"embedding_dimension": 32, "pooling_mode": "mean"})
    write(folder / "sentence_bert_config.json", {"max_seq_length": tokens})
    check_same(folder)


def test_a_window_is_no_longer_than_the_table(folder: Path) -> None:
    write(folder / "sentence_bert_config.json", {"max_seq_length": 128})
    checkpoint = open_checkpoint(str(folder))
    assert checkpoint.max_tokens == 64
    assert "128 are named" in inspect_model(checkpoint, "search")["max_tokens"]


@pytest.mark.parametrize("where", ["tokenizer", "added"])
def test_a_table_without_some_tokens_is_refused(folder: Path, where: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    size = config["vocab_size"]
    if where == "tokenizer":
        weights = load_file(folder / "model.safetensors")
        name = "embeddings.word_embeddings.weight"
        save_file(weights | {name: weights[name][: size - 7].clone()}, folder / "model.safetensors")
        write(folder / "config.json", config | {"vocab_size": size - 7})
        said = f"has {size} tokens, the model {size - 7} embeddings"
    else:
        path = folder / "tokenizer_config.json"
        write(path, json.loads(path.read_text()) | {"additional_special_tokens": ["<more>"]})
        said = f"has {size + 1} tokens, the model {size} embeddings"
    with pytest.raises(InvalidInput, match=said):
        inspect_model(open_checkpoint(str(folder)), "search")


@pytest.mark.parametrize(
    ("settings", "said"), [({"truncation_side": "left"}, "truncation_side"), ({"padding_side": "left"}, "")]
)
def test_sides(folder: Path, settings: dict[str, Any], said: str) -> None:
    path = folder / "tokenizer_config.json"
    write(path, json.loads(path.read_text()) | settings)
    if said:
        with pytest.raises(InvalidInput, match=said):
            inspect_model(open_checkpoint(str(folder)), "search")
    else:
        inspect_model(open_checkpoint(str(folder)), "search")
        add_modules(folder, {"embedding_dimension": 32, "pooling_mode": "lasttoken"})
        check_same(folder)


@pytest.mark.parametrize("family", ["a-new-family", None, 3])
def test_a_family_that_transformers_does_not_know_is_named(folder: Path, family: object) -> None:
    write(folder / "config.json", json.loads((folder / "config.json").read_text()) | {"model_type": family})
    check_refused(folder, "config.json", f"names the family {family!r}", "does not know")


def test_a_family_that_cannot_be_converted_is_named_before_any_work(folder: Path, examples: list[Example]) -> None:
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    ErnieModel(ErnieConfig(vocab_size=size, max_position_embeddings=64, **shape)).save_pretrained(folder)
    said, request = [], ExportRequest(Recipe("search", str(folder), "python"), folder.parent / "bundle")
    with pytest.raises(
        InvalidInput, match="is of the family ernie, which optimum-onnx cannot convert: give an"
    ) as caught:
        export(replace(request, examples=tuple(examples[:8])), StageLog(said.append))
    assert said == ["load the model"]
    assert "\n" not in str(caught.value)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_an_encoder_decoder_is_no_sentence_encoder(bart: Path) -> None:
    with pytest.raises(InvalidInput, match="writes texts"):
        inspect_model(open_checkpoint(str(bart)), "search")


def test_a_refused_model_leaves_no_bundle(folder: Path, examples: list[Example]) -> None:
    add_modules(folder, {"pooling_mode": "median"})
    with pytest.raises(InvalidInput, match="median"):
        export(
            ExportRequest(
                Recipe("search", str(folder), "python"), folder.parent / "bundle", examples=tuple(examples[:8])
            ),
            StageLog(),
        )
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


# --- anything in the settings

VALUES = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        -1,
        1,
        8,
        16,
        1e9,
        "",
        "cls",
        "max",
        "mean",
        "median",
        [],
        ["cls", "max"],
        {},
        {"query": "a "},
    ]
)
FILES = (
    "1_Pooling/config.json",
    "2_Dense/config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
)


@st.composite
def _changes(draw: Callable[..., Any]) -> tuple[str, str, Any, bool]:
    """A file, a key or place in it, what is put there, and whether it is taken out instead."""
    name = draw(st.sampled_from(FILES))
    keys = {
        "1_Pooling/config.json": [
            "embedding_dimension",
            "pooling_mode",
            "include_prompt",
            "pooling_mode_cls_token",
            "x",
        ],
        "2_Dense/config.json": ["in_features", "out_features", "bias", "activation_function", "x"],
        "modules.json": ["0", "1", "2", "path", "type"],
        "sentence_bert_config.json": ["max_seq_length", "do_lower_case", "model_args", "transformer_task", "x"],
        "config_sentence_transformers.json": ["prompts", "default_prompt_name", "similarity_fn_name", "truncate_dim"],
    }
    return name, draw(st.sampled_from(keys[name])), draw(VALUES), draw(st.booleans())


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(change=_changes())
def test_any_settings_give_the_right_vectors_or_one_sentence(
    bert: Path, tmp_path_factory: pytest.TempPathFactory, change: tuple[str, str, Any, bool]
) -> None:
    folder = tmp_path_factory.mktemp("fuzz") / "model"
    shutil.copytree(bert, folder)
    add_modules(folder, {"embedding_dimension": 32, "pooling_mode": "mean"}, [dense(32, 8)])
    write(folder / "sentence_bert_config.json", {"max_seq_length": 32})
    write(folder / "config_sentence_transformers.json", prompts(query="a: ", document="b: "))
    name, key, value, taken_out = change
    content = json.loads((folder / name).read_text())
    place = content[1] if isinstance(content, list) and not key.isdigit() else content
    if isinstance(place, list):
        place[int(key)] = value
    elif taken_out:
        place.pop(key, None)
    else:
        place[key] = value
    write(folder / name, content)
    try:
        found = torch_side(folder)
    except SprigError as error:
        assert "\n" not in str(error)
        return
    try:
        expected = oracle(folder)
    except Exception:  # the library needs a setting that changes nothing
        return
    for wanted, vectors in zip(expected, found, strict=True):
        assert wanted.shape == vectors.shape
        assert (wanted * vectors).sum(axis=1).min() > 0.9999
