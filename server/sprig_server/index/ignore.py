"""Ignored files: `.gitignore` files, and git's other lists of ignored files."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from sprig_server.index.regular_file import read_regular

# Longer lists would let a hostile repository stall the walk. So would patterns with more wildcards between two slashes
# or with more `**`: matching time grows exponentially with their number.
_MOST_BYTES = 100_000
_MOST_WILDCARDS = 3
_MOST_DEEP_WILDCARDS = 4


@dataclass(frozen=True, slots=True)
class Rules:
    """The ignore files that apply in a folder, the nearest first, each with the folder that its patterns are relative
    to.
    """

    files: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    def within(self, folder: str) -> Rules:
        """The rules inside a folder, including those of its own ignore file.

        Raises:
            OSError: its ignore file cannot be read.
        """
        spec = _read_spec(Path(f"{folder}/.gitignore"), follow=False)
        return Rules(((folder, spec), *self.files)) if spec is not None else self

    def with_list(self, folder: str, path: Path) -> Rules:
        """These rules and those of a list elsewhere, whose patterns are relative to `folder`."""
        try:
            spec = _read_spec(path, follow=True)
        except OSError:
            spec = None
        return Rules((*self.files, (folder, spec))) if spec is not None else self

    def ignores(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path whose parents are not ignored is ignored. The nearest ignore file with a matching pattern
        decides.
        """
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
    lines = list(dict.fromkeys(reversed(lines)))[::-1]  # of equal lines, the last one decides
    patterns = [_as_pathspec_reads_it(line.removesuffix("\r")) for line in lines if not _is_costly(line)]
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except (ValueError, re.error):  # an invalid pattern must not disable the others
        return GitIgnoreSpec.from_lines(filter(_is_pattern, patterns))


def _is_costly(pattern: str) -> bool:
    deep = pattern.count("**") > _MOST_DEEP_WILDCARDS
    return deep or len(pattern) > 1_000 or any(part.count("*") > _MOST_WILDCARDS for part in pattern.split("/"))


def _as_pathspec_reads_it(pattern: str) -> str:
    """A pattern as pathspec needs it: in git, `a/**` matches what is in `a`; in pathspec also `a` itself."""
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
