"""Whole batches of a log where they lie: in its files."""

from typing import NamedTuple

from data_plane.log.failures import DamagedLog
from data_plane.log.segment import FileExtent


class LogSlice(NamedTuple):
    """Whole batches, back to back, as extents of files: to be sent without a copy, or read."""

    extents: tuple[FileExtent, ...] = ()
    size_bytes: int = 0

    def read_bytes(self) -> bytes:
        """Return the bytes. Raises DamagedLog if the disk gives fewer, or none at all."""
        try:
            parts = [e.file.read(e.position, e.size_bytes) for e in self.extents]
        except OSError as error:
            raise DamagedLog(f"read: {error.strerror}") from error
        whole = parts[0] if len(parts) == 1 else b"".join(parts)
        if len(whole) != self.size_bytes:
            raise DamagedLog(f"read {len(whole)} of {self.size_bytes} bytes")
        return whole


EMPTY_SLICE = LogSlice()
