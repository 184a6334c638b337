"""One partition of `__consumer_offsets` in memory: its groups and their committed offsets.

Decisions on members may touch soft state of a group at once (who has joined, sessions, parked
requests); whatever is journaled changes in `replay` alone, so a shard rebuilt from its log equals
this one in everything that was promised (classic_group.py, rule 1).
"""

import random
from collections.abc import Callable, Mapping, Sequence

from data_plane.coordinator import consumer_group_records, group_offsets, group_records, offsets
from data_plane.coordinator.classic_answers import Outcome
from data_plane.coordinator.consumer_group_records import ConsumerGroupRecord
from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.group_members import GroupMembers
from data_plane.coordinator.group_records import GroupRecord, OffsetCommitted
from data_plane.coordinator.offsets import OffsetsCommit, TopicPartition
from data_plane.coordinator.shard import InTransaction, Replies, TransactionEnded
from data_plane.coordinator.transaction import ProducerIdAndEpoch
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.records.control import Marker

NO_TOPICS = MetadataImage()


class GroupsShard(GroupMembers):
    """Implements `Shard` (shard.py)."""

    def __init__(
        self,
        config: GroupConfig,
        rng: random.Random,
        image_of: Callable[[], MetadataImage] = lambda: NO_TOPICS,
    ) -> None:
        super().__init__(config, rng, image_of)
        self._offsets_check_ms = 0

    # --- offsets -----------------------------------------------------------------------------

    def decide_offset_commit(
        self, commit: OffsetsCommit, *, now_ms: int
    ) -> Decision[tuple[ErrorCode, ...]]:
        """One code for each offset, in order; those refused one by one leave the others valid."""
        return group_offsets.decide_commit(self._table, commit, self._image_of(), now_ms)

    def decide_end_transaction(
        self, producer: ProducerIdAndEpoch, marker: Marker
    ) -> Decision[ErrorCode]:
        """Write the marker of a transaction that may have committed offsets here."""
        return Decision(ErrorCode.NONE, [TransactionEnded(producer, marker)])

    def pending(self, group_id: str) -> Mapping[TopicPartition, OffsetCommitted]:
        """What open transactions would commit for the group: its offsets are not stable there."""
        return self._table.offsets.pending_of(group_id)

    def committed(self, group_id: str) -> Mapping[TopicPartition, OffsetCommitted]:
        """The group's offsets; an answer made of them must pass `commit` like any decision."""
        return self._table.offsets.of_group(group_id)

    def decide_delete_group(self, group_id: str) -> Decision[ErrorCode]:
        """Forget a group without members, and its offsets."""
        return group_offsets.decide_delete_group(self._table, group_id)

    def decide_delete_offsets(
        self, group_id: str, wanted: Sequence[TopicPartition]
    ) -> Decision[tuple[ErrorCode, tuple[ErrorCode, ...]]]:
        """A code for the group and one for each partition; topics still consumed are refused."""
        return group_offsets.decide_delete_offsets(self._table, group_id, wanted)

    def decide_forget_topic(self, topic: str) -> Decision[None]:
        """A topic was deleted: its offsets go with it, for every group (durability.md 7)."""
        held = self._table.offsets.of_topic(topic)
        return Decision(None, [offsets.removal(offset) for offset in held])

    # --- time --------------------------------------------------------------------------------

    @property
    def next_due_ms(self) -> int | None:
        if not self.is_loaded:
            return None
        due_ms = self._table.timers.next_due_ms
        return self._offsets_check_ms if due_ms is None else min(due_ms, self._offsets_check_ms)

    def expire(self, now_ms: int, date_ms: int | None = None) -> Decision[None]:
        """Drop silent members, end gatherings, forget what nobody came back for."""
        out = Outcome()
        for group_id in self._table.timers.pop_due(now_ms):
            if group_id in self.groups:
                self.groups[group_id].expire(now_ms, out)
                self._table.settle(self.groups[group_id])
            elif (consumer_group := self.consumer_groups.get(group_id)) is not None:
                due = consumer_group.deadlines.due_by(now_ms)
                self._take_out(consumer_group, due, now_ms, out)
                self._watch(group_id)
        if self._offsets_check_ms <= now_ms:
            date_ms = now_ms if date_ms is None else date_ms
            is_all = group_offsets.expire(self._table, date_ms, out)
            interval_ms = self.config.offsets_check_interval_ms
            self._offsets_check_ms = now_ms + interval_ms if is_all else now_ms
        return out.deciding(None)

    # --- the journal -------------------------------------------------------------------------

    @property
    def is_loaded(self) -> bool:
        return self._table.is_loaded

    def replay(self, record: object) -> None:
        self._table.replay(record)

    def replay_bytes(
        self, key: bytes | None, value: bytes | None, producer: ProducerIdAndEpoch | None = None
    ) -> None:
        record: GroupRecord | ConsumerGroupRecord | None = None
        if key is not None:
            record = group_records.decode_record(key, value)
            record = record or consumer_group_records.decode_record(key, value)
        if record is None:
            return
        # Nothing but offsets is ever written within a transaction; whatever else there is counts.
        is_pending = producer is not None and isinstance(record, OffsetCommitted)
        self.replay(InTransaction(producer, record) if producer and is_pending else record)

    def encode(self, record: object) -> tuple[bytes, bytes | None]:
        if isinstance(record, InTransaction):
            record = record.record
        if isinstance(record, ConsumerGroupRecord):
            return consumer_group_records.encode_record(record)
        assert isinstance(record, GroupRecord), "decisions of this shard carry group records"
        return group_records.encode_record(record)

    def finish_load(self, now_ms: int) -> None:
        self._table.finish_load(now_ms)
        self._offsets_check_ms = now_ms + self.config.offsets_check_interval_ms

    def close(self) -> Replies:
        return self._table.close().replies
