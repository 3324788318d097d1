"""Which files a repository says are nobody's source: `.gitignore` files and the lists beside them."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from sprig_server.index.regular_file import read_regular

# Longer lists would let a hostile repository stall the listing, and so would patterns with more wildcards between two
# slashes, or with more `**`: matching takes time that grows exponentially with their number.
_MOST_BYTES = 100_000
_MOST_WILDCARDS = 3
_MOST_DEEP_WILDCARDS = 4


@dataclass(frozen=True, slots=True)
class Rules:
    """The ignore files in force in a folder, the nearest first, each with the folder that its patterns start from."""

    files: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    def within(self, folder: str) -> Rules:
        """The rules inside a folder, with those of its own ignore file.

        Raises:
            OSError: there is an ignore file and it cannot be read.
        """
        spec = _read_spec(Path(f"{folder}/.gitignore"), follow=False)
        return Rules(((folder, spec), *self.files)) if spec is not None else self

    def with_list(self, folder: str, path: Path) -> Rules:
        """These rules and those of a list that lies elsewhere; its patterns start from `folder`."""
        try:
            spec = _read_spec(path, follow=True)
        except OSError:
            spec = None
        return Rules((*self.files, (folder, spec))) if spec is not None else self

    def ignores(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path, whose parents are not ignored, is ignored: the nearest file with an opinion decides."""
        for folder, spec in self.files:
            verdict = spec.check_file(path[len(folder) :].lstrip("/") + ("/" if is_folder else "")).include
            if verdict is not None:
                return verdict
        return False


def _read_spec(path: Path, *, follow: bool) -> GitIgnoreSpec | None:
    try:
        data, _ = read_regular(path, _MOST_BYTES, follow=follow)
    except OSError as error:
        # None there; or one that git does not follow or read either.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, None):
            return None
        raise
    if len(data) == _MOST_BYTES:
        data = data[: data.rfind(b"\n") + 1]
    lines = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="surrogateescape").split("\n")
    lines = list(dict.fromkeys(reversed(lines)))[::-1]  # of equal lines the last one decides
    patterns = [_as_pathspec_reads_it(line.removesuffix("\r")) for line in lines if not _is_costly(line)]
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except (ValueError, re.error):  # one pattern that makes no sense does not take the others away
        return GitIgnoreSpec.from_lines(filter(_is_pattern, patterns))


def _is_costly(pattern: str) -> bool:
    deep = pattern.count("**") > _MOST_DEEP_WILDCARDS
    return deep or len(pattern) > 1_000 or any(part.count("*") > _MOST_WILDCARDS for part in pattern.split("/"))


def _as_pathspec_reads_it(pattern: str) -> str:
    """To git, `a/**` is what is in `a`; to pathspec also `a` itself."""
    bare = pattern if pattern.endswith("\\ ") else pattern.rstrip(" ")
    if bare.endswith("/**"):
        return bare + "/*"
    return bare[:-1] + "/*/" if bare.endswith("/**/") else bare


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True
