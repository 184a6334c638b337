"""Deadlines by name: a heap of lower bounds, so that pushing a deadline back costs nothing."""

import heapq


class Timers:
    """Each name has at most one live deadline, Unix milliseconds; later ones are not recorded.

    A heartbeat moves a deadline back thousands of times for each time one is reached. So only an
    earlier deadline is pushed; when a recorded one comes up, its owner is asked again.
    """

    def __init__(self) -> None:
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def watch(self, name: str, due_ms: int | None) -> None:
        """Wake the owner of `name` at `due_ms` at the latest; None: no need."""
        if due_ms is None:
            self._due.pop(name, None)
        elif due_ms < self._due.get(name, due_ms + 1):
            self._due[name] = due_ms
            heapq.heappush(self._heap, (due_ms, name))

    @property
    def next_due_ms(self) -> int | None:
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # replaced by an earlier one, or not needed any more
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now_ms: int) -> list[str]:
        """Names whose deadline is reached, earliest first; each must be watched anew."""
        due: list[str] = []
        while (next_ms := self.next_due_ms) is not None and next_ms <= now_ms:
            name = heapq.heappop(self._heap)[1]
            del self._due[name]
            due.append(name)
        return due
