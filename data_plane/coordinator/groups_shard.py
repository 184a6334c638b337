"""One partition of `__consumer_offsets` in memory: its groups and their committed offsets.

Decisions on members may touch soft state of a group at once (who has joined, sessions, parked
requests); whatever is journaled changes in `replay` alone, so a shard rebuilt from its log equals
this one in everything that was promised (classic_group.py, rule 1).
"""

import random
import uuid
from collections.abc import Mapping, Sequence
from typing import TypeVar

from data_plane.coordinator import (
    classic_join,
    classic_sync,
    consumer_group_records,
    consumer_heartbeat,
    group_records,
    offsets,
)
from data_plane.coordinator.classic_group import ClassicGroup, GroupState, Outcome, refuse_parked
from data_plane.coordinator.classic_sync import Leaving
from data_plane.coordinator.consumer_group import JOINING, ConsumerGroup
from data_plane.coordinator.consumer_group_records import ConsumerGroupRecord
from data_plane.coordinator.consumer_groups import ConsumerGroups
from data_plane.coordinator.consumer_heartbeat import Heartbeat
from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.group_records import GroupChanged, GroupRecord, GroupRemoved
from data_plane.coordinator.offsets import Offsets, OffsetsCommit, TopicPartition
from data_plane.coordinator.shard import InTransaction, Replies, TransactionEnded
from data_plane.coordinator.timers import Timers
from data_plane.coordinator.transaction import ProducerIdAndEpoch
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatResponse
from data_plane.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from data_plane.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from data_plane.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from data_plane.protocol.records.control import Marker, MarkerType

R = TypeVar("R")


