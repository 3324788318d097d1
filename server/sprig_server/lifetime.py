"""Ending the server's process, even if another process holds its pipes open or work is still running."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import psutil

GRACE_SECONDS = 1.5
"""How long running work may take to stop before the process ends anyway. Everything that is kept is on disk."""

_POLL_SECONDS = 1.0


def end_within_grace(code: Callable[[], int]) -> None:
    """End this process soon with this exit code, even if a thread does not return."""

    def end() -> None:
        time.sleep(GRACE_SECONDS)
        os._exit(code())

    threading.Thread(target=end, name="sprig-grace", daemon=True).start()


def watch_client(process_id: int, gone: Callable[[], None]) -> None:
    """Call `gone` on another thread when the client's process has ended."""

    def watch() -> None:
        while _is_alive(process_id, created):
            time.sleep(_POLL_SECONDS)
        gone()

    created = _created(process_id)
    threading.Thread(target=watch, name="sprig-client-watch", daemon=True).start()


def _created(process_id: int) -> float | None:
    """When a process started, which distinguishes it from a later one with the same number; None if there is none."""
    try:
        return psutil.Process(process_id).create_time()
    except psutil.AccessDenied:
        return 0.0
    except (psutil.Error, ValueError, OverflowError):
        return None


def _is_alive(process_id: int, created: float | None) -> bool:
    if created is None or _created(process_id) != created:
        return False
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False
