"""Parked requests: what a reply waits for, until when, and whom to tell."""

import heapq
from collections.abc import Callable, Iterator
from itertools import count

Callback = Callable[[object], None]
Committed = Callable[[bool], None]  # False: the partition went before the offset was reached


class Parked:
    """A reply that is not ready yet; it holds its place in its connection's queue.

    deadline_ms: Unix milliseconds at which `on_deadline()` gives the response; None: no limit here.
    mutes: the connection reads no further request meanwhile (fetch, join); produces do not mute.
    Completed once: whoever comes later is told False.
    """

    __slots__ = ("_callback", "_on_deadline", "deadline_ms", "is_done", "mutes", "response")

    def __init__(
        self,
        deadline_ms: int | None = None,
        on_deadline: Callable[[], object] | None = None,
        *,
        mutes: bool = True,
    ) -> None:
        self.deadline_ms = deadline_ms
        self.mutes = mutes
        self.is_done = False
        self.response: object = None
        self._on_deadline = on_deadline
        self._callback: Callback | None = None

    def complete(self, response: object) -> bool:
        """Answer; False if it was answered or abandoned before."""
        if self.is_done:
            return False
        self.is_done = True
        self.response = response
        callback, self._callback, self._on_deadline = self._callback, None, None
        if callback is not None:
            callback(response)
        return True

    def expire(self) -> bool:
        """The deadline has passed: answer with what there is."""
        if self.is_done or self._on_deadline is None:
            return False
        return self.complete(self._on_deadline())

    def abandon(self) -> None:
        """The connection is gone: nobody is told any more."""
        self.is_done = True
        self._callback = self._on_deadline = None

    def when_done(self, callback: Callback) -> None:
        """Call back with the response, at once if it is there. One listener, the connection."""
        if self.is_done:
            callback(self.response)
        else:
            assert self._callback is None, "a parked request has one listener"
            self._callback = callback


class Deadlines:
    """Parked requests by deadline: a heap, in which completed ones are dropped when met."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Parked]] = []
        self._sequence = count()  # ties are served in order of arrival

    def add(self, parked: Parked) -> None:
        if parked.deadline_ms is not None and not parked.is_done:
            heapq.heappush(self._heap, (parked.deadline_ms, next(self._sequence), parked))

    @property
    def next_due_ms(self) -> int | None:
        """When `pop_due` has work again, Unix milliseconds; None: nothing waits."""
        self._drop_done()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now_ms: int) -> Iterator[Parked]:
        """Take out everything whose deadline is not after `now_ms`, for the caller to expire."""
        while self._heap and self._heap[0][0] <= now_ms:
            parked = heapq.heappop(self._heap)[2]
            if not parked.is_done:
                yield parked

    def _drop_done(self) -> None:
        while self._heap and self._heap[0][2].is_done:
            heapq.heappop(self._heap)


class OffsetWaiters:
    """Callbacks of one partition that wait until its high watermark reaches an offset."""

    __slots__ = ("_heap", "_sequence")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Committed]] = []
        self._sequence = count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, offset: int, callback: Committed) -> None:
        heapq.heappush(self._heap, (offset, next(self._sequence), callback))

    def advance(self, high_watermark: int) -> None:
        """Tell everyone whose offset is reached, lowest first, ties in order of arrival."""
        while self._heap and self._heap[0][0] <= high_watermark:
            heapq.heappop(self._heap)[2](True)

    def fail(self) -> None:
        """The partition is gone: it will never be reached."""
        waiting, self._heap = sorted(self._heap, key=lambda item: item[:2]), []
        for _, _, callback in waiting:
            callback(False)
