"""Runs syncs and other blocking file work in threads, and calls back on the loop."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from data_plane.replication.executor import Done, Work
from data_plane.server.turns import nothing

THREADS_MAX = 8  # More dirty files at once gain nothing (durability.md 2).


class ThreadExecutor:
    """The edge's Executor: threads for calls that release the interpreter's lock.

    after: called on the loop behind each `done`, to end that turn; set once there are turns.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.after: Callable[[], None] = nothing
        self._loop = loop
        self._is_closed = False
        self._pool = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="sync")

    def submit(self, work: Sequence[Work], done: Done) -> None:
        if self._is_closed:
            return  # The process ends: nobody waits for what comes now.
        if not work:
            self._loop.call_soon(self._finish, done, None)
            return
        gathered = _Gathered(len(work), lambda error: self._call_back(done, error))
        for one in work:
            self._pool.submit(gathered.run, one)

    def close(self) -> None:
        """Wait for what runs; what is submitted afterwards is not done.

        How it ended is told in the loop's next turn: who marks anything as clean waits for that.
        """
        self._is_closed = True
        self._pool.shutdown(wait=True)

    def _call_back(self, done: Done, error: BaseException | None) -> None:
        self._loop.call_soon_threadsafe(self._finish, done, error)

    def _finish(self, done: Done, error: BaseException | None) -> None:
        done(error)
        self.after()


class _Gathered:
    """Counts pieces of work down; the last one tells."""

    def __init__(self, count: int, whole: Done) -> None:
        self._left = count
        self._whole = whole
        self._error: BaseException | None = None
        self._lock = Lock()

    def run(self, work: Work) -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as caught:
            error = caught
        with self._lock:
            self._error = self._error or error
            self._left -= 1
            is_last = not self._left
        if is_last:
            self._whole(self._error)
