"""What leaders here ask of the controller: other ISRs, one request at a time for all partitions.

A change is asked for again until the image tells of a newer partition epoch or the controller
refuses it for good; both epochs go along, so that a repeated or late request changes nothing.
Source: KIP-497 (AlterPartition), KIP-903 (broker epochs), durability.md 1 (M).
"""

from collections.abc import Iterable
from typing import Final, Protocol
from uuid import UUID

from data_plane.metadata.records import CommitMode
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.alter_partition import (
    MODE_UNCHANGED,
    AlterPartitionRequest,
    AlterPartitionRequestBrokerState,
    AlterPartitionRequestPartition,
    AlterPartitionRequestTopic,
    AlterPartitionResponse,
)
from data_plane.replication.partition import Partition
from data_plane.replication.peers import Peers

ANSWER_MS_MAX: Final = 10_000
RETRY_MS: Final = 100
REFUSED_MS: Final = 1_000  # before anything is asked again for a partition that was refused
LOOK_MS_MAX: Final = 2_000
PARTITIONS_MAX: Final = 2_000  # in one request
# The controller will not do this, however often it is asked.
REFUSALS = frozenset(
    {
        ErrorCode.INELIGIBLE_REPLICA,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.OPERATION_NOT_ATTEMPTED,
    }
)

Key = tuple[UUID, int]
Asked = dict[Key, tuple[Partition, int, int]]  # with the leader and partition epoch of then


class Leading(Protocol):
    """What this needs of its broker."""

    @property
    def now_ms(self) -> int: ...

    @property
    def broker_id(self) -> int: ...

    @property
    def broker_epoch(self) -> int: ...

    @property
    def controller_id(self) -> int | None: ...

    @property
    def lag_ms_max(self) -> int:
        """replica.lag.time.max.ms"""


class IsrChanges:
    """The changes under way; `step` at the end of each turn sends what is due.

    wanted: of what partitions; to be read only. While it is empty `step` need not be called.
    """

    def __init__(self, peers: Peers, leading: Leading) -> None:
        self._peers = peers
        self._leading = leading
        self.wanted: dict[Key, Partition] = {}
        self._refused: dict[Key, int] = {}  # until then, Unix ms
        self._is_asking = False
        self._due_ms = 0
        self._look_ms = 0

    @property
    def next_due_ms(self) -> int | None:
        if self._is_asking or not self.wanted:
            return None
        return self._due_ms

    def consider(self, partition: Partition) -> None:
        """Ask for another ISR if there ought to be one."""
        self._consider(partition, self._leading.lag_ms_max)

    def _consider(self, partition: Partition, lag_ms_max: int) -> None:
        now_ms, key = self._leading.now_ms, (partition.topic_id, partition.index)
        if self._refused.get(key, 0) > now_ms:
            return
        isr = partition.wanted_isr(now_ms, lag_ms_max)
        if isr is not None:
            self._refused.pop(key, None)
            partition.propose_isr(isr)
            self.wanted[key] = partition

    def look_at(self, partitions: Iterable[Partition], now_ms: int) -> None:
        """Now and then, find those that have fallen behind without a word."""
        if now_ms < self._look_ms:
            return
        lag_ms_max = self._leading.lag_ms_max
        self._look_ms = now_ms + min(max(lag_ms_max // 4, RETRY_MS), LOOK_MS_MAX)
        for partition in partitions:
            if partition.followers:
                self._consider(partition, lag_ms_max)

    def step(self, now_ms: int) -> None:
        if self._is_asking or not self.wanted or now_ms < self._due_ms:
            return
        for key, partition in list(self.wanted.items()):
            if partition.is_gone or partition.isr_pending is None:
                del self.wanted[key]  # The image has told how it ended.
        controller_id = self._leading.controller_id
        if not self.wanted:
            return
        self._due_ms = now_ms + RETRY_MS
        if controller_id is None:
            return
        asked = {
            key: (partition, partition.leader_epoch, partition.partition_epoch)
            for key, partition in list(self.wanted.items())[:PARTITIONS_MAX]
        }
        self._is_asking = True
        self._peers.request(
            controller_id,
            self._request(asked),
            lambda response: self._answered(asked, response),
            timeout_ms=ANSWER_MS_MAX,
        )

    def _request(self, asked: Asked) -> AlterPartitionRequest:
        topics: dict[UUID, list[AlterPartitionRequestPartition]] = {}
        for (topic_id, _), (partition, _, _) in asked.items():
            topics.setdefault(topic_id, []).append(self._row(partition))
        return AlterPartitionRequest(
            broker_id=self._leading.broker_id,
            broker_epoch=self._leading.broker_epoch,
            topics=[AlterPartitionRequestTopic(one, rows) for one, rows in topics.items()],
        )

    def _row(self, partition: Partition) -> AlterPartitionRequestPartition:
        isr = partition.isr_pending
        assert isr is not None, "only what is pending is asked for"
        epochs = {one.broker_id: one.broker_epoch for one in partition.followers.values()}
        epochs[self._leading.broker_id] = self._leading.broker_epoch
        return AlterPartitionRequestPartition(
            partition_index=partition.index,
            leader_epoch=partition.leader_epoch,
            new_isr_with_epochs=[
                AlterPartitionRequestBrokerState(one, epochs.get(one, -1)) for one in isr
            ],
            partition_epoch=partition.partition_epoch,
            commit_mode=CommitMode.SYNCED if partition.has_passed_barrier else MODE_UNCHANGED,
        )

    def _answered(self, asked: Asked, response: object) -> None:
        self._is_asking = False
        if not isinstance(response, AlterPartitionResponse) or response.error_code:
            return  # Asked again, perhaps of another controller.
        for topic in response.topics:
            for row in topic.partitions:
                found = asked.get((topic.topic_id, row.partition_index))
                if found is None or not row.error_code:
                    continue  # An answer without an error says nothing that the image will not say.
                partition, *epochs = found
                if epochs == [partition.leader_epoch, partition.partition_epoch]:
                    self._failed(partition, row.error_code)

    def _failed(self, partition: Partition, code: int) -> None:
        """What was asked for is still wanted, and was refused."""
        if code == ErrorCode.FENCED_LEADER_EPOCH:
            partition.freeze()
        if code in REFUSALS:
            key = (partition.topic_id, partition.index)
            self.wanted.pop(key, None)
            again_ms = self._refused[key] = self._leading.now_ms + REFUSED_MS
            self._look_ms = min(self._look_ms, again_ms)  # The replica may be let in meanwhile.
            partition.withdraw_isr()
