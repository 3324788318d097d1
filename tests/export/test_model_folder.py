"""Model folders as they really are: shards, pickles, broken settings, code of their own."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.loading import load_model
from sprig_server.errors import InvalidInput

INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(bert: Path, tmp_path: Path) -> Path:
    """A copy of a tiny model, to be damaged."""
    copy = tmp_path / "model"
    shutil.copytree(bert, copy)
    return copy


def in_shards(folder: Path, pickles: bool = False) -> list[str]:
    """Save the weights again in several files; gives their names in the order of the index."""
    model = AutoModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB", safe_serialization=not pickles)
    (index,) = folder.glob("*.index.json")
    names = list(dict.fromkeys(json.loads(index.read_text())["weight_map"].values()))
    assert len(names) > 2
    return names


def change(folder: Path, name: str, **values: object) -> None:
    path = folder / name
    settings = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(settings | values))


def check_refused(folder: Path, *said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_model(open_checkpoint(str(folder)), "search")
    message = str(caught.value)
    assert all(words in message for words in said), message
    assert "\n" not in message


@pytest.mark.parametrize("pickles", [False, True])
def test_shards_are_one_model_with_one_digest(folder: Path, bert: Path, pickles: bool) -> None:
    names = in_shards(folder, pickles)
    checkpoint = open_checkpoint(str(folder))
    assert checkpoint.sha256 == hashlib.sha256(b"".join((folder / name).read_bytes() for name in names)).hexdigest()
    whole, sharded = load_model(open_checkpoint(str(bert)), "search"), load_model(checkpoint, "search")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), sharded.parameters(), strict=True))


def test_a_missing_shard_is_named(folder: Path) -> None:
    name = in_shards(folder)[1]
    (folder / name).unlink()
    check_refused(folder, name, "is missing")


@pytest.mark.parametrize("place", ["../outside.safetensors", "/etc/hostname", "deeper/shard.safetensors"])
def test_no_shard_lies_outside_of_the_folder(folder: Path, place: str) -> None:
    in_shards(folder)
    (folder.parent / "outside.safetensors").write_bytes(b"")
    change(folder, INDEX, weight_map={"embeddings.word_embeddings.weight": place})
    check_refused(folder, place, "outside the folder")


@pytest.mark.parametrize("named", [{}, [], None, {"a": 1}])
def test_an_index_without_shards_is_refused(folder: Path, named: object) -> None:
    in_shards(folder)
    change(folder, INDEX, weight_map=named)
    check_refused(folder, INDEX, "names no shards")


def test_safetensors_come_before_pickles(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"no weights")
    load_model(open_checkpoint(str(folder)), "search")


class _Marker:
    """A pickle that leaves a trace when it is executed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("save", [torch.save, lambda made, path: path.write_bytes(pickle.dumps(made))])
def test_a_pickle_of_anything_but_weights_is_not_run(folder: Path, save: Callable[..., object]) -> None:
    (folder / "model.safetensors").unlink()
    marker = folder / "executed"
    save({"embeddings": _Marker(marker)}, folder / "pytorch_model.bin")
    check_refused(folder, "cannot be loaded")
    assert not marker.exists()


def test_weights_of_a_variant_alone_are_named(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.fp16.safetensors")
    check_refused(folder, "model.fp16.safetensors alone")


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_model_with_code_of_its_own_is_refused(folder: Path, name: str) -> None:
    (folder / "own.py").write_text(f"open({str(folder / 'executed')!r}, 'w')\nclass Own: pass\n")
    change(folder, name, auto_map={"AutoConfig": "own.Own", "AutoModel": "own.Own", "AutoTokenizer": ["own.Own", None]})
    check_refused(folder, name, "code of the model's own")
    assert not (folder / "executed").exists()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: b"\xef\xbb\xbf" + data, "byte order mark"),
        (lambda data: data[: len(data) // 2], "line"),
        (lambda data: b"[" + data + b"]", "holds a list"),
        (lambda data: b"\xff\xfe" + data.decode().encode("utf-16-le"), "position 0"),
        (lambda data: b"[" * 100_000, "is not JSON"),
        (lambda data: b"null", "holds a NoneType"),
    ],
)
def test_broken_settings_are_named_with_the_place(
    folder: Path, name: str, damage: Callable[[bytes], bytes], said: str
) -> None:
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    check_refused(folder, name, said)


def test_weights_that_are_missing_are_not_drawn_at_random(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    lost = "encoder.layer.1.output.dense.weight"
    save_file({name: tensor for name, tensor in weights.items() if name != lost}, folder / "model.safetensors")
    check_refused(folder, lost, "has no weights for")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(folder: Path, value: float) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.1.output.dense.weight"][3, 4] = value
    save_file(weights, folder / "model.safetensors")
    check_refused(folder, "encoder.layer.1.output.dense.weight", "not finite numbers")


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_as_it_is(folder: Path, kind: torch.dtype) -> None:
    weights = {name: tensor.to(kind) for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors")
    model = load_model(open_checkpoint(str(folder)), "search")
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, weights[name].float())
