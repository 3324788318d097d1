"""The files of a model folder. They come from others, so they are checked, and never executed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_cache_path

from sprig_server.errors import InvalidInput

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""The weight files that transformers loads, in the order in which it looks for them. An index lists shards."""

_VARIANTS = ("model.*.safetensors", "pytorch_model.*.bin")

_READ_BY_TRANSFORMERS = (
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
_BLOCK = 1 << 20


def read_json(path: Path, strict: bool = False) -> Any:
    """The content of a JSON file.

    Args:
        strict: refuse a byte order mark, because transformers, which reads the file too, cannot read one.

    Raises:
        InvalidInput: it is not JSON in UTF-8; the sentence names file and position.
    """
    data = path.read_bytes()
    if strict and data.startswith(b"\xef\xbb\xbf"):
        raise InvalidInput(f'"{path}" begins with a byte order mark, line 1 column 1: save it as UTF-8 without one')
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f'"{path}" is not JSON ({error}): fetch the model again') from None


def read_settings(path: Path, strict: bool = False) -> dict[str, Any]:
    """The settings in a JSON file; empty if there is no file.

    Raises:
        InvalidInput: it is not JSON in UTF-8, or not an object.
    """
    if not path.is_file():
        return {}
    settings = read_json(path, strict)
    if not isinstance(settings, dict):
        raise InvalidInput(
            f'"{path}" holds a {type(settings).__name__}, where names with values (an object) belong: '
            "fetch the model again"
        )
    return settings


def check_settings(folder: Path) -> None:
    """Refuse settings that transformers could not read, and code that it would run.

    Raises:
        InvalidInput: a file is broken, or the model needs its own code.
    """
    for name in _READ_BY_TRANSFORMERS:
        if "auto_map" in read_settings(folder / name, strict=True):
            raise InvalidInput(
                f'"{folder / name}" asks for code of the model\'s own (auto_map), and nothing of a model folder is '
                "executed: use a model of a family that transformers knows by itself"
            )


def find_weights(folder: Path) -> list[Path]:
    """The files that hold a model's weights: one, or its shards in the order in which the index names them.

    Safetensors come before pickles. Empty if there are none.

    Raises:
        InvalidInput: an index is broken or names a shard that is missing or outside the folder, or there are weights of
            a variant only.
    """
    found = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        variants = sorted(
            path.name for kind in ("model.*.safetensors", "pytorch_model.*.bin") for path in folder.glob(kind)
        )
        if variants:
            raise InvalidInput(
                f'"{folder}" has its weights as {variants[0]} alone: save the model again, or rename the file to '
                f"{WEIGHTS[0]} or {WEIGHTS[2]}"
            )
        return []
    return [found] if found.suffix != ".json" else _shards(found)


def digest_weights(files: Iterable[Path]) -> str:
    """The SHA-256 of the files' bytes, one file after the other, in hexadecimal digits."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to write into. It replaces `folder` once everything is written."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def keep_made(digest: str, make: Callable[[Path], None]) -> Path:
    """A model folder in the user's cache that is made once, from a file in another format or from a model and its
    adapter.

    Args:
        digest: identifies the folder: the SHA-256 of everything that it is made from.
        make: fills an empty folder.
    """
    kept = Path(os.environ.get("SPRIG_CACHE_DIR") or user_cache_path("sprig")) / "models" / digest[:32]
    kept.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(kept.with_suffix(".lock")):
        if not kept.is_dir():
            with replace_folder(kept) as temporary:
                make(temporary)
    return kept


def _shards(index: Path) -> list[Path]:
    named = read_settings(index, strict=True).get("weight_map")
    if not isinstance(named, dict) or not named or not all(isinstance(name, str) for name in named.values()):
        raise InvalidInput(f'"{index}" names no shards (weight_map): fetch the model again')
    shards = [index.parent / name for name in dict.fromkeys(named.values())]
    for shard in shards:
        if index.parent / shard.name != shard:
            raise InvalidInput(
                f'"{index}" names the shard "{shard}", which is outside the folder: fetch the model again'
            )
        if not shard.is_file():
            raise InvalidInput(f'the shard "{shard}" is missing, which {index.name} names: fetch the model again')
    return shards
