"""Which files of a workspace are source code: what git tracks or would, otherwise a walk that honours .gitignore."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pathspec import GitIgnoreSpec

from sprig_server.code.languages import language_of_path

# Larger files are data or generated; parsing them would stall the build.
MAX_BYTES = 1_000_000

# Never source of the workspace's own, and often not in .gitignore where there is no git.
_SKIPPED_FOLDERS = frozenset(
    {".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv", ".tox", ".mypy_cache"}
)


def list_sources(root: Path) -> list[str]:
    """Paths of the source files under `root`, relative to it with forward slashes, sorted.

    Symbolic links are not followed, and files beyond `MAX_BYTES` are left out.
    """
    listed = _listed_by_git(root)
    paths = listed if listed is not None else _walk(root)
    return sorted(path for path in paths if language_of_path(path) and is_indexable(root / path))


def is_indexable(path: Path) -> bool:
    """Whether a file is a regular one of a size that is indexed."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES


def _listed_by_git(root: Path) -> list[str] | None:
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if listing.returncode != 0:
        return None
    paths = [os.fsdecode(name) for name in listing.stdout.split(b"\0") if name]
    # A folder inside somebody's repository that ignores it lists nothing: then walk.
    return list(dict.fromkeys(paths)) or None


def _walk(root: Path) -> Iterator[str]:
    specs: dict[str, GitIgnoreSpec] = {}
    for folder, subfolders, names in os.walk(root):
        relative = PurePosixPath(Path(folder).relative_to(root).as_posix())
        ignore_file = Path(folder) / ".gitignore"
        if ignore_file.is_file():
            text = ignore_file.read_text(encoding="utf-8", errors="replace")
            specs[relative.as_posix()] = GitIgnoreSpec.from_lines(text.splitlines())
        subfolders[:] = sorted(
            name
            for name in subfolders
            if name not in _SKIPPED_FOLDERS and not _ignored(specs, relative / name, is_folder=True)
        )
        for name in names:
            if not _ignored(specs, relative / name, is_folder=False):
                yield (relative / name).as_posix()


def _ignored(specs: dict[str, GitIgnoreSpec], path: PurePosixPath, *, is_folder: bool) -> bool:
    """Whether the .gitignore files above `path` exclude it; the nearest one with an opinion decides."""
    for parent in path.parents:
        spec = specs.get(parent.as_posix())
        if spec is None:
            continue
        verdict = spec.check_file(path.relative_to(parent).as_posix() + ("/" if is_folder else "")).include
        if verdict is not None:
            return verdict
    return False
