"""A leader's snapshot on its way in, chunk by chunk."""

from data_plane.raft.messages import SnapshotChunk
from data_plane.raft.snapshot import Snapshot, decode_snapshot

SNAPSHOT_BYTES_MAX = 1 << 30


class IncomingSnapshot:
    """Collects one snapshot at a time; a chunk of another one begins anew."""

    def __init__(self) -> None:
        self._of: tuple[int, int, int] | None = None
        self._content = bytearray()

    @property
    def position(self) -> int:
        """The next byte that is missing."""
        return len(self._content)

    def take(self, chunk: SnapshotChunk) -> Snapshot | None:
        """Keep what continues; the whole snapshot with its last chunk, then begin anew.

        Damaged bytes are dropped: the leader is asked for all of it again.
        """
        of = (chunk.last_offset, chunk.last_term, chunk.size_bytes)
        if of != self._of:
            self.clear()
            self._of = of
        if chunk.position != self.position or chunk.size_bytes > SNAPSHOT_BYTES_MAX:
            return None
        self._content += chunk.data
        if self.position < chunk.size_bytes:
            return None
        content = bytes(self._content)
        self.clear()
        try:
            snapshot = decode_snapshot(content)
        except ValueError:
            return None
        is_named = (snapshot.last_offset, snapshot.term) == (chunk.last_offset, chunk.last_term)
        return snapshot if is_named else None

    def clear(self) -> None:
        self._of = None
        self._content = bytearray()
