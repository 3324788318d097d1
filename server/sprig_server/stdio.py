"""Keeping the protocol's stdout clean: it is moved aside before anything else can write to it."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO


def claim_stdout() -> BinaryIO:
    """Take stdout for the protocol: whatever else writes to file descriptor 1 from now on lands on stderr.

    A stray print, or a line from native code, would break the framing for strict clients.
    """
    protocol = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return protocol
