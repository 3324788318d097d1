"""The importance table as a file of a bundle, `importance.npz`: arrays only, no pickles."""

from __future__ import annotations

import io
from zipfile import BadZipFile

import numpy as np

from sprig_server.code.statements import CLASSES
from sprig_server.errors import InvalidBundle
from sprig_server.trim.importance import Importance

FILE_NAME = "importance.npz"


def render_importance(importance: Importance) -> bytes:
    """The bytes of `importance.npz`."""
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        allow_pickle=False,
        vocabulary=np.array(importance.vocabulary),
        keys=importance.keys,
        means=importance.means.astype(np.float32),
        variances=importance.variances.astype(np.float32),
        counts=importance.counts,
    )
    return stream.getvalue()


def parse_importance(data: bytes) -> Importance:
    """The table in the bytes of `importance.npz`.

    Raises:
        InvalidBundle: they are not such a table.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            found = Importance(
                int(arrays["vocabulary"]), *(arrays[name] for name in ("keys", "means", "variances", "counts"))
            )
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise InvalidBundle(f"importance.npz is not a table of importance ({error}): export the bundle again") from None
    shapes = {array.shape for array in (found.keys, found.means, found.variances, found.counts)}
    inside = found.keys.size == 0 or (found.keys.min() >= 0 and found.keys.max() < len(CLASSES) * found.vocabulary)
    if len(shapes) != 1 or found.keys.ndim != 1 or not inside:
        raise InvalidBundle("importance.npz holds entries that no token has: export the bundle again")
    return found
