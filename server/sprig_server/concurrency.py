"""Work that must not run on the event loop. It runs on our own threads and can always be stopped.

pygls reads stdin on its thread pool, so model work there would delay every message (DESIGN invariant 6).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sprig_server.errors import Cancelled

T = TypeVar("T")
Stop = Callable[[], bool]


class Worker:
    """A few threads for one kind of work. Each call gets a `stop`, which returns True once nobody waits for the
    result.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._closed = threading.Event()

    async def run(self, work: Callable[[Stop], T]) -> T:
        """The result of `work(stop)`, computed on a thread of this worker.

        Raises:
            asyncio.CancelledError: the awaiting task was cancelled; `stop` returns True from then on.
            Cancelled: the worker was closed.
        """
        given_up = threading.Event()

        def stop() -> bool:
            return given_up.is_set() or self._closed.is_set()

        def guarded() -> T:
            if stop():  # cancelled while waiting for a thread
                raise Cancelled
            return work(stop)

        if self._closed.is_set():
            raise Cancelled
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, guarded)
        except asyncio.CancelledError:
            given_up.set()
            raise

    def close(self) -> None:
        """Stop running work at its next check, and accept no more."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


class Tasks:
    """Background tasks of the event loop. Keeps references to them and reports their failures."""

    def __init__(self, report: Callable[[str, BaseException], object]) -> None:
        """`report` is called with the name of a task that failed, and its error; cancellation is not a failure."""
        self._report = report
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a coroutine in the background."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._finished)
        return task

    def cancel(self) -> None:
        """Cancel all running tasks."""
        for task in self._running:
            task.cancel()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, Cancelled):
            self._report(task.get_name(), error)
