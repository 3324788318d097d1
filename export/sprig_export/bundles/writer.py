"""Writing a bundle: everything is made in a hidden folder beside the target, which appears at once or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sprig_export.report.export_page import render_export
from sprig_server.bundle.manifest import FILE_NAME, SHARED, Manifest, describe_file, render_manifest
from sprig_server.errors import InvalidInput

_LISTED = (
    "encoder.onnx",
    "decoder.onnx",
    SHARED,
    "tokenizer.json",
    "importance.npz",
    "recipe.toml",
    "report.json",
    "report.html",
    "README.md",
)


def check_output(output: Path) -> Path:
    """The absolute path of a place where a bundle may be put; the folder that is to hold it is made.

    Raises:
        InvalidInput: `output` exists and is something other than a bundle or an empty folder, or cannot be written.
    """
    output = output.resolve()
    if output.exists() and not (output.is_dir() and (not any(output.iterdir()) or (output / FILE_NAME).is_file())):
        raise InvalidInput(f'"{output}" exists and is not a bundle: give a new folder, so that nothing is lost')
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=output.parent).close()
    except OSError as error:
        raise InvalidInput(f'cannot write to "{output.parent}" ({error.strerror}): give another folder') from None
    return output


@contextmanager
def staging_folder(output: Path) -> Iterator[Path]:
    """A folder to build the bundle in, beside `output`, of `check_output`; gone afterwards, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix=f".{output.name}.", suffix=".part", dir=output.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def was_left(output: Path, made_by: str, kind: str = "work") -> bool:
    """Whether an export made by the same left a folder that can be gone on with."""
    stamp = _work(output, kind) / "made-by.json"
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == made_by


@contextmanager
def work_folder(output: Path, made_by: str, resume: bool, kind: str = "work") -> Iterator[Path]:
    """A folder beside `output` for what takes long: kept where the export ends early, gone where it succeeds.

    Args:
        made_by: what shapes the folder's contents, as text; only an export of the same goes on with them.
        resume: take over what an earlier export left, instead of beginning anew.
        kind: the end of the folder's name, where an export needs several.

    Raises:
        InvalidInput: nothing was left to go on with, it is of another recipe, or another export writes to `output`.
    """
    with _alone(output):
        yield from _work_folder(output, made_by, resume, kind)


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Let no other process export to `output`; an export may hold it several times."""
    try:
        lock = FileLock(lock_path(output), blocking=False, is_singleton=True).acquire()
    except Timeout:
        raise InvalidInput(
            f'another export is writing "{output}": wait until it has ended, or give another folder'
        ) from None
    with lock:
        yield


def lock_path(output: Path) -> Path:
    """The file that whoever exports to `output` locks. It is never removed, since somebody may just be opening it, and
    so lies among the temporary files."""
    return Path(tempfile.gettempdir()) / f"sprig-export-{hashlib.sha256(str(output).encode()).hexdigest()[:16]}.lock"


def _work_folder(output: Path, made_by: str, resume: bool, kind: str) -> Iterator[Path]:
    folder = _work(output, kind)
    stamp = folder / "made-by.json"
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    elif not stamp.is_file():
        raise InvalidInput(f'no export of "{output}" was interrupted: leave --resume out')
    elif not was_left(output, made_by, kind):
        raise InvalidInput(
            f'the interrupted export of "{output}" had another recipe, model or code: leave --resume out'
        )
    folder.mkdir(exist_ok=True)
    stamp.write_text(made_by, encoding="utf-8")
    try:
        yield folder
    except BaseException:
        if list(folder.iterdir()) == [stamp]:
            shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


def _work(output: Path, kind: str) -> Path:
    return output.with_name(f".{output.name}.{kind}")


def write_bundle(staging: Path, output: Path, manifest: Manifest, report: dict[str, Any]) -> Manifest:
    """Complete the files in `staging` and put them in the place of `output`.

    Returns:
        The manifest as it was written, with every file's size and hash.
    """
    (staging / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (staging / "report.html").write_text(render_export(report, manifest.name), encoding="utf-8")
    (staging / "README.md").write_text(_model_card(manifest), encoding="utf-8")
    for path in staging.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in _LISTED:
            path.unlink()
    manifest = replace(manifest, files={p.name: describe_file(p) for p in sorted(staging.iterdir())})
    (staging / FILE_NAME).write_text(render_manifest(manifest), encoding="utf-8")
    staging.chmod(0o755)
    if output.exists():
        aside = Path(tempfile.mkdtemp(prefix=f".{output.name}.", suffix=".old", dir=output.parent))
        os.replace(output, aside / output.name)
        os.replace(staging, output)
        shutil.rmtree(aside)
    else:
        os.replace(staging, output)
    return manifest


def _model_card(manifest: Manifest) -> str:
    lines = [
        "---",
        f"license: {manifest.licence}",
        f"base_model: {manifest.base.name}",
        "library_name: sprig",
        "---",
        "",
        f"# {manifest.name}",
        "",
        f"A Sprig bundle for **{manifest.task}** ({', '.join(manifest.languages)}), made from `{manifest.base.name}` "
        f"(weights {manifest.base.sha256[:12]}, licence {manifest.base.licence}).",
        "",
        f"Quantization {manifest.quantization}, opset {manifest.opset}, window {manifest.max_tokens} tokens.",
        "",
        "| data | figure | value |",
        "|---|---|---|",
    ]
    for data, figures in manifest.quality.items():
        lines += [f"| {data} | {name} | {value:.4g} |" for name, value in figures.items()]
    return "\n".join(lines) + "\n"
