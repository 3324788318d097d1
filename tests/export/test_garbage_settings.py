"""Whatever stands in the settings of a model folder: the model is read as they say, or one sentence says why not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.inspection import inspect_model
from sprig_server.errors import SprigError
from sprig_server.types import Task

SENTENCES = {
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ],
    "1_Pooling/config.json": {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True},
    "sentence_bert_config.json": {"max_seq_length": 32, "do_lower_case": False},
    "config_sentence_transformers.json": {"prompts": {"query": "a: "}, "similarity_fn_name": "cosine"},
}
FILES: dict[Task, tuple[str, ...]] = {
    "search": ("config.json", "tokenizer_config.json", "special_tokens_map.json", *SENTENCES),
    "summarize": ("config.json", "tokenizer_config.json", "generation_config.json"),
}
KEYS = {
    "config.json": ["model_type", "architectures", "pad_token_id", "max_position_embeddings", "prefix", "is_decoder"],
    "tokenizer_config.json": ["model_max_length", "truncation_side", "padding_side", "do_lower_case", "auto_map"],
    "generation_config.json": ["bad_words_ids", "suppress_tokens", "repetition_penalty", "forced_bos_token_id"],
    "1_Pooling/config.json": ["pooling_mode", "include_prompt", "pooling_mode_cls_token"],
    "sentence_bert_config.json": ["model_args", "transformer_task", "modality_config"],
    "config_sentence_transformers.json": ["default_prompt_name", "truncate_dim"],
}
"""Settings that a file of a tiny model lacks, beside those that it has."""
SCALARS = st.none() | st.booleans() | st.integers(-2, 70) | st.floats() | st.sampled_from(["", "cls", "mean", "\ud800"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def make_folder(source: Path, folder: Path) -> Path:
    """A model folder with every file of settings that an export reads."""
    shutil.copytree(source, folder)
    for name, content in SENTENCES.items() if source.name == "tiny-bert" else ():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    return folder


def check(folder: Path, task: Task) -> str | None:
    """What is said of a model that is refused, which is one sentence; None where it is read."""
    try:
        inspect_model(open_checkpoint(str(folder)), task)
    except SprigError as error:
        assert "\n" not in str(error)
        assert str(folder) in str(error) or folder.name in str(error), error
        return str(error)
    return None


@pytest.fixture(scope="module")
def folders(bert: Path, bart: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Task, Path]:
    place = tmp_path_factory.mktemp("models")
    made: dict[Task, Path] = {
        "search": make_folder(bert, place / "bert"),
        "summarize": make_folder(bart, place / "bart"),
    }
    assert [check(folder, task) for task, folder in made.items()] == [None, None]
    return made


@st.composite
def changes(draw: st.DrawFn) -> tuple[Task, str, Any]:
    """A file of a model, and what stands in it: bytes, or a value for a whole file or, by its key, for a part of it."""
    task = draw(st.sampled_from(["search", "summarize"]))
    name = draw(st.sampled_from(FILES[task]))
    kind = draw(st.sampled_from(["bytes", "whole", "part"]))
    if kind == "bytes":
        return task, name, draw(st.binary(max_size=8))
    return task, name, draw(JSON) if kind == "whole" else (draw(st.integers(0, 60)), draw(JSON))


@pytest.mark.parametrize(("task", "key"), [("search", "layer_norm_eps"), ("summarize", "activation_function")])
def test_a_setting_that_a_layer_reads_only_when_it_runs_is_refused(folders: dict[Task, Path], task: Task, key: str):
    path = folders[task] / "config.json"
    before = path.read_text()
    try:
        path.write_text(json.dumps({**json.loads(before), key: None}))
        assert check(folders[task], task) is not None
    finally:
        path.write_text(before)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(change=changes())
def test_any_settings_are_read_or_refused_in_one_sentence(
    folders: dict[Task, Path], change: tuple[Task, str, Any]
) -> None:
    task, name, value = change
    path = folders[task] / name
    before = path.read_bytes()
    try:
        if isinstance(value, bytes):
            path.write_bytes(value)
        elif isinstance(value, tuple):
            content = json.loads(before)
            keys = [*content, *KEYS.get(name, [])] if isinstance(content, dict) else [*range(len(content))]
            content[keys[value[0] % len(keys)]] = value[1]
            path.write_text(json.dumps(content))
        else:
            path.write_text(json.dumps(value))
        said = check(folders[task], task)
        assert said is not None or isinstance(value, tuple | dict), "a file that is no object says nothing of a model"
    finally:
        path.write_bytes(before)
