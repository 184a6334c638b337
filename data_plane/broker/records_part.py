"""Record bytes of an answer that are still in their files: read piece by piece as they leave."""

from collections.abc import Callable

from data_plane.log.failures import DamagedLog
from data_plane.log.log_slice import LogSlice
from data_plane.log.segment import FileExtent


class RecordsPart:
    """A part of a reply between buffers; `len` is what is left of it, in bytes.

    on_damage: told once if the disk gives fewer bytes than were promised. The answer's head has
    left by then, so its connection cannot be saved.
    """

    __slots__ = ("_at", "_extents", "_left", "_on_damage")

    def __init__(self, part: LogSlice, on_damage: Callable[[DamagedLog], None]) -> None:
        self._extents = list(reversed(part.extents))
        self._left = part.size_bytes
        self._at = 0  # how far the last of `_extents`, the one under way, has been read
        self._on_damage = on_damage

    def __len__(self) -> int:
        return self._left

    def __bytes__(self) -> bytes:
        """All that is left, without taking it. Raises DamagedLog."""
        extents = [FileExtent(*extent) for extent in reversed(self._extents)]
        if extents:
            first = extents[0]
            extents[0] = FileExtent(
                first.file, first.position + self._at, first.size_bytes - self._at
            )
        return LogSlice(tuple(extents), self._left).read_bytes()

    def read(self, bytes_max: int) -> bytes:
        """The next bytes, at most `bytes_max` and at least one. Raises DamagedLog."""
        extent = self._extents[-1]
        wanted = min(bytes_max, extent.size_bytes - self._at)
        piece = FileExtent(extent.file, extent.position + self._at, wanted)
        try:
            found = LogSlice((piece,), wanted).read_bytes()
        except DamagedLog as error:
            self._on_damage(error)
            raise
        self._left -= wanted
        self._at += wanted
        if self._at == extent.size_bytes:
            self._extents.pop()
            self._at = 0
        return found
