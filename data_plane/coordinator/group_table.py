"""The groups of one partition of `__consumer_offsets`, of both kinds, as its records made them."""

from collections.abc import Callable

from data_plane.coordinator import classic_journal
from data_plane.coordinator.classic_answers import Outcome, refuse_parked
from data_plane.coordinator.classic_group import ClassicGroup
from data_plane.coordinator.consumer_group import ConsumerGroup
from data_plane.coordinator.consumer_group_records import ConsumerGroupRecord
from data_plane.coordinator.consumer_groups import ConsumerGroups
from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.group_records import (
    GroupChanged,
    GroupRemoved,
    OffsetCommitted,
    OffsetRemoved,
)
from data_plane.coordinator.offsets import Offsets
from data_plane.coordinator.shard import InTransaction, TransactionEnded
from data_plane.coordinator.timers import Timers
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.records.control import MarkerType


class GroupTable:
    """A group id is in `classic` or in `consumers`, or in both while a decision is carried out.

    A classic group is here for offsets alone, too; `settle` drops it once nothing is left of it.
    """

    def __init__(self, config: GroupConfig, config_of: Callable[[str], GroupConfig]) -> None:
        self.config = config
        self.classic: dict[str, ClassicGroup] = {}
        self.consumers = ConsumerGroups(config_of)
        self.offsets = Offsets()
        self.timers = Timers()  # by group id
        self.is_loaded = False

    # --- the journal -------------------------------------------------------------------------

    def replay(self, record: object) -> None:
        """Change state from one record; TypeError if it is none of this shard."""
        match record:
            case OffsetCommitted():
                self.offsets.replay(record)
                self._hold(record.group_id)
            case OffsetRemoved():
                self.offsets.replay(record)
                self._settle_id(record.group_id)
            case GroupChanged():
                group = self.open(record.group_id)
                classic_journal.restore(group, record, is_live=self.is_loaded)
                self.settle(group)
            case GroupRemoved():
                self.classic.pop(record.group_id, None)
            case InTransaction(producer, OffsetCommitted() as offset):
                self.offsets.replay_pending(producer.producer_id, offset)
                self._hold(offset.group_id)
            case TransactionEnded():
                self._end_transaction(record)
            case _ if isinstance(record, ConsumerGroupRecord):
                self._replay_consumer(record)
            case _:
                raise TypeError(f"not a record of this shard: {record!r}")

    def _end_transaction(self, ended: TransactionEnded) -> None:
        is_commit = ended.marker.type is MarkerType.COMMIT
        for group_id in self.offsets.end_transaction(
            ended.producer.producer_id, is_commit=is_commit
        ):
            self._hold(group_id)
            self._settle_id(group_id)

    def _replay_consumer(self, record: ConsumerGroupRecord) -> None:
        group = self.consumers.replay(record)
        if group is None:  # What is left of it may be offsets.
            self.settle(self.open(record.group_id))
            return
        if record.group_id in self.classic and self.classic[record.group_id].is_unused:
            del self.classic[record.group_id]
        if self.is_loaded:
            self.watch(group)

    def finish_load(self, now_ms: int) -> None:
        for group in self.classic.values():
            classic_journal.finish_load(group, now_ms)
        for consumer_group in self.consumers:
            consumer_group.finish_load(now_ms)
            self.watch(consumer_group)
        self.is_loaded = True
        for group in list(self.classic.values()):
            self.settle(group)

    def close(self) -> Outcome:
        """Answers for every request that is parked here."""
        out = Outcome()
        for group in self.classic.values():
            for member in group.members.values():
                refuse_parked(member, ErrorCode.NOT_COORDINATOR, out)
        return out

    # --- groups ------------------------------------------------------------------------------

    def open(self, group_id: str) -> ClassicGroup:
        """The classic group, made if there is none; `settle` drops it if nothing came of it."""
        group = self.classic.get(group_id)
        if group is None:
            group = self.classic[group_id] = ClassicGroup(group_id, self.config)
        return group

    def settle(self, group: ClassicGroup) -> None:
        """After any step: watch the group's next deadline, or drop it if nothing is left of it."""
        group_id = group.group_id
        is_held = self.offsets.of_group(group_id) or self.offsets.pending_of(group_id)
        if group.is_unused and not is_held:
            self.classic.pop(group_id, None)
        elif self.is_loaded:
            self.timers.watch(group_id, group.next_due_ms)

    def take_over(self, group: ConsumerGroup, out: Outcome) -> None:
        """A KIP-848 group, whose records are about to be replayed, takes a classic one's place."""
        classic = self.classic.pop(group.group_id, None)
        for member in classic.members.values() if classic is not None else ():
            refuse_parked(member, ErrorCode.REBALANCE_IN_PROGRESS, out)
        self.consumers.add(group)
        self.watch(group)

    def turn_back(self, group: ClassicGroup) -> None:
        """A classic group, whose record is about to be replayed, takes a KIP-848 one's place."""
        self.classic[group.group_id] = group
        self.settle(group)

    def watch(self, group: ConsumerGroup) -> None:
        self.timers.watch(group.group_id, group.next_due_ms)

    def _settle_id(self, group_id: str) -> None:
        if group_id in self.classic:
            self.settle(self.classic[group_id])

    def _hold(self, group_id: str) -> None:
        """Offsets of the group are known: there is a group, of one kind or the other."""
        if group_id not in self.consumers:
            self.open(group_id)
