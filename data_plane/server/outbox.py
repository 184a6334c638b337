"""What one connection still has to send: taken in slices, files read only as they leave."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from data_plane.broker.records_part import RecordsPart
from data_plane.protocol.primitives import Buffer

Part = Buffer | RecordsPart


class Outbox:
    """Parts of replies in order. Only what is in memory counts in `memory_bytes`.

    parts: to be read only; empty while nothing waits.
    """

    __slots__ = ("_file_parts", "memory_bytes", "parts")

    def __init__(self) -> None:
        self.parts: deque[Part] = deque()
        self._file_parts = 0
        self.memory_bytes = 0

    def __bool__(self) -> bool:
        return bool(self.parts)

    def put(self, parts: Sequence[Part]) -> None:
        """Some of the parts may be empty, not all."""
        self.parts.extend(parts)
        size_bytes = sum(map(len, parts))
        for part in parts:
            if part.__class__ is RecordsPart:  # Cheaper than asking for each part of each reply.
                self._file_parts += 1
                size_bytes -= len(part)
        self.memory_bytes += size_bytes

    @property
    def has_files(self) -> bool:
        return self._file_parts > 0

    def take(self, bytes_max: int, *, may_read: bool = True) -> list[Buffer]:
        """The next slice: `bytes_max` bytes together, or all there is.

        may_read: False ends the slice before the next file, so that it may be empty.
        Raises DamagedLog: what was promised of a file cannot be read.
        """
        if not self._file_parts and self.memory_bytes <= bytes_max:
            whole: list[Any] = list(self.parts)
            self.parts.clear()
            self.memory_bytes = 0
            return whole
        taken: list[Buffer] = []
        left = bytes_max
        while self.parts and left > 0:
            if not may_read and isinstance(self.parts[0], RecordsPart):
                break
            part = self.parts.popleft()
            if isinstance(part, RecordsPart):
                piece: Buffer = part.read(left)
                if len(part):
                    self.parts.appendleft(part)
                else:
                    self._file_parts -= 1
            else:
                piece = self._piece(part, left)
            taken.append(piece)
            left -= len(piece)
        return taken

    def clear(self) -> None:
        self.parts.clear()
        self._file_parts = self.memory_bytes = 0

    def _piece(self, part: Buffer, left: int) -> Buffer:
        if len(part) > left:
            view = memoryview(part)
            self.parts.appendleft(view[left:])
            part = view[:left]
        self.memory_bytes -= len(part)
        return part
