"""Finding the source files of a workspace: one walk that honours ignore files and knows which files git tracks.

Nothing is executed or written, and no link out of the folder is followed, whatever a repository contains; see `git.py`.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sprig_server.code.languages import language_of_path
from sprig_server.errors import Cancelled
from sprig_server.index.git import Repository, find_repository, find_repository_above, user_excludes
from sprig_server.index.ignore import Rules

# Larger files are data or generated; parsing them would stall the build.
MAX_BYTES = 1_000_000

# Installed packages and output of tools. Only names that nobody gives to a folder of their own source code.
_ARTIFACTS = frozenset(
    {
        *("node_modules", "bower_components", "jspm_packages", ".yarn", ".pnpm-store"),
        *(".next", ".nuxt", ".svelte-kit", ".parcel-cache"),
        *("__pycache__", ".venv", "venv", ".tox", ".nox", ".eggs", "site-packages", "dist-packages", "__pypackages__"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".ipynb_checkpoints"),
        *(".gradle", "CMakeFiles", "vcpkg_installed", ".hg", ".svn", ".jj"),
    }
)
# Files that mark their folder as one of these: a virtual environment, a cache, a conda environment.
_ARTIFACT_MARKS = frozenset({"pyvenv.cfg", "CACHEDIR.TAG", "conda-meta"})


@dataclass(frozen=True, slots=True)
class Listing:
    """The result of a walk: paths relative to the workspace, with forward slashes, sorted.

    `paths` are the source files, `folders` the folders that were visited ("" is the workspace itself), `too_large` the
    source files of more than `MAX_BYTES`, `unreadable` the folders and ignore files that could not be read.
    """

    paths: list[str]
    folders: list[str]
    too_large: list[str]
    unreadable: list[str]


def list_sources(root: Path) -> list[str]:
    """The paths of the source files under `root`, relative to it, with forward slashes, sorted."""
    return list_files(root).paths


def list_files(root: Path, unsaved: Iterable[str] = (), stop: Callable[[], bool] = lambda: False) -> Listing:
    """Walk through a folder.

    Symbolic links are not followed. Submodules and nested clones use their own ignore files. Ignored files and
    installed packages count only if git tracks them.

    Args:
        unsaved: paths of documents that may have no file yet; they are listed as if they had one.

    Raises:
        Cancelled: `stop` returned True.
    """
    top = root.absolute().as_posix().rstrip("/")
    found = Listing([], [], [], [])
    waiting = _by_existing_folder(top, unsaved)
    stack = [_open_workspace(top)]
    while stack:
        if stop():
            raise Cancelled
        folder = stack.pop()
        relative = folder.path[len(top) + 1 :]
        try:
            with os.scandir(folder.path or "/") as entries:
                children = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        except OSError:
            found.unreadable.append(relative + "/")
            continue
        names = {entry.name for entry in children}
        if ".git" in names and folder.path != top:
            folder = folder.as_repository()
        if folder.path != top and _is_artifact(names):
            folder = replace(folder, only_tracked=True)
        try:
            folder = replace(folder, rules=folder.rules.within(folder.path))
        except OSError:
            found.unreadable.append(f"{relative}/.gitignore".lstrip("/"))
        found.folders.append(relative)
        for entry in children:
            path = f"{folder.path}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                child = folder.enter(entry.name)
                if child is not None:
                    stack.append(child)
            elif language_of_path(entry.name) and folder.holds(path):
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:  # deleted meanwhile
                    continue
                if stat.S_ISREG(status.st_mode):
                    (found.paths if status.st_size <= MAX_BYTES else found.too_large).append(path[len(top) + 1 :])
        found.paths.extend(path[len(top) + 1 :] for path in waiting.get(folder.path, ()) if folder.holds(path))
    return Listing(*(sorted(part) for part in (found.paths, found.folders, found.too_large, found.unreadable)))


def is_indexable(path: Path) -> bool:
    """Whether a file is regular and not too large to be indexed."""
    try:
        status = path.lstat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder during the walk: its absolute path, and what decides about its entries.

    `tracked` are the absolute paths that git tracks in this repository, `parents` all folders above one of them. If
    `only_tracked`, nothing else counts.
    """

    path: str
    rules: Rules = field(default_factory=Rules)
    tracked: frozenset[str] = frozenset()
    parents: frozenset[str] = frozenset()
    only_tracked: bool = False

    def holds(self, path: str) -> bool:
        """Whether a file in this folder counts."""
        return path in self.tracked or not (self.only_tracked or self.rules.ignores(path, is_folder=False))

    def enter(self, name: str) -> _Folder | None:
        """A subfolder of this one; None if nothing in it counts."""
        if name.lower() == ".git":
            return None
        path = f"{self.path}/{name}"
        left_out = self.only_tracked or name in _ARTIFACTS or self.rules.ignores(path, is_folder=True)
        if left_out and path not in self.parents and path not in self.tracked:
            return None
        return replace(self, path=path, only_tracked=left_out)

    def as_repository(self) -> _Folder:
        """This folder as the top of its own repository, if it is a submodule or a nested clone."""
        repository = find_repository(self.path)
        if repository is None or (self.only_tracked and self.path not in self.tracked):
            return self
        return _open_repository(repository, self.path)


def _open_workspace(top: str) -> _Folder:
    repository = find_repository(top)
    if repository is not None:
        return _open_repository(repository, top)
    repository = find_repository_above(top)
    return _open_repository(repository, top) if repository is not None else _Folder(top)


def _open_repository(repository: Repository, path: str) -> _Folder:
    """A folder in a repository: its top, or a folder below it."""
    prefix = repository.top.rstrip("/") + "/"
    tracked = frozenset(p for p in map(prefix.__add__, repository.tracked()) if p.startswith(path + "/"))
    parents: set[str] = set()
    for file in tracked:
        parent = file.rpartition("/")[0]
        while len(parent) > len(path) and parent not in parents:
            parents.add(parent)
            parent = parent.rpartition("/")[0]
    rules = Rules().with_list(repository.top, repository.common / "info" / "exclude")
    rules = rules.with_list(repository.top, user_excludes())
    for above, below in _steps(repository.top, path):
        with suppress(OSError):  # it is outside the workspace, so the user is not told
            rules = rules.within(above)
        if rules.ignores(below, is_folder=True):  # a folder above ignores the workspace: it is indexed all the same
            return _Folder(path, Rules(), tracked, frozenset(parents))
    return _Folder(path, rules, tracked, frozenset(parents))


def _steps(top: str, path: str) -> Iterator[tuple[str, str]]:
    """Each folder from `top` to the parent of `path`, with the next one below it."""
    parts = path[len(top) :].strip("/").split("/") if path != top else []
    for count in range(len(parts)):
        above = "/".join((top.rstrip("/"), *parts[:count]))
        yield above, f"{above}/{parts[count]}"


def _is_artifact(names: set[str]) -> bool:
    return bool(names & _ARTIFACT_MARKS) or ("CMakeCache.txt" in names and "CMakeLists.txt" not in names)


def _by_existing_folder(top: str, paths: Iterable[str]) -> dict[str, list[str]]:
    """The absolute paths of source documents without a file, by their nearest existing parent folder."""
    waiting: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        absolute = f"{top}/{path}"
        if language_of_path(path) and _ARTIFACTS.isdisjoint(path.split("/")) and not os.path.lexists(absolute):
            folder = absolute.rpartition("/")[0]
            while len(folder) > len(top) and not Path(folder).is_dir():
                folder = folder.rpartition("/")[0]
            waiting[folder].append(absolute)
    return waiting
