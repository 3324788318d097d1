"""The sources of a corpus: packages with exact versions. They are fetched once, and only their source files are
kept.
"""

from __future__ import annotations

import logging
import re
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.progress import Progress

from sprig_export.config.toml import read_toml
from sprig_export.corpus.registries import DOWNLOADS, prepare_debian, require_tool
from sprig_server.code.languages import LANGUAGES
from sprig_server.errors import InvalidInput

_LOG = logging.getLogger(__name__)
_PARALLEL = 6
_LARGEST_FILE = 1_000_000  # bytes; larger sources are generated or data
_SERVED = {"python": ("python",), "java": ("java",), "javascript": ("javascript", "typescript"), "cpp": ("cpp",)}
_STUBS = (".pyi", ".pyw")
SUFFIXES = {
    corpus: tuple(e for lang in LANGUAGES if lang.name in served for e in lang.extensions if e not in _STUBS)
    for corpus, served in _SERVED.items()
}
"""The file extensions of each corpus. The JavaScript corpus includes TypeScript."""
_PINNED = re.compile(r"(@?[A-Za-z0-9][A-Za-z0-9._+/-]*)==([A-Za-z0-9.:!+~_-]+)")


@dataclass(frozen=True, slots=True)
class Package:
    """One release of a package."""

    name: str
    version: str

    @property
    def folder(self) -> str:
        """The name of the folder that its sources are unpacked into."""
        return f"{self.name}-{self.version}".replace("/", "+").replace(":", "%")


@dataclass(frozen=True, slots=True)
class Sources:
    """The content of a sources file: releases of one language in one registry."""

    language: str
    registry: str
    packages: tuple[Package, ...]


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of fetching: how many packages are there, and which are missing."""

    present: int
    missing: tuple[str, ...]


def read_sources(path: Path) -> Sources:
    """The packages that a sources file names.

    Raises:
        InvalidInput: the file does not exist, is not TOML, or an entry is not `name==version`.
    """
    content = read_toml(path)
    language, registry, entries = content.get("language"), content.get("registry"), content.get("packages")
    if language not in SUFFIXES or registry not in DOWNLOADS or not isinstance(entries, list):
        raise InvalidInput(
            f"{path} is not a sources file: it needs a `language` ({' or '.join(SUFFIXES)}), "
            f"a `registry` ({' or '.join(DOWNLOADS)}) and `packages`."
        )
    packages = []
    for entry in entries:
        pinned = _PINNED.fullmatch(str(entry))
        if pinned is None:
            raise InvalidInput(f"{path}: {entry!r} must name one release, as in 'django==5.2.19'.")
        packages.append(Package(pinned[1], pinned[2]))
    return Sources(language, registry, tuple(packages))


def fetch(sources: Path, output: Path) -> Fetched:
    """Download the packages of a sources file and unpack their sources into one folder for each release in `output`.

    A release that exists already is not fetched again. One that cannot be fetched is logged and left out.

    Raises:
        InvalidInput: the sources file cannot be read, or the registry's tool is missing.
    """
    named, output = read_sources(sources), output.resolve()  # the registries' tools run in folders of their own
    output.mkdir(parents=True, exist_ok=True)
    require_tool(named.registry)
    if named.registry == "debian":
        prepare_debian(output)
    with (
        ThreadPoolExecutor(_PARALLEL) as pool,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        fetched = pool.map(lambda package: _fetch_one(package, named, output), named.packages)
        present = list(progress.track(fetched, total=len(named.packages), description="releases"))
    missing = tuple(p.folder for p, there in zip(named.packages, present, strict=True) if not there)
    return Fetched(sum(present), missing)


def unpack(archive: Path, suffixes: tuple[str, ...], folder: Path) -> int:
    """Copy the source files of a wheel or source archive into `folder`; returns how many.

    Raises:
        InvalidInput: the archive is damaged, or of an unknown kind.
    """
    count = 0
    try:
        for name, data in _members(archive, suffixes):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            count += 1
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise InvalidInput(f"{archive.name} cannot be unpacked: {error}.") from error
    return count


def _fetch_one(package: Package, named: Sources, output: Path) -> bool:
    target = output / package.folder
    if target.is_dir():
        return True
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=output) as temporary:
        work = Path(temporary)
        archives, unpacked = work / "archives", work / "sources"
        archives.mkdir()
        unpacked.mkdir()
        try:
            found = DOWNLOADS[named.registry](package.name, package.version, archives)
            count = sum(unpack(archive, SUFFIXES[named.language], unpacked) for archive in found)
        except InvalidInput as error:
            _LOG.warning("%s", error)
            return False
        if not found:
            _LOG.warning("%s could not be downloaded and is left out", package.folder)
            return False
        unpacked.replace(target)
    _LOG.info("%s: %d source files", package.folder, count)
    return True


def _members(archive: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                if _wanted(entry.filename, entry.file_size, suffixes):
                    yield entry.filename, zipped.read(entry)
        return
    with tarfile.open(archive) as packed:
        for member in packed:
            stream = packed.extractfile(member) if member.isfile() else None
            if stream is not None and _wanted(member.name, member.size, suffixes):
                yield member.name, stream.read()


def _wanted(name: str, size: int, suffixes: tuple[str, ...]) -> bool:
    path = PurePosixPath(name)
    inside = not path.is_absolute() and ".." not in path.parts  # an archive must not write outside its folder
    return inside and name.endswith(suffixes) and 0 < size <= _LARGEST_FILE
