"""The bundles of a process. They are loaded at first use; summary models are unloaded when they are idle."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sprig_server.bundle.packs import bundles_of, installed_packs
from sprig_server.bundle.store import Bundle, choose_bundle, find_bundle
from sprig_server.inference.encoder import Encoder
from sprig_server.inference.summarizer import Summarizer

IDLE_SECONDS = 300.0
"""A summary model that was not used for this time is unloaded: it holds some 300 MB, and loading it takes a second."""


class Models:
    """Which bundle serves which task and language, and the loaded models."""

    def __init__(self, folders: Sequence[Path], threads: int, idle_seconds: float = IDLE_SECONDS) -> None:
        """Find the bundles. Those in `folders`, which may also be names of installed ones, come before those of the
        packs.

        Args:
            idle_seconds: how long an unused summary model stays loaded.

        Raises:
            InvalidBundle: one of the folders is neither a bundle nor the name of one.
        """
        self.packs = installed_packs()
        installed = bundles_of(self.packs)
        self.bundles: tuple[Bundle, ...] = (*(find_bundle(folder, installed) for folder in folders), *installed)
        self.threads = threads
        # Two locks: loading takes seconds, and a search must not wait for the model of a hover.
        self._encoders_lock, self._summarizers_lock = threading.Lock(), threading.Lock()
        self._encoders: dict[Path, Encoder] = {}
        self._summarizers: dict[Path, Summarizer] = {}
        self._idle_seconds = idle_seconds
        self._unloading: threading.Timer | None = None

    def search_bundle(self, language: str) -> Bundle | None:
        """The bundle that encodes functions of that language."""
        return choose_bundle(self.bundles, "search", language)

    def summary_bundle(self, language: str) -> Bundle | None:
        """The bundle that summarizes functions of that language."""
        return choose_bundle(self.bundles, "summarize", language)

    def encoder(self, bundle: Bundle) -> Encoder:
        """The encoder of a search bundle.

        Raises:
            InvalidBundle: it cannot be loaded.
        """
        with self._encoders_lock:
            if bundle.folder not in self._encoders:
                self._encoders[bundle.folder] = Encoder(bundle, self.threads)
            return self._encoders[bundle.folder]

    def summarizer(self, bundle: Bundle) -> Summarizer:
        """The summarizer of a summary bundle. Whoever uses it keeps it, even if it is unloaded here.

        Raises:
            InvalidBundle: it cannot be loaded.
        """
        with self._summarizers_lock:
            if bundle.folder not in self._summarizers:
                self._summarizers[bundle.folder] = Summarizer(bundle, self.threads)
            if self._unloading is not None:
                self._unloading.cancel()
            self._unloading = threading.Timer(self._idle_seconds, self._unload_summarizers)
            self._unloading.daemon = True
            self._unloading.start()
            return self._summarizers[bundle.folder]

    def _unload_summarizers(self) -> None:
        with self._summarizers_lock:
            self._summarizers.clear()
        if sys.platform == "linux":  # glibc keeps freed memory unless it is asked to return it; other libraries cannot
            with suppress(AttributeError):
                ctypes.CDLL(None).malloc_trim(0)
