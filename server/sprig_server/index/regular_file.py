"""Reading files safely: a repository may contain pipes and devices, and reading a pipe would never end."""

from __future__ import annotations

import os
import stat
from pathlib import Path

# Opening a pipe does not wait for a writer. A path that is a symbolic link is refused.
_NEVER_WAIT = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def read_regular(path: str | Path, most: int, *, follow: bool = False) -> tuple[bytes, os.stat_result]:
    """The first `most` bytes of a regular file, and its status when it was opened.

    Args:
        follow: read the target of a symbolic link.

    Raises:
        OSError: the file does not exist, cannot be read, or is a pipe, a device or another special file.
    """
    descriptor = os.open(path, _NEVER_WAIT | (0 if follow else _NO_LINK))
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor has no path
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f'"{path}" is not a regular file')
        return stream.read(most), status
