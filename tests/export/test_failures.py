"""What goes wrong outside of Sprig is said in a sentence, and nothing is left behind."""

from __future__ import annotations

import errno
import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError

from sprig_export.bundles.writer import lock_path, work_folder
from sprig_export.config.failures import explained, readable
from sprig_export.config.recipe import Recipe
from sprig_export.config.request import ExportRequest
from sprig_export.models.checkpoints import open_checkpoint
from sprig_export.models.loading import load_model, load_tokenizer
from sprig_export.pipeline import export
from sprig_export.report.stages import StageLog
from sprig_server.errors import InvalidInput, SprigError


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named(tmp_path: Path, error: int) -> None:
    with pytest.raises(SprigError, match=r"the disk of .* is full: free some space"), explained(tmp_path / "bundle"):
        raise OSError(error, "no space")


class _Full(io.RawIOBase):
    """A file on a full disk."""

    def writable(self) -> bool:
        return True

    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def _save_with_pytorch() -> None:
    torch.save(torch.zeros(100_000), _Full())  # says "unexpected pos" of its own


def _say_as_rust_does() -> None:
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("write", [_save_with_pytorch, _say_as_rust_does])
def test_a_full_disk_is_named_whoever_finds_it(tmp_path: Path, write: Callable[[], None]) -> None:
    with pytest.raises(SprigError, match=r"the disk of .* is full: free some space"), explained(tmp_path / "bundle"):
        write()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_too_little_memory_is_named(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(SprigError, match="there is too little memory"), explained(tmp_path / "bundle"):
        raise error


def test_too_little_memory_to_load_a_model_is_no_damage(tmp_path: Path) -> None:
    with (
        pytest.raises(SprigError, match="there is too little memory"),
        explained(tmp_path / "bundle"),
        readable(tmp_path),
    ):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


def test_a_damaged_tokenizer_is_named(bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(bert, folder)
    (folder / "tokenizer.json").write_text('{"model": 1}')
    with pytest.raises(InvalidInput, match=r"cannot be loaded \(.*\): fetch it again"):
        load_tokenizer(open_checkpoint(str(folder)))


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "denied"), RuntimeError("shapes differ"), KeyError("x")])
def test_other_errors_are_not_dressed_up(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, explained(tmp_path / "bundle"):
        raise error
    assert caught.value is error


def run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sprig_server", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, **options)  # type: ignore[call-overload, no-any-return]


def check_refused(found: subprocess.CompletedProcess[str], said: str, folder: Path) -> None:
    told = " ".join(found.stderr.split())
    assert found.returncode == 2, told
    assert said in told
    assert "Traceback" not in told
    assert not (folder / "bundle").exists()


@pytest.mark.parametrize("damage", ["cut off", "no weights at all"])
def test_a_damaged_checkpoint_is_named(bert: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(bert, folder)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2] if damage == "cut off" else b"<html>404")
    with pytest.raises(InvalidInput, match=r"cannot be loaded \(.*\): fetch it again"):
        load_model(open_checkpoint(str(folder)), "search")


def test_a_damaged_checkpoint_ends_the_command_with_a_sentence(bert: Path, repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(bert, folder)
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    options = ["--task", "search", "--language", "python", "--calibration", str(repository)]
    found = run("export", *options, "--model", str(folder), "--output", str(tmp_path / "bundle"))
    check_refused(found, "cannot be loaded", tmp_path)


def test_a_model_without_a_fast_tokenizer_is_named(bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(bert, folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(InvalidInput, match="has no fast tokenizer"):
        open_checkpoint(str(folder))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--target-size", "-3"], "--target-size -3 cannot be reached"),
        (["--target-speed", "0"], "--target-speed 0 cannot be reached"),
        (["--target-size", "3", "--recipe", "r.toml"], "a recipe says what to remove"),
        (["--data", "some.jsonl"], "--data needs --recipe"),
    ],
)
def test_options_that_do_not_go_together_are_refused(bert: Path, tmp_path: Path, options: list[str], said: str) -> None:
    (tmp_path / "r.toml").write_text(f'task = "search"\nlanguage = "python"\nmodel = "{bert}"\n')
    words = ["--task", "search", "--language", "python", "--model", str(bert), "--output", "bundle"]
    check_refused(run("export", *words, *options, cwd=tmp_path), said, tmp_path)


def test_two_exports_into_one_folder_do_not_disturb_each_other(bert: Path, repository: Path, tmp_path: Path) -> None:
    recipe = Recipe("search", str(bert), "python", sample=8, max_loss=1000.0, min_cosine=-1.0)
    output = tmp_path / "bundle"
    with FileLock(lock_path(output)), pytest.raises(InvalidInput, match="another export is writing"):
        export(ExportRequest(recipe, output, repository), StageLog())
    assert not list(tmp_path.iterdir())
    export(ExportRequest(recipe, output, repository), StageLog())
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_an_export_may_hold_its_folder_twice(tmp_path: Path) -> None:
    output = tmp_path / "bundle"
    with work_folder(output, "plan", False, "plans"):
        with work_folder(output, "export", False):
            pass
        with pytest.raises(Timeout):
            FileLock(lock_path(output), blocking=False).acquire()
    with FileLock(lock_path(output), blocking=False):
        pass
