"""Writes the marker that ends a producer's transaction into one partition."""

from collections.abc import Callable

from data_plane.broker.group_coordinators import GroupCoordinators
from data_plane.broker.remote_transactions import send_marker
from data_plane.broker.shard_table import OpenPartition
from data_plane.coordinator.group_partition import OFFSETS_TOPIC
from data_plane.coordinator.transaction import ProducerIdAndEpoch, TopicPartition
from data_plane.protocol.errors import KafkaError, StorageError
from data_plane.protocol.records.control import Marker
from data_plane.replication.partition import Partition
from data_plane.replication.peers import Peers
from data_plane.replication.waiting import Parked

Done = Callable[[KafkaError | None], None]


class MarkerWriter:
    """Used by the transaction coordinator and by WriteTxnMarkers.

    A marker for an offsets partition goes through that partition's shard, which must learn it.
    """

    def __init__(
        self,
        groups: GroupCoordinators,
        open_partition: OpenPartition,
        mark_dirty: Callable[[Partition], None],
        leader_elsewhere: Callable[[TopicPartition], int | None],
        peers: Peers,
    ) -> None:
        """leader_elsewhere: the other broker that leads a partition; None: this one, or none."""
        self._groups = groups
        self._leader_elsewhere = leader_elsewhere
        self._peers = peers
        self._open_partition = open_partition
        self._mark_dirty = mark_dirty

    def write(
        self,
        at: TopicPartition,
        producer: ProducerIdAndEpoch,
        marker: Marker,
        *,
        now_ms: int,
        done: Done,
    ) -> None:
        """Call `done` with None once the marker is committed, else with why it is not; once."""
        leader_id = self._leader_elsewhere(at)
        if leader_id is not None:
            send_marker(self._peers, leader_id, at, producer, marker, done)
        else:
            self.write_here(at, producer, marker, now_ms=now_ms, done=done)

    def write_here(
        self,
        at: TopicPartition,
        producer: ProducerIdAndEpoch,
        marker: Marker,
        *,
        now_ms: int,
        done: Done,
    ) -> None:
        """As `write`, for a partition that must be led here."""
        try:
            if at[0] == OFFSETS_TOPIC:
                self._write_to_shard(at[1], producer, marker, done)
            else:
                self._write_to_log(self._open_partition(*at), producer, marker, now_ms, done)
        except KafkaError as error:
            done(error)

    def _write_to_shard(
        self, index: int, producer: ProducerIdAndEpoch, marker: Marker, done: Done
    ) -> None:
        answer = self._groups.end_transaction(index, producer, marker)
        if isinstance(answer, Parked):
            answer.when_done(lambda got: done(got if isinstance(got, KafkaError) else None))
        else:
            done(None)

    def _write_to_log(
        self,
        partition: Partition,
        producer: ProducerIdAndEpoch,
        marker: Marker,
        now_ms: int,
        done: Done,
    ) -> None:
        staged = partition.append_marker(*producer, marker, now_ms=now_ms)
        end = staged.last_offset + 1

        def committed(is_kept: bool) -> None:
            done(None if is_kept else StorageError())

        def written(is_kept: bool) -> None:
            if is_kept:
                partition.when_committed(end, committed)
            else:
                committed(False)

        partition.when_written(end, written)
        self._mark_dirty(partition)
