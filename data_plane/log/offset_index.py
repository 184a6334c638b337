"""The sparse offset index of a segment: about one entry for each index.interval.bytes of log.

File format (Kafka's .index): entries of 8 bytes, int32 offset relative to the segment's base and
int32 position in bytes, big-endian, both strictly growing. An entry names the *last* offset of the
batch that starts at the position. In memory two arrays, searched by bisection.
"""

import operator
import sys
from array import array
from bisect import bisect_right

ENTRY_BYTES = 8
RELATIVE_OFFSET_MAX = 2**31 - 1


class OffsetIndex:
    """Relative last offsets and positions of some batches, in order."""

    __slots__ = ("_offsets", "_positions", "size_bytes")

    def __init__(self, offsets: "array[int] | None" = None, positions: "array[int] | None" = None):
        self._offsets = array("i") if offsets is None else offsets
        self._positions = array("i") if positions is None else positions
        self.size_bytes = len(self._offsets) * ENTRY_BYTES  # of its file

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def arrays(self) -> "tuple[array[int], array[int]]":
        """Relative offsets and positions; to be read only."""
        return self._offsets, self._positions

    @property
    def last(self) -> tuple[int, int] | None:
        """The last (relative offset, position), or None if there is no entry."""
        return (self._offsets[-1], self._positions[-1]) if self._offsets else None

    def append(self, relative_offset: int, position: int) -> None:
        self._offsets.append(relative_offset)
        self._positions.append(position)
        self.size_bytes += ENTRY_BYTES

    def floor_offset(self, relative_offset: int) -> tuple[int, int]:
        """Return the last entry at or before an offset, (-1, 0) if there is none.

        Its position is where to start looking: a batch start at or before the offset's batch.
        """
        return self._entry(bisect_right(self._offsets, relative_offset) - 1)

    def floor_position(self, position: int) -> tuple[int, int]:
        """Return the last entry at or before a position, (-1, 0) if there is none."""
        return self._entry(bisect_right(self._positions, position) - 1)

    def _entry(self, i: int) -> tuple[int, int]:
        return (self._offsets[i], self._positions[i]) if i >= 0 else (-1, 0)

    def truncate(self, size_bytes: int) -> None:
        """Drop the entries of batches that start at or after `size_bytes` of the log file."""
        kept = bisect_right(self._positions, size_bytes - 1)
        del self._offsets[kept:], self._positions[kept:]
        self.size_bytes = kept * ENTRY_BYTES

    def encode(self) -> bytes:
        both = array("i", bytes(self.size_bytes))
        both[::2], both[1::2] = self._offsets, self._positions
        return big_endian(both).tobytes()


def decode_offset_index(content: bytes, log_bytes: int) -> OffsetIndex:
    """Read an .index file. Raises ValueError unless it can belong to a log of `log_bytes`."""
    if len(content) % ENTRY_BYTES:
        raise ValueError(f"{len(content)} bytes are no whole number of index entries")
    both = array("i")
    both.frombytes(content)
    big_endian(both)
    offsets, positions = both[::2], both[1::2]
    if not (is_growing(offsets) and is_growing(positions)):
        raise ValueError("index entries do not grow")
    if positions and (offsets[0] < 0 or positions[0] < 0 or positions[-1] >= log_bytes):
        raise ValueError("an index entry points outside of the log")
    return OffsetIndex(offsets, positions)


def is_growing(numbers: "array[int]") -> bool:
    """Is each number above the one before it?"""
    return all(map(operator.lt, numbers, numbers[1:]))


def big_endian(numbers: "array[int]") -> "array[int]":
    """Swap in place between this machine's order and the file's."""
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
