"""Failures outside Sprig during an export, as one clear sentence each."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sprig_server.errors import InvalidInput, SprigError

_LOG = logging.getLogger(__name__)
_NO_ROOM = ("no space left on device", "disk quota exceeded")
_NO_MEMORY = (
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "bad allocation",
    "std::bad_alloc",
)


@contextmanager
def explained(output: Path) -> Iterator[None]:
    """Turn a full disk, too little memory or Ctrl-C into a sentence about the export to `output`.

    Raises:
        SprigError: the disk is full, or there is too little memory; nothing was written to `output`.
        KeyboardInterrupt: unchanged.
    """
    try:
        yield
    except KeyboardInterrupt:
        _LOG.warning("nothing was written; the same command with --resume continues with what is done")
        raise
    except Exception as error:  # safetensors, tokenizers and PyTorch raise their own types
        if _lacks_room(error):
            raise SprigError(
                f'the disk of "{output.resolve().parent}" is full: free some space, or give another --output; --resume '
                "continues with what is done"
            ) from None
        if _lacks_memory(error):
            raise SprigError(
                "there is too little memory for the model: close other programs, or export a smaller "
                "one; --resume continues with what is done"
            ) from None
        raise


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Turn errors of loading into a sentence: a model's weights are damaged, or do not fit its configuration.

    Raises:
        InvalidInput: loading failed for one of these reasons.
    """
    try:
        yield
    except InvalidInput:
        raise
    except Exception as error:  # safetensors, pickle, zipfile and transformers all raise their own types
        if (isinstance(error, OSError) and error.errno is not None) or _lacks_memory(error):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InvalidInput(f'the model in "{folder}" cannot be loaded ({reason}): fetch it again') from None


def _lacks_room(error: BaseException) -> bool:
    """Whether the disk was full. PyTorch says so in the context of its error, Rust libraries in the text only."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    if any(reason in str(error).lower() for reason in _NO_ROOM):
        return True
    return error.__context__ is not None and _lacks_room(error.__context__)


def _lacks_memory(error: Exception) -> bool:
    """Whether there was too little memory. PyTorch and ONNX Runtime say so in the text only."""
    return isinstance(error, MemoryError) or any(reason in str(error).lower() for reason in _NO_MEMORY)
