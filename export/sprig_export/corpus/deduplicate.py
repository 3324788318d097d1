"""Finding duplicates: exact ones by their tokens, near ones by MinHash. And packages that no corpus may contain."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from sprig_export.config.toml import read_toml

_TOKEN = re.compile(r"\w+|[^\w\s]")
_BANDS, _ROWS = 8, 8  # half of the pairs at a Jaccard similarity of .78 collide, one in 30 at .5
_SHINGLE = 4  # tokens
_GENERATOR = np.random.default_rng(20240229)
_FACTORS = _GENERATOR.integers(1, 2**63, _BANDS * _ROWS, dtype=np.uint64) | np.uint64(1)
_BAND_BYTES = 9
_OFFSETS = _GENERATOR.integers(0, 2**63, _BANDS * _ROWS, dtype=np.uint64)
_POWERS = np.array([31**k for k in range(_SHINGLE)], dtype=np.uint64)


class Seen:
    """The functions seen so far, as hashes."""

    def __init__(self) -> None:
        self._exact: set[bytes] = set()
        self._bands: set[bytes] = set()

    def add(self, keys: Keys) -> bool:
        """Add a function. Returns whether it was new: neither a copy nor a near copy of an earlier one."""
        if self.holds(keys):
            return False
        self._exact.add(keys[0])
        self._bands.update(keys[1])
        return True

    def holds(self, keys: Keys) -> bool:
        """Whether a function is a copy or near copy of one that was added."""
        return keys[0] in self._exact or any(band in self._bands for band in keys[1])


Keys = tuple[bytes, tuple[bytes, ...]]
"""A hash of the normalised tokens, and a hash for each MinHash band (none for very short code)."""


def code_keys(code: str) -> Keys:
    """The keys by which a function is recognised. Spaces, line breaks and case do not matter."""
    tokens = _TOKEN.findall(code.lower())
    exact = hashlib.blake2b(" ".join(tokens).encode("utf-8", "surrogatepass"), digest_size=12).digest()
    if len(tokens) < 4 * _SHINGLE:
        return exact, ()
    hashes = np.array([zlib.crc32(token.encode("utf-8", "surrogatepass")) for token in tokens], dtype=np.uint64)
    signature = _minima(hashes)
    bands = tuple(
        bytes([band]) + hashlib.blake2b(signature[band * _ROWS :][:_ROWS].tobytes(), digest_size=8).digest()
        for band in range(_BANDS)
    )
    return exact, bands


def split_bands(joined: bytes) -> tuple[bytes, ...]:
    """The second part of `Keys`, from its concatenated bands."""
    return tuple(joined[start : start + _BAND_BYTES] for start in range(0, len(joined), _BAND_BYTES))


def excluded(path: str, never: Iterable[str]) -> bool:
    """Whether a path belongs to a package in `never`: installed, vendored, or a release's own folder."""
    names = frozenset(never)
    for part in PurePosixPath(path).parts:
        stem = part.removesuffix(".py")
        bare = re.sub(r"-\d.*$", "", stem)  # "requests-2.31.0" and "requests-2.31.0.dist-info"
        if normalise(stem) in names or normalise(bare) in names:
            return True
    return False


def normalise(name: str) -> str:
    """A package's name, normalised as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def never_train(language: str) -> frozenset[str]:
    """The normalised names of the packages that are kept for measuring; empty for a language without any."""
    lists = read_toml(Path(__file__).with_name("never_train.toml"))
    return frozenset(normalise(name) for name in lists.get(language, []))


def _minima(hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """The MinHash signature, uint32 [bands * rows], of the shingles of token hashes, uint64 [n]."""
    windows = np.lib.stride_tricks.sliding_window_view(hashes, _SHINGLE)
    shingles = np.unique((windows * _POWERS).sum(axis=1, dtype=np.uint64))
    mixed = shingles[None, :] * _FACTORS[:, None] + _OFFSETS[:, None]  # wraps around on purpose
    minima: NDArray[np.uint32] = (mixed >> np.uint64(32)).min(axis=1).astype(np.uint32)
    return minima
