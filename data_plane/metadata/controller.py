"""The controller: appends decided records to the metadata log and keeps two images of it.

`image` holds everything appended, and is what decisions read; `committed` holds what the quorum
has made safe, and is all that brokers and clients may see (durability.md 4). Both are built by the
same replay. Raft's Ready is handed through, so the driver may sync off the loop's thread.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from random import Random
from types import MappingProxyType
from uuid import UUID

from data_plane.log.files import Files
from data_plane.metadata.broker_sessions import BrokerSessions
from data_plane.metadata.codec import OTTLA_VERSION, decode_record, encode_batch
from data_plane.metadata.decision import Decision
from data_plane.metadata.duties import Duties
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.heartbeats import Hearing
from data_plane.metadata.image import ImageDelta, MetadataImage
from data_plane.metadata.leadership import ReplicaEnd
from data_plane.metadata.records import MetadataRecord, PartitionRecord, metadata_records
from data_plane.metadata.replica_ends import ReplicaEnds
from data_plane.metadata.snapshots import image_of, snapshot_of
from data_plane.protocol.errors import NotController
from data_plane.raft.durable import RaftDisk
from data_plane.raft.entries import NO_DIRECTORY, NO_OP, EntryBatch, Ready, is_control
from data_plane.raft.failures import DiskFull
from data_plane.raft.messages import Message, SnapshotChunk
from data_plane.raft.node import NotLeader, RaftNode
from data_plane.raft.snapshot import Snapshot, SnapshotDraft
from data_plane.raft.voters import Voter, VoterKey, VoterSet, encode_voters, voters_in

CHUNK_BYTES_MAX = 256 * 1024  # of a snapshot in one message

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


class Controller:
    """The metadata state machine on top of one voter or observer of the quorum."""

    def __init__(self, node: RaftNode, disk: RaftDisk, *, rng: Random) -> None:
        self.node = node
        self.disk = disk
        self.rng = rng
        self.static = NO_SETTINGS  # Settings of this process, by Kafka's names.
        self._sessions = BrokerSessions()
        self._ends = ReplicaEnds()
        self._duties = Duties()
        self._heard_in_term = -1
        self._is_ending = False
        self.image = MetadataImage()
        self.committed = MetadataImage()

    @classmethod
    def open(
        cls,
        files: Files,
        directory: PurePath,
        *,
        voter_id: int,
        rng: Random,
        directory_id: UUID = NO_DIRECTORY,
        cluster_id: str = "",
        address: str = "",
        initial_voters: VoterSet | None = None,
        is_distrusted: bool = False,
    ) -> "Controller":
        """Read the log in `directory` and replay what is known to be committed.

        initial_voters: what an empty directory begins with; an empty set for a broker that joins;
        None: it is the only voter. That one wins its election here and replays everything.
        address: where this node's quorum listener is reached. is_distrusted: storage failed in the
        last run (RaftDisk.load). Blocks; for the start of a process.
        Raises DamagedLog or LogFailure.
        """
        disk = RaftDisk(files, directory)
        if initial_voters is not None and disk.is_empty:
            last_offset = 0 if len(initial_voters) else -1
            disk.bootstrap([encode_voters(initial_voters)], last_offset)
        hard_state, batches = disk.load(is_distrusted=is_distrusted)
        snapshot = disk.snapshot
        node = RaftNode(
            voter_id,
            hard_state,
            batches,
            -1 if snapshot is None else snapshot.last_offset,
            snapshot_term=0 if snapshot is None else snapshot.term,
            snapshot_bytes=disk.snapshot_bytes,
            voters=None if snapshot is None else voters_in(snapshot.entries),
            directory_id=directory_id,
            cluster_id=cluster_id,
            address=address,
            rng=rng,
        )
        controller = cls(node, disk, rng=rng)
        if snapshot is not None:
            controller.image = controller.committed = image_of(snapshot)
            disk.snapshot = None  # Replayed; its bytes need not stay in memory.
        controller.resume()
        controller.drive()
        return controller

    @property
    def is_active(self) -> bool:
        """True if this controller may decide: it leads, and its image holds the whole log."""
        return self.node.may_propose and self.image.offset + 1 == self.node.end_offset

    @property
    def leader_id(self) -> int | None:
        """Broker id of the active controller; None while there is none."""
        return self.node.leader_id

    @property
    def scope(self) -> ConfigScope:
        """The eyes with which this node reads configs in `image`."""
        return ConfigScope(self.image, self.node.voter_id, self.static)

    def hearing(self, now_ms: int) -> Hearing:
        """Whom this controller has heard of since it became active, which may be now."""
        if self._heard_in_term != self.node.term:
            self._heard_in_term = self.node.term
            self._ends = ReplicaEnds()
            former = self.node.last_leader
            heard = {} if former is None else {former[0].id: former[1]}
            self._sessions.begin(self.image, now_ms, heard)
        return Hearing(self.scope, self._sessions, self._ends, now_ms)

    def ends_of(self, row: PartitionRecord) -> Mapping[int, ReplicaEnd]:
        """How far the replicas of a partition reach that nobody leads, by broker id."""
        return self._ends.of(self.image, row)

    def lose_broker(self, broker_id: int) -> None:
        """A broker's connection was reset and refused twice (durability.md 5)."""
        self._sessions.lose(broker_id)

    def end_with_all(self) -> None:
        """All brokers of the cluster stop, this one too: nothing is changed for who is gone."""
        self._is_ending = True

    @property
    def _is_over(self) -> bool:
        """Who comes back is let in by who is controller then: here it would find others gone."""
        is_in_term = self._heard_in_term == self.node.term
        return self._is_ending or (is_in_term and self._sessions.do_all_stop)

    def due(self, now_ms: int) -> Iterator[Decision[None]]:
        """What is to be decided unasked; append each before the next is drawn. Only if active."""
        return iter(()) if self._is_over else self._duties.due(self, now_ms)

    def is_urgent(self, now_ms: int) -> bool:
        """A session is over, or a duty unfinished: `due` should be asked at once, else twice a
        second.
        """
        if self.is_unfinished:
            return True
        due_ms = self._sessions.next_due_ms
        return due_ms is not None and now_ms >= due_ms

    @property
    def is_unfinished(self) -> bool:
        """A duty has been done in part, so that other work is not kept waiting."""
        return self.is_active and self._duties.is_unfinished and not self._is_over

    def new_id(self) -> UUID:
        """Return a random id (version 4) for a topic or a binding, from the injected randomness."""
        return UUID(int=self.rng.getrandbits(128), version=4)

    @property
    def next_offset(self) -> int:
        """Offset that the next record gets; a broker registered by it has it as epoch."""
        return self.node.end_offset

    def append(self, records: Sequence[object]) -> int:
        """Append one decision's records as an atomic batch and replay them into `image`.

        Returns the offset that `committed.offset` must reach before the decision's response may
        leave; without records that is the end of what the decision was derived from.
        Raises NotController, also where all brokers stop.
        """
        if not self.is_active or (records and self._is_over):
            raise NotController
        if records:
            typed = metadata_records(records)
            level = self.image.features.get(OTTLA_VERSION, 0)
            try:
                offset = self.node.propose(encode_batch(typed, level))
            except NotLeader:  # It leads, and is handing over.
                raise NotController from None
            self.image = _replayed(self.image, [typed], offset, self.node.term)
        return self.image.offset

    def ready(self, *, may_persist: bool = True, entries_max: int | None = None) -> Ready | None:
        """Return what is to be persisted (by `disk.persist`, off the loop), sent and applied."""
        return self.node.ready(may_persist=may_persist, entries_max=entries_max)

    def advance(self, ready: Ready) -> bool:
        """Apply a Ready that has been persisted; True if `committed` is a new image."""
        self.node.advance(ready)
        if ready.snapshot is not None:
            self.node.snapshot_bytes = self.disk.snapshot_bytes
            self.image = self.committed = image_of(ready.snapshot)
            return True
        is_new = self._apply(ready.committed)
        self.forget_unless_leader()
        return is_new

    def forget_unless_leader(self) -> None:
        """Who leads no more decides from the committed image again, should it lead once more."""
        if self.node.leads is None:
            self.image = self.committed

    def filled(self, message: Message) -> Message | None:
        """The message as it goes out; None if what it was to carry is not there any more."""
        if isinstance(message, SnapshotChunk):
            return self.disk.fill(message, CHUNK_BYTES_MAX)
        return message

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
        self.node.resign()
        self.image = self.committed

    def add_voter(self, voter: Voter) -> None:
        """Begin to let an observer vote. Raises NotLeader or ChangeRefused."""
        self._changed(self.node.add_voter(voter))

    def remove_voter(self, key: VoterKey) -> None:
        """Begin to let a voter go. Raises NotLeader or ChangeRefused."""
        self._changed(self.node.remove_voter(key))

    def confirm(self) -> int:
        """Show by an entry of one's own that this is the controller still; as `append`.

        Raises NotLeader.
        """
        offset = self.node.propose([NO_OP])
        self._changed(offset)
        return offset

    def _changed(self, offset: int) -> None:
        """The entry is the quorum's own; the image moves past it all the same."""
        self.image = _replayed(self.image, [], offset, self.node.term)

    def wants_snapshot(self, log_bytes_max: int) -> bool:
        """True if the log is longer than that and than the last snapshot, so that the cost of
        writing whole images stays in proportion to what was appended.

        Not while the image is ahead of the log on disk, which then could not continue it.
        """
        is_long = self.disk.log_bytes > max(log_bytes_max, self.disk.snapshot_bytes)
        return is_long and self.committed.offset <= self.node.stable_offset

    def draft_snapshot(self) -> SnapshotDraft:
        """Begin a snapshot of `committed`, which stays as it is while a thread encodes it."""
        image = self.committed
        voters = encode_voters(self.node.voters_at(image.offset))

        def snapshot() -> Snapshot:
            made = snapshot_of(image)
            return made._replace(entries=(voters, *made.entries))

        return self.disk.draft_snapshot(image.offset, snapshot, image.term)

    def was_cut(self, offset: int, term: int) -> None:
        """A snapshot up to there stands for the log's beginning now."""
        self.node.compact(offset, term, self.disk.snapshot_bytes)

    def resume(self) -> None:
        """Take part again; an only voter is leader again once `drive` or `advance` has won it."""
        self.node.resume()

    def _apply(self, batches: Sequence[EntryBatch]) -> bool:
        """Replay committed batches into one new image, whatever their number."""
        if not batches:
            return False
        # Not the image that was made when it was proposed: a record is what its bytes say, which
        # leave out what the finalized level has no field for.
        self.committed = _decoded(self.committed, batches)
        if self.committed.offset >= self.image.offset:
            self.image = self.committed
        return True


def _decoded(image: MetadataImage, batches: Sequence[EntryBatch]) -> MetadataImage:
    records = [
        [decode_record(entry) for entry in batch.entries if not is_control(entry)]
        for batch in batches
    ]
    return _replayed(image, records, batches[-1].last_offset, batches[-1].term)


def _replayed(
    image: MetadataImage, batches: Sequence[Sequence[MetadataRecord]], offset: int, term: int
) -> MetadataImage:
    delta = ImageDelta(image)
    for records in batches:
        delta.replay_all(records)
    return delta.publish(offset=offset, term=term)
