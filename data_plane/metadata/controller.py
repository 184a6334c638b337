"""The controller: appends decided records to the metadata log and keeps two images of it.

`image` holds everything appended, and is what decisions read; `committed` holds what the quorum
has made safe, and is all that brokers and clients may see (durability.md 4). Both are built by the
same replay. Raft's Ready is handed through, so the driver may sync off the loop's thread.
"""

from collections.abc import Sequence
from pathlib import PurePath
from random import Random
from uuid import UUID

from data_plane.log.files import Files
from data_plane.metadata.codec import decode_record, encode_record
from data_plane.metadata.image import ImageDelta, MetadataImage
from data_plane.metadata.producer_ids import ProducerIds
from data_plane.metadata.records import MetadataRecord, metadata_records
from data_plane.metadata.snapshots import image_of, snapshot_of
from data_plane.protocol.errors import NotController
from data_plane.raft.durable import RaftDisk
from data_plane.raft.entries import NO_OP, EntryBatch, Ready
from data_plane.raft.failures import DiskFull
from data_plane.raft.node import RaftNode
from data_plane.raft.snapshot import SnapshotDraft


class Controller:
    """The metadata state machine on top of one quorum voter."""

    def __init__(self, node: RaftNode, disk: RaftDisk, *, rng: Random) -> None:
        self._node = node
        self.disk = disk
        self.rng = rng
        self.producer_ids = ProducerIds()
        self.image = MetadataImage()
        self.committed = MetadataImage()

    @classmethod
    def open(cls, files: Files, directory: PurePath, *, voter_id: int, rng: Random) -> "Controller":
        """Read the log in `directory`, win the election of one, and replay everything.

        Blocks; for the start of a process. Raises DamagedLog or LogFailure.
        """
        disk = RaftDisk(files, directory)
        hard_state, batches = disk.load()
        offset = -1 if disk.snapshot is None else disk.snapshot.last_offset
        controller = cls(RaftNode(voter_id, hard_state, batches, offset), disk, rng=rng)
        if disk.snapshot is not None:
            controller.image = controller.committed = image_of(disk.snapshot)
            disk.snapshot = None  # Replayed; its bytes need not stay in memory.
        controller.resume()
        controller.drive()
        return controller

    @property
    def is_active(self) -> bool:
        """True if this controller may decide: it leads, and its image holds the whole log."""
        return self._node.is_leader and self.image.offset + 1 == self._node.end_offset

    @property
    def leader_id(self) -> int | None:
        """Broker id of the active controller; None while there is none."""
        return self._node.leader_id

    def new_id(self) -> UUID:
        """Return a random id (version 4) for a topic or a binding, from the injected randomness."""
        return UUID(int=self.rng.getrandbits(128), version=4)

    @property
    def next_offset(self) -> int:
        """Offset that the next record gets; a broker registered by it has it as epoch."""
        return self._node.end_offset

    def append(self, records: Sequence[object]) -> int:
        """Append one decision's records as an atomic batch and replay them into `image`.

        Returns the offset that `committed.offset` must reach before the decision's response may
        leave; without records that is the end of what the decision was derived from.
        Raises NotController.
        """
        if not self.is_active:
            raise NotController
        if records:
            typed = metadata_records(records)
            offset = self._node.propose([encode_record(record) for record in typed])
            self.image = _replayed(self.image, [typed], offset, self._node.term)
        return self.image.offset

    def ready(self) -> Ready | None:
        """Return what is to be persisted (by `disk.persist`, off the loop) and applied next."""
        return self._node.ready()

    def advance(self, ready: Ready) -> bool:
        """Apply a Ready that has been persisted; True if `committed` is a new image."""
        self._node.advance(ready)
        return self._apply(ready.committed)

    def drive(self) -> bool:
        """Persist and apply until nothing is left, blocking; True if `committed` is a new image.

        For starts and tests; a running broker hands `disk.persist` to its executor. Raises
        NotController if the disk is full: nothing uncommitted is kept then.
        """
        is_new = False
        while (ready := self.ready()) is not None:
            if ready.must_persist:
                try:
                    self.disk.persist(ready)
                except DiskFull as error:
                    self.step_down()
                    raise NotController("no room for the metadata log") from error
            is_new |= self.advance(ready)
        return is_new

    def step_down(self) -> None:
        """Drop everything uncommitted after `disk.persist` raised DiskFull.

        Responses that wait for an offset above `committed.offset` must be failed by the caller.
        """
        self._node.resign()
        self.image = self.committed

    def wants_snapshot(self, log_bytes_max: int) -> bool:
        """True if the log is longer than that and than the last snapshot, so that the cost of
        writing whole images stays in proportion to what was appended.
        """
        return self.disk.log_bytes > max(log_bytes_max, self.disk.snapshot_bytes)

    def draft_snapshot(self) -> SnapshotDraft:
        """Begin a snapshot of `committed`, which stays as it is while a thread encodes it."""
        image = self.committed
        return self.disk.draft_snapshot(image.offset, lambda: snapshot_of(image))

    def resume(self) -> None:
        """Stand for election again; decisions are refused until `drive` or `advance` has won it."""
        self._node.campaign()

    def _apply(self, batches: Sequence[EntryBatch]) -> bool:
        """Replay committed batches into one new image, whatever their number."""
        if not batches:
            return False
        decoded = [
            [decode_record(entry) for entry in batch.entries if entry != NO_OP] for batch in batches
        ]
        last = batches[-1]
        self.committed = _replayed(self.committed, decoded, last.last_offset, last.term)
        if self.committed.offset >= self.image.offset:
            self.image = self.committed
        return True


def _replayed(
    image: MetadataImage, batches: Sequence[Sequence[MetadataRecord]], offset: int, term: int
) -> MetadataImage:
    delta = ImageDelta(image)
    for records in batches:
        delta.replay_all(records)
    return delta.publish(offset=offset, term=term)
