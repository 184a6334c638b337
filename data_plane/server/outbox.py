"""What one connection still has to send: taken in slices, files read only as they leave."""

from collections import deque
from collections.abc import Iterable

from data_plane.broker.records_part import RecordsPart
from data_plane.protocol.primitives import Buffer

Part = Buffer | RecordsPart


class Outbox:
    """Parts of replies in order. Only what is in memory counts in `memory_bytes`."""

    __slots__ = ("_parts", "memory_bytes")

    def __init__(self) -> None:
        self._parts: deque[Part] = deque()
        self.memory_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    def put(self, parts: Iterable[Part]) -> None:
        for part in parts:
            if len(part):
                self._parts.append(part)
                if not isinstance(part, RecordsPart):
                    self.memory_bytes += len(part)

    def take(self, bytes_max: int, *, may_read: bool = True) -> list[Buffer]:
        """The next slice: `bytes_max` bytes together, or all there is.

        may_read: False ends the slice before the next file, so that it may be empty.
        Raises DamagedLog: what was promised of a file cannot be read.
        """
        taken: list[Buffer] = []
        left = bytes_max
        while self._parts and left > 0:
            if not may_read and isinstance(self._parts[0], RecordsPart):
                break
            part = self._parts.popleft()
            if isinstance(part, RecordsPart):
                piece: Buffer = part.read(left)
                if len(part):
                    self._parts.appendleft(part)
            else:
                piece = self._piece(part, left)
            taken.append(piece)
            left -= len(piece)
        return taken

    def clear(self) -> None:
        self._parts.clear()
        self.memory_bytes = 0

    def _piece(self, part: Buffer, left: int) -> Buffer:
        if len(part) > left:
            view = memoryview(part)
            self._parts.appendleft(view[left:])
            part = view[:left]
        self.memory_bytes -= len(part)
        return part
