"""Fetching releases with each registry's own tool, by name and version.

The tools know the user's mirrors, proxies and credentials, so nothing of that is repeated here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sprig_server.errors import InvalidInput

_TIMEOUT = 900  # seconds for one release
_APT_FOLDERS = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))
_TOOLS = {"npm": "npm", "debian": "apt-get"}
_APT_OPTION = re.compile(r"^(?:Types:\s*deb|deb)(?=\s)", re.MULTILINE)

Download = Callable[[str, str, Path], Sequence[Path]]
"""(name, version, empty folder) -> the release's archives in that folder; none if it cannot be fetched."""


def download_pypi(name: str, version: str, folder: Path) -> Sequence[Path]:
    """The wheel of a release, or its source archive if there is no wheel for this machine."""
    for binary in ("--only-binary=:all:", "--no-binary=:all:"):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", binary]
        if _run([*command, "--dest", str(folder), f"{name}=={version}"], folder):
            return sorted(folder.iterdir())[:1]
    return ()


def download_npm(name: str, version: str, folder: Path) -> Sequence[Path]:
    """The tarball of a release, by `npm pack`."""
    if _run(["npm", "pack", f"{name}@{version}", "--ignore-scripts", "--loglevel=error"], folder):
        return sorted(folder.glob("*.tgz"))
    return ()


def download_debian(name: str, version: str, folder: Path) -> Sequence[Path]:
    """The upstream tarballs of a source package, by `apt-get source`, without Debian's patches."""
    _run(["apt-get", *_apt_options(folder.parent.parent), "source", "--download-only", f"{name}={version}"], folder)
    return [
        path for path in sorted(folder.glob("*.tar.*")) if ".debian.tar." not in path.name and path.suffix != ".asc"
    ]


def require_tool(registry: str) -> None:
    """Check that the tool of a registry is installed.

    Raises:
        InvalidInput: it is not.
    """
    tool = _TOOLS.get(registry)
    if tool is not None and shutil.which(tool) is None:
        raise InvalidInput(f"Releases of {registry} are fetched with {tool}, which this machine does not have.")


def prepare_debian(folder: Path) -> None:
    """Read the lists of source packages into `folder`, from this machine's mirrors.

    Raises:
        InvalidInput: the mirrors cannot be read.
    """
    parts = folder / ".apt" / "sources.list.d"
    parts.mkdir(parents=True, exist_ok=True)
    for place in _APT_FOLDERS:
        for path in sorted(place.iterdir()) if place.is_dir() else [place] if place.is_file() else []:
            if path.suffix in (".list", ".sources"):
                text = _APT_OPTION.sub(lambda match: match[0] + "-src", path.read_text(encoding="utf-8"))
                (parts / path.name).write_text(text, encoding="utf-8")
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / ".apt" / name).mkdir(parents=True, exist_ok=True)
    options = _apt_options(folder)
    # Make the caches once here, because several apt-get processes making them at the same time disturb each other.
    if not (_run(["apt-get", *options, "update"], folder) and _run(["apt-cache", *options, "gencaches"], folder)):
        raise InvalidInput("apt-get could not read the lists of source packages; see whether `apt-get update` works.")


DOWNLOADS: dict[str, Download] = {"pypi": download_pypi, "npm": download_npm, "debian": download_debian}
"""The registries, by their names in sources files."""


def _apt_options(folder: Path) -> list[str]:
    private = folder.resolve() / ".apt"
    return [
        "-qq",
        "-oDir::Etc::SourceList=/dev/null",
        f"-oDir::Etc::SourceParts={private}/sources.list.d",
        f"-oDir::State::Lists={private}/lists",
        f"-oDir::Cache={private}/cache",
    ]


def _run(command: Sequence[str], folder: Path) -> bool:
    """Whether a command succeeds in `folder`."""
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False
        )
    except (subprocess.TimeoutExpired, FileNotFoundError):
        return False
    return done.returncode == 0
