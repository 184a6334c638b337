"""How many bytes of responses the process holds for clients that have not taken them yet."""

from collections.abc import Callable


class ResponseBudget:
    """A count per connection and a limit over all; above it no more records are read from files.

    Whoever is refused waits in line and is called when there is room again. Replies that are in
    memory anyway are counted and never held back: what made them is limited elsewhere.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held: dict[object, int] = {}
        self._waiting: dict[object, Callable[[], None]] = {}  # in order of arrival
        self.held_bytes = 0

    @property
    def is_full(self) -> bool:
        return self.held_bytes >= self._bytes_max

    def hold(self, owner: object, size_bytes: int) -> None:
        """This is what `owner` holds now; 0 when it has sent all or is gone."""
        before = self._held.get(owner, 0)
        if size_bytes == before:
            return
        if size_bytes:
            self._held[owner] = size_bytes
        else:
            del self._held[owner]
        self.held_bytes += size_bytes - before
        if self._waiting:
            self._wake()

    def wait(self, owner: object, retry: Callable[[], None]) -> None:
        self._waiting[owner] = retry

    def forget(self, owner: object) -> None:
        self._waiting.pop(owner, None)
        self.hold(owner, 0)

    def _wake(self) -> None:
        """Let go on who waits, first come first served, as long as there is room."""
        while self._waiting and not self.is_full:
            owner = next(iter(self._waiting))
            self._waiting.pop(owner)()
