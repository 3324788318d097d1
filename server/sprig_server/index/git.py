"""Reading git's files about a work tree, without starting a program and without reading a repository's settings.

`git ls-files` reads the repository's configuration, which can name programs to run (core.fsmonitor), other folders
(core.worktree) and files to include. Here only three things are read, all of them data: the index (which files are
tracked), `info/exclude`, and the user's own list of ignored files.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sprig_server.index.regular_file import read_regular

# Larger than the index of any realistic repository (1 GB holds about ten million files).
_MOST_INDEX_BYTES = 1_000_000_000
_MOST_BYTES = 1_000_000
_MODES = {0o100644, 0o100755, 0o100664, 0o120000, 0o160000, 0o040000}


@dataclass(frozen=True, slots=True)
class Repository:
    """The git folders of a work tree: `git_dir` for its own files, `common` for those that all work trees share."""

    top: str
    git_dir: Path
    common: Path

    def tracked(self) -> list[str]:
        """The paths in the index, relative to the work tree; empty if the index is missing or cannot be read."""
        try:
            return [os.fsdecode(name) for name in _read_index(self.git_dir, "index")]
        except (OSError, ValueError, IndexError):
            return []


def find_repository(folder: str) -> Repository | None:
    """The repository whose work tree has its top at `folder`; None if there is none."""
    git = Path(f"{folder}/.git")
    try:
        if git.is_dir():
            git_dir = git
        else:
            text = os.fsdecode(read_regular(git, _MOST_BYTES)[0])
            if not text.startswith("gitdir:"):
                return None
            git_dir = Path(f"{folder}/", text.removeprefix("gitdir:").strip())
        if not (git_dir / "HEAD").exists():
            return None
    except (OSError, ValueError):  # a null byte in the path is a ValueError
        return None
    try:  # a linked work tree shares all but its index
        common = git_dir / os.fsdecode(read_regular(git_dir / "commondir", _MOST_BYTES)[0]).strip()
    except (OSError, ValueError):
        common = git_dir
    return Repository(folder, git_dir, common)


def find_repository_above(folder: str) -> Repository | None:
    """The repository with the nearest top above `folder`."""
    for parent in Path(folder).parents:
        found = find_repository(parent.as_posix().rstrip("/"))
        if found is not None:
            return found
    return None


def user_excludes() -> Path:
    """The user's own list of ignored files: `core.excludesFile` in their configuration, or git's default place."""
    home = Path.home()
    xdg = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "git"
    chosen = xdg / "ignore"
    for path in (Path("/etc/gitconfig"), xdg / "config", home / ".gitconfig"):
        try:
            text = read_regular(path, _MOST_BYTES, follow=True)[0].decode("utf-8", errors="replace")
        except OSError:
            continue
        settings = configparser.RawConfigParser(
            strict=False, allow_no_value=True, delimiters="=", inline_comment_prefixes="#;"
        )
        try:
            settings.read_string("\n".join(line.strip() for line in text.splitlines()))
            value = settings.get("core", "excludesfile", fallback=None)
        except configparser.Error:
            continue
        if value:
            chosen = Path(value.strip('"')).expanduser()
    return chosen


def _read_index(git_dir: Path, name: str) -> Iterator[bytes]:
    """The paths in an index file of any version, including those of the shared file of a split index.

    Collapsed folders of a sparse index are left out, because they are not checked out.

    Raises:
        OSError: the file cannot be read.
        ValueError, IndexError: it is not an index.
    """
    data, _ = read_regular(git_dir / name, _MOST_INDEX_BYTES)
    failure: Exception = ValueError(f"{name} is not an index")
    for hash_size in (20, 32):  # SHA-1, SHA-256: only the repository's configuration says which
        try:
            paths, shared = _parse_index(data, hash_size)
        except (ValueError, IndexError) as error:
            failure = error
            continue
        yield from paths
        if shared is not None and name == "index":  # a shared index has no shared index of its own
            yield from _read_index(git_dir, f"sharedindex.{shared}")
        return
    raise failure


def _parse_index(data: bytes, hash_size: int) -> tuple[list[bytes], str | None]:
    """The paths, and the hash that names the shared index if this one is split."""
    version, count = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
    if data[:4] != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("not an index of a known version")
    paths, place, name = [], 12, b""
    for _ in range(count):
        begin, place = place, place + 40 + hash_size + 2  # the file's status, the hash of its content, flags
        mode = int.from_bytes(data[begin + 24 : begin + 28], "big")
        if mode not in _MODES:
            raise ValueError(f"no mode of a file: {mode:o}")
        if version > 2 and data[place - 2] & 0x40:  # further flags
            place += 2
        if version == 4:
            kept, place = _parse_number(data, place)
            end = data.index(b"\0", place)
            name = name[: len(name) - kept] + data[place:end]
            place = end + 1
        else:
            end = data.index(b"\0", place)
            name = data[place:end]
            place = begin + (end - begin + 8) // 8 * 8
        if name and mode != 0o040000:  # a split index has no name where it only changes what the shared one says
            paths.append(name)
    shared = None
    while place < len(data) - hash_size:
        signature, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "big")
        if signature == b"link" and any(data[place + 8 : place + 8 + hash_size]):
            shared = data[place + 8 : place + 8 + hash_size].hex()
        place += 8 + size
    if place != len(data) - hash_size:
        raise ValueError("the extensions do not end where the checksum begins")
    return paths, shared


def _parse_number(data: bytes, place: int) -> tuple[int, int]:
    """A variable-length number, and where it ends."""
    value = data[place] & 0x7F
    while data[place] & 0x80:
        place += 1
        value = (value + 1 << 7) | (data[place] & 0x7F)
    return value, place + 1
