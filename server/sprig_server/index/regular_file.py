"""Reading files that may be anything: a repository decides what stands under a name, and a pipe would never end."""

from __future__ import annotations

import os
import stat
from pathlib import Path

# A pipe is opened without waiting for a writer, and a symbolic link in the last place is refused.
_NEVER_WAIT = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def read_regular(path: str | Path, most: int, *, follow: bool = False) -> tuple[bytes, os.stat_result]:
    """The first `most` bytes of a regular file, and its status as of the moment it was opened.

    Args:
        follow: True reads what a symbolic link points to.

    Raises:
        OSError: there is no such file, it cannot be read, or it is a pipe, a device or another special file.
    """
    descriptor = os.open(path, _NEVER_WAIT | (0 if follow else _NO_LINK))
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor has no path
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f'"{path}" is not a regular file')
        return stream.read(most), status