class GroupsShard:
    """Implements `Shard` (shard.py). `rng` makes member ids only; they are no secrets."""

    def __init__(self, config: GroupConfig, rng: random.Random) -> None:
        self.config = config
        self.groups: dict[str, ClassicGroup] = {}  # those with nothing but offsets, too
        self.consumer_groups = ConsumerGroups(config)
        self._offsets = Offsets()
        self._rng = rng
        self._timers = Timers()  # by group id
        self._offsets_check_ms = 0
        self._is_loaded = False

    # --- members -----------------------------------------------------------------------------

    def decide_join_group(
        self,
        request: JoinGroupRequest,
        *,
        api_version: int,
        client_id: str,
        client_host: str,
        now_ms: int,
        token: object,
    ) -> Decision[None]:
        """Answered through `token`, always: at once, or when the group has gathered."""
        if (code := self._check_join(request)) is not ErrorCode.NONE:
            refusal = JoinGroupResponse(error_code=code, member_id=request.member_id)
            return Decision(None, replies=((token, refusal),))
        out = Outcome()
        former = self.consumer_groups.get(request.group_id)
        if former is not None:
            out.records += former.removal()  # Empty: it becomes a classic group.
        group = self._open(request.group_id)
        new_id = "" if request.member_id else self._new_member_id(request, client_id)
        attempt = classic_join.JoinAttempt(
            request=request,
            api_version=api_version,
            client_id=client_id,
            client_host=client_host,
            new_member_id=new_id,
            token=token,
        )
        classic_join.join(group, attempt, now_ms, out)
        return self._decided(group, None, out)

    def _check_join(self, request: JoinGroupRequest) -> ErrorCode:
        if not request.group_id:
            return ErrorCode.INVALID_GROUP_ID
        low, high = self.config.session_timeout_ms_min, self.config.session_timeout_ms_max
        if not low <= request.session_timeout_ms <= high:
            return ErrorCode.INVALID_SESSION_TIMEOUT
        metadata_bytes = sum(len(p.name) + len(p.metadata) for p in request.protocols)
        if metadata_bytes > self.config.member_metadata_bytes_max:
            return ErrorCode.INVALID_REQUEST
        if request.member_id and request.group_id not in self.groups:
            return ErrorCode.UNKNOWN_MEMBER_ID
        consumer_group = self.consumer_groups.get(request.group_id)
        if consumer_group is not None and consumer_group.members:
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        return ErrorCode.NONE

    def _new_member_id(self, request: JoinGroupRequest, client_id: str) -> str:
        """Kafka's form, which operators know: the instance or client id, a dash, a UUID."""
        prefix = request.group_instance_id or client_id
        return f"{prefix}-{uuid.UUID(int=self._rng.getrandbits(128), version=4)}"

    def decide_sync_group(
        self, request: SyncGroupRequest, *, now_ms: int, token: object
    ) -> Decision[None]:
        """Answered through `token`: with the member's own assignment once the leader has synced."""
        group = self.groups.get(request.group_id)
        if group is None:
            code = ErrorCode.UNKNOWN_MEMBER_ID if request.group_id else ErrorCode.INVALID_GROUP_ID
            return Decision(None, replies=((token, SyncGroupResponse(error_code=code)),))
        out = Outcome()
        classic_sync.sync(group, request, token, now_ms, out)
        return self._decided(group, None, out)

    def decide_heartbeat(
        self, request: HeartbeatRequest, *, now_ms: int
    ) -> Decision[HeartbeatResponse]:
        group = self.groups.get(request.group_id)
        if group is None:
            code = ErrorCode.UNKNOWN_MEMBER_ID if request.group_id else ErrorCode.INVALID_GROUP_ID
        else:
            # The session only grows, so the group's timer need not be looked at.
            code = classic_sync.heartbeat(
                group, request.member_id, request.group_instance_id, request.generation_id, now_ms
            )
        return Decision(HeartbeatResponse(error_code=code))

    def decide_leave_group(
        self, group_id: str, leaving: Sequence[Leaving], *, now_ms: int
    ) -> Decision[tuple[ErrorCode, ...]]:
        """One code for each who leaves, in order."""
        group = self.groups.get(group_id)
        if group is None:
            code = ErrorCode.UNKNOWN_MEMBER_ID if group_id else ErrorCode.INVALID_GROUP_ID
            return Decision((code,) * len(leaving))
        out = Outcome()
        codes = classic_sync.leave(group, leaving, now_ms, out)
        return self._decided(group, codes, out)

    def decide_consumer_heartbeat(
        self, heartbeat: Heartbeat
    ) -> Decision[ConsumerGroupHeartbeatResponse]:
        """One heartbeat of a member of a KIP-848 group; a first one may make the group."""
        try:
            consumer_heartbeat.check(heartbeat.request)
            group, journal = self._consumer_group(heartbeat)
            decision = consumer_heartbeat.decide_heartbeat(group, heartbeat)
        except KafkaError as error:
            return Decision(
                ConsumerGroupHeartbeatResponse(error_code=error.code, error_message=error.message)
            )
        if group.group_id not in self.consumer_groups:
            self.consumer_groups.add(group)
        self._timers.watch(group.group_id, group.next_due_ms)
        return Decision(decision.response, [*journal, *decision.records])

    def new_member_id(self) -> str:
        """For a member of a KIP-848 group that does not name itself."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _consumer_group(self, heartbeat: Heartbeat) -> tuple[ConsumerGroup, list[GroupRecord]]:
        """The group, and what takes back an empty classic group in whose place it comes.

        Raises KafkaError with GROUP_ID_NOT_FOUND.
        """
        group_id = heartbeat.request.group_id
        group = self.consumer_groups.get(group_id)
        if group is not None:
            return group, []
        classic = self.groups.get(group_id)
        is_in_use = classic is not None and (
            not classic.is_in(GroupState.EMPTY) or bool(classic.pending_ids)
        )
        if is_in_use or heartbeat.request.member_epoch != JOINING:
            raise KafkaError(
                f"Group {group_id} is not a consumer group.", code=ErrorCode.GROUP_ID_NOT_FOUND
            )
        has_record = classic is not None and classic.generation > 0
        return self.consumer_groups.new(group_id), [GroupRemoved(group_id)] if has_record else []

    # --- offsets -----------------------------------------------------------------------------

    def decide_offset_commit(
        self, commit: OffsetsCommit, *, now_ms: int
    ) -> Decision[tuple[ErrorCode, ...]]:
        """One code for each offset, in order; those refused one by one leave the others valid."""
        consumer_group = self.consumer_groups.get(commit.group_id)
        if consumer_group is None:
            code = offsets.check_commit(self.groups.get(commit.group_id), commit, now_ms)
        else:
            version = commit.api_version if commit.producer is None else None
            code = consumer_group.check_commit(commit.member_id, commit.generation, version)
        if code is not ErrorCode.NONE:
            return Decision((code,) * len(commit.offsets))
        chars_max = self.config.offset_metadata_chars_max
        codes = tuple(offsets.check_offset(offset, chars_max) for offset in commit.offsets)
        accepted = [
            offset
            for offset, code in zip(commit.offsets, codes, strict=True)
            if code is ErrorCode.NONE
        ]
        if commit.producer is None:
            return Decision(codes, accepted)
        return Decision(codes, [InTransaction(commit.producer, offset) for offset in accepted])

    def decide_end_transaction(
        self, producer: ProducerIdAndEpoch, marker: Marker
    ) -> Decision[ErrorCode]:
        """Write the marker of a transaction that may have committed offsets here."""
        return Decision(ErrorCode.NONE, [TransactionEnded(producer, marker)])

    def pending(self, group_id: str) -> Mapping[TopicPartition, group_records.OffsetCommitted]:
        """What open transactions would commit for the group: its offsets are not stable there."""
        return self._offsets.pending_of(group_id)

    def committed(self, group_id: str) -> Mapping[TopicPartition, group_records.OffsetCommitted]:
        """The group's offsets; an answer made of them must pass `commit` like any decision."""
        return self._offsets.of_group(group_id)

    def decide_delete_group(self, group_id: str) -> Decision[ErrorCode]:
        """Forget a group without members, and its offsets."""
        group, consumer_group = self.groups.get(group_id), self.consumer_groups.get(group_id)
        if group is None and consumer_group is None:
            return Decision(ErrorCode.GROUP_ID_NOT_FOUND)
        if (group is not None and not group.is_in(GroupState.EMPTY)) or (
            consumer_group is not None and consumer_group.members
        ):
            return Decision(ErrorCode.NON_EMPTY_GROUP)
        held = {**self._offsets.pending_of(group_id), **self._offsets.of_group(group_id)}
        removals = [offsets.removal(offset) for offset in held.values()]
        if consumer_group is not None:
            return Decision(ErrorCode.NONE, [*removals, *consumer_group.removal()])
        return Decision(ErrorCode.NONE, [*removals, GroupRemoved(group_id)])

    def decide_delete_offsets(
        self, group_id: str, wanted: Sequence[TopicPartition]
    ) -> Decision[tuple[ErrorCode, tuple[ErrorCode, ...]]]:
        """A code for the group and one for each partition; topics still consumed are refused."""
        group, consumer_group = self.groups.get(group_id), self.consumer_groups.get(group_id)
        if consumer_group is not None:
            consumed: set[str] | None = consumer_group.subscribed_names()
        else:
            code = offsets.check_delete(group)
            if group is None or code is not ErrorCode.NONE:
                return Decision((code, ()))
            consumed = offsets.consumed_topics(group)
        codes = tuple(
            ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
            if consumed is None or topic in consumed
            else ErrorCode.NONE
            for topic, _ in wanted
        )
        held = {**self._offsets.pending_of(group_id), **self._offsets.of_group(group_id)}
        removals = [
            offsets.removal(held[at])
            for at, code in zip(wanted, codes, strict=True)
            if code is ErrorCode.NONE and at in held
        ]
        return Decision((ErrorCode.NONE, codes), removals)

    def decide_forget_topic(self, topic: str) -> Decision[None]:
        """A topic was deleted: its offsets go with it, for every group (durability.md 7)."""
        return Decision(None, [offsets.removal(offset) for offset in self._offsets.of_topic(topic)])

    # --- time --------------------------------------------------------------------------------

    @property
    def next_due_ms(self) -> int | None:
        if not self._is_loaded:
            return None
        due_ms = self._timers.next_due_ms
        return self._offsets_check_ms if due_ms is None else min(due_ms, self._offsets_check_ms)

    def expire(self, now_ms: int) -> Decision[None]:
        """Drop silent members, end gatherings, forget what nobody came back for."""
        out = Outcome()
        for group_id in self._timers.pop_due(now_ms):
            if group_id in self.groups:
                self.groups[group_id].expire(now_ms, out)
                self._settle(self.groups[group_id])
            elif (consumer_group := self.consumer_groups.get(group_id)) is not None:
                consumer_group.expire(now_ms, out)
                self._timers.watch(group_id, consumer_group.next_due_ms)
        if self._offsets_check_ms <= now_ms:
            self._expire_offsets(now_ms, out)
        return Decision(None, out.records, out.replies)

    def _expire_offsets(self, now_ms: int, out: Outcome) -> None:
        """Write tombstones for expired offsets and groups, a bounded number at a time."""
        self._offsets_check_ms = now_ms + self.config.offsets_check_interval_ms
        for group in self.groups.values():
            if len(out.records) >= self.config.expired_records_max:
                self._offsets_check_ms = now_ms  # the rest in the next turn
                return
            if self._offsets.pending_of(group.group_id):
                continue  # It is in use, by a transaction.
            held = self._offsets.of_group(group.group_id).values()
            expired = [o for o in held if offsets.is_expired(o, group, self.config, now_ms)]
            out.records += [offsets.removal(offset) for offset in expired]
            is_abandoned = group.is_in(GroupState.EMPTY) and not group.pending_ids
            if is_abandoned and group.generation > 0 and len(expired) == len(held):
                out.records.append(GroupRemoved(group.group_id))
        for consumer_group in self.consumer_groups:
            self._expire_of(consumer_group, now_ms, out)

    def _expire_of(self, group: ConsumerGroup, now_ms: int, out: Outcome) -> None:
        """A consumer group without members: each offset counts from its own commit."""
        if group.members or self._offsets.pending_of(group.group_id):
            return
        held = self._offsets.of_group(group.group_id).values()
        limit_ms = now_ms - self.config.offsets_retention_ms
        expired = [offset for offset in held if offset.commit_ms <= limit_ms]
        out.records += [offsets.removal(offset) for offset in expired]
        if held and len(expired) == len(held):
            out.records += group.removal()

    # --- the journal -------------------------------------------------------------------------

    @property
    def is_loaded(self) -> bool:
        return self._is_loaded

    def replay(self, record: object) -> None:
        match record:
            case group_records.OffsetCommitted():
                self._offsets.replay(record)
                self._hold(record.group_id)
            case group_records.OffsetRemoved():
                self._offsets.replay(record)
                if record.group_id in self.groups:
                    self._settle(self.groups[record.group_id])
            case GroupChanged():
                group = self._open(record.group_id)
                group.restore(record, is_live=self._is_loaded)
                self._settle(group)
            case GroupRemoved():
                self.groups.pop(record.group_id, None)
            case InTransaction(producer, group_records.OffsetCommitted() as offset):
                self._offsets.replay_pending(producer.producer_id, offset)
                self._hold(offset.group_id)
            case TransactionEnded(producer, marker):
                is_commit = marker.type is MarkerType.COMMIT
                for group_id in self._offsets.end_transaction(
                    producer.producer_id, is_commit=is_commit
                ):
                    self._hold(group_id)
                    if group_id in self.groups:
                        self._settle(self.groups[group_id])
            case _ if isinstance(record, ConsumerGroupRecord):
                self._replay_consumer(record)
            case _:
                raise TypeError(f"not a record of this shard: {record!r}")

    def _replay_consumer(self, record: ConsumerGroupRecord) -> None:
        group = self.consumer_groups.replay(record)
        if group is None:  # What is left of it may be offsets.
            self._settle(self._open(record.group_id))
            return
        if record.group_id in self.groups and self.groups[record.group_id].is_unused:
            del self.groups[record.group_id]
        if self._is_loaded:
            self._timers.watch(group.group_id, group.next_due_ms)

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
        is_pending = producer is not None and isinstance(record, group_records.OffsetCommitted)
        self.replay(InTransaction(producer, record) if producer and is_pending else record)

    def encode(self, record: object) -> tuple[bytes, bytes | None]:
        if isinstance(record, InTransaction):
            record = record.record
        if isinstance(record, ConsumerGroupRecord):
            return consumer_group_records.encode_record(record)
        assert isinstance(record, GroupRecord), "decisions of this shard carry group records"
        return group_records.encode_record(record)

    def finish_load(self, now_ms: int) -> None:
        for group in self.groups.values():
            group.finish_load(now_ms)
        for consumer_group in self.consumer_groups:
            consumer_group.finish_load(now_ms)
            self._timers.watch(consumer_group.group_id, consumer_group.next_due_ms)
        self._is_loaded = True
        self._offsets_check_ms = now_ms + self.config.offsets_check_interval_ms
        for group in list(self.groups.values()):
            self._settle(group)

    def close(self) -> Replies:
        out = Outcome()
        for group in self.groups.values():
            for member in group.members.values():
                refuse_parked(member, ErrorCode.NOT_COORDINATOR, out)
        return out.replies

    # --- groups ------------------------------------------------------------------------------

    def _hold(self, group_id: str) -> None:
        """Offsets of the group are known: there is a group, of one kind or the other."""
        if group_id not in self.consumer_groups:
            self._open(group_id)

    def _open(self, group_id: str) -> ClassicGroup:
        """The group, made if there is none; `_settle` drops it again if nothing came of it."""
        group = self.groups.get(group_id)
        if group is None:
            group = self.groups[group_id] = ClassicGroup(group_id, self.config)
        return group

    def _settle(self, group: ClassicGroup) -> None:
        """After any step: watch the group's next deadline, or drop it if nothing is left of it."""
        if (
            group.is_unused
            and not self._offsets.of_group(group.group_id)
            and not self._offsets.pending_of(group.group_id)
        ):
            self.groups.pop(group.group_id, None)
        elif self._is_loaded:
            self._timers.watch(group.group_id, group.next_due_ms)

    def _decided(self, group: ClassicGroup, response: R, out: Outcome) -> Decision[R]:
        self._settle(group)
        return Decision(response, out.records, out.replies)
