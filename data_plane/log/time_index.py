"""The sparse time index of a segment: how high the timestamps had risen at some offsets.

File format (Kafka's .timeindex): entries of 12 bytes, int64 timestamp (Unix ms) and int32 offset
relative to the segment's base, big-endian. An entry (t, o) says: no record up to offset o is later
than t, and the batch that ends at o is the first that holds t. Timestamps grow strictly.
"""

import sys
from array import array
from bisect import bisect_left

from data_plane.log.offset_index import big_endian, is_growing

ENTRY_BYTES = 12


class TimeIndex:
    """Timestamps and relative offsets of the batches that raised the maximum, in order."""

    __slots__ = ("_offsets", "_timestamps")

    def __init__(self, timestamps: "array[int] | None" = None, offsets: "array[int] | None" = None):
        self._timestamps = array("q") if timestamps is None else timestamps
        self._offsets = array("i") if offsets is None else offsets

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def arrays(self) -> "tuple[array[int], array[int]]":
        """Timestamps and relative offsets; to be read only."""
        return self._timestamps, self._offsets

    @property
    def last(self) -> tuple[int, int] | None:
        """The last (timestamp, relative offset), or None if there is no entry."""
        return (self._timestamps[-1], self._offsets[-1]) if self._offsets else None

    def append(self, timestamp_ms: int, relative_offset: int) -> None:
        """Note a new maximum; a timestamp that is not one is ignored."""
        if not self._timestamps or timestamp_ms > self._timestamps[-1]:
            self._timestamps.append(timestamp_ms)
            self._offsets.append(relative_offset)

    def floor_time(self, timestamp_ms: int) -> tuple[int, int] | None:
        """Return the last (timestamp, relative offset) that is earlier than a timestamp.

        Up to that offset every record is earlier. None: a search starts at the first batch.
        """
        i = bisect_left(self._timestamps, timestamp_ms) - 1
        return (self._timestamps[i], self._offsets[i]) if i >= 0 else None

    def floor_offset(self, relative_offset: int) -> tuple[int, int] | None:
        """Return the last (timestamp, relative offset) at or before an offset."""
        for i in range(len(self._offsets) - 1, -1, -1):
            if self._offsets[i] <= relative_offset:
                return self._timestamps[i], self._offsets[i]
        return None

    def truncate(self, relative_offset: int) -> None:
        """Drop the entries at and after a relative offset."""
        while self._offsets and self._offsets[-1] >= relative_offset:
            self._offsets.pop()
            self._timestamps.pop()

    def encode(self) -> bytes:
        both = array("i", bytes(len(self) * ENTRY_BYTES))
        halves = array("i", self._timestamps.tobytes())
        both[_HIGH::3], both[_LOW::3], both[2::3] = halves[::2], halves[1::2], self._offsets
        return big_endian(both).tobytes()


# Where the first and the second half of a timestamp in memory go: the file has the high one first.
_HIGH, _LOW = (1, 0) if sys.byteorder == "little" else (0, 1)


def decode_time_index(content: bytes, offsets_max: int) -> TimeIndex:
    """Read a .timeindex file. Raises ValueError unless its offsets lie in [0, offsets_max)."""
    if len(content) % ENTRY_BYTES:
        raise ValueError(f"{len(content)} bytes are no whole number of time index entries")
    both = big_endian(array("i", content))
    offsets, halves = both[2::3], array("i", bytes(len(content) // ENTRY_BYTES * 8))
    halves[::2], halves[1::2] = both[_HIGH::3], both[_LOW::3]
    timestamps = array("q", halves.tobytes())
    if not (is_growing(timestamps) and is_growing(offsets)):
        raise ValueError("time index entries do not grow")
    if offsets and not 0 <= offsets[0] <= offsets[-1] < offsets_max:
        raise ValueError("a time index entry points outside of the segment")
    return TimeIndex(timestamps, offsets)
