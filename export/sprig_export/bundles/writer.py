"""Writing a bundle atomically: everything is made in a hidden folder beside the target."""

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
    """The absolute path of a valid place for a bundle. Creates its parent folder.

    Raises:
        InvalidInput: `output` exists and is neither a bundle nor an empty folder, or cannot be written.
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
    """A temporary folder beside `output` to build the bundle in. It is always removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f".{output.name}.", suffix=".part", dir=output.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def was_left(output: Path, made_by: str, kind: str = "work") -> bool:
    """Whether an interrupted export with the same `made_by` left a folder to resume from."""
    stamp = _work(output, kind) / "made-by.json"
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == made_by


@contextmanager
def work_folder(output: Path, made_by: str, resume: bool, kind: str = "work") -> Iterator[Path]:
    """A folder beside `output` for intermediate results: kept if the export is interrupted, removed when it succeeds.

    Args:
        made_by: everything that determines the folder's contents, as text. Only an export with the same text resumes.
        resume: continue with the results of an interrupted export instead of starting again.
        kind: the end of the folder's name, because an export may need several.

    Raises:
        InvalidInput: there is nothing to resume, it is from another recipe, or another export is writing `output`.
    """
    with _alone(output):
        yield from _work_folder(output, made_by, resume, kind)


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Lock `output` against other exports. One export may take the lock several times."""
    try:
        lock = FileLock(lock_path(output), blocking=False, is_singleton=True).acquire()
    except Timeout:
        raise InvalidInput(
            f'another export is writing "{output}": wait until it has ended, or give another folder'
        ) from None
    with lock:
        yield


def lock_path(output: Path) -> Path:
    """The lock file of exports to `output`. It is never removed, because another process may be opening it, so it is
    among the temporary files.
    """
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
    """Complete the files in `staging` and move them to `output`.

    Returns:
        The manifest as written, with every file's size and hash.
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
