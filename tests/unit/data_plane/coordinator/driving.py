"""Drives one groups shard as the broker does, over a log in memory; for the tests beside it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.group_records import GroupRecord, OffsetCommitted, decode_record
from data_plane.coordinator.groups_shard import GroupsShard
from data_plane.coordinator.offsets import OffsetsCommit
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.heartbeat import HeartbeatRequest
from data_plane.protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
)
from data_plane.protocol.messages.sync_group import (
    SyncGroupRequest,
    SyncGroupRequestAssignment,
    SyncGroupResponse,
)

GROUP = "g"
RANGE = (("range", b"topics"),)
R = TypeVar("R")


class CountingRandom(random.Random):
    """Draws 1, 2, 3 ..., so that member ids in a transcript read well."""

    drawn = 0

    def getrandbits(self, k: int, /) -> int:
        self.drawn += 1
        return self.drawn


@dataclass
class Driver:
    """A shard, its log, its clock, and what was answered to whom.

    Records go through their bytes: what is replayed live is what a reload will read.
    """

    config: GroupConfig = field(default_factory=GroupConfig)
    rng: random.Random = field(default_factory=CountingRandom)
    now_ms: int = 0
    log: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    answers: dict[object, Any] = field(default_factory=dict)
    parked: set[object] = field(default_factory=set)
    last: Decision[Any] = field(default_factory=lambda: Decision(None))
    image: MetadataImage = field(default_factory=MetadataImage)

    def __post_init__(self) -> None:
        self.shard = GroupsShard(self.config, self.rng, lambda: self.image)
        self.shard.finish_load(self.now_ms)

    def carry_out(self, decision: Decision[R]) -> R:
        """Append, replay, answer: what broker.commit does when all is committed at once."""
        self.last = decision
        for record in decision.records:
            self.log.append(self.shard.encode(record))
            self.shard.replay(record)
        for token, response in decision.replies:
            assert token in self.parked, f"{token} is answered twice or was never asked"
            self.parked.remove(token)
            self.answers[token] = response
        return decision.response

    @property
    def records(self) -> list[GroupRecord]:
        """The log, decoded."""
        decoded = [decode_record(key, value) for key, value in self.log]
        return [record for record in decoded if record is not None]

    def restart(self, config: GroupConfig | None = None) -> None:
        """Lose the shard, answering what was parked, and load a new one from the log."""
        for token, response in self.shard.close():
            self.parked.remove(token)
            self.answers[token] = response
        self.shard = load(
            self.log, config or self.config, self.rng, self.now_ms, lambda: self.image
        )

    def advance(self, now_ms: int) -> None:
        """Let time pass, stopping wherever the shard wants to be woken."""
        for _ in range(5_000):
            due_ms = self.shard.next_due_ms
            if due_ms is None or due_ms > now_ms:
                break
            self.now_ms = max(self.now_ms, due_ms)
            self.carry_out(self.shard.expire(self.now_ms))
        else:
            raise AssertionError("the shard asks to be woken for ever")
        self.now_ms = now_ms

    # --- requests ----------------------------------------------------------------------------

    def join(
        self,
        token: object,
        member_id: str = "",
        *,
        instance: str | None = None,
        protocols: Sequence[tuple[str, bytes]] = RANGE,
        version: int = 9,
        session_ms: int = 10_000,
        rebalance_ms: int = 30_000,
        protocol_type: str = "consumer",
        client: str = "c",
    ) -> JoinGroupResponse | None:
        """The answer, or None if the request is parked."""
        request = JoinGroupRequest(
            group_id=GROUP,
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=rebalance_ms,
            member_id=member_id,
            group_instance_id=instance,
            protocol_type=protocol_type,
            protocols=[JoinGroupRequestProtocol(*protocol) for protocol in protocols],
        )
        answer: JoinGroupResponse | None = self._ask(
            token,
            lambda: self.shard.decide_join_group(
                request,
                api_version=version,
                client_id=client,
                client_host="127.0.0.1",
                now_ms=self.now_ms,
                token=token,
            ),
        )
        return answer

    def admit(self, token: object, **options: Any) -> str:
        """Join as a new member, by two requests where the version asks for them; its member id."""
        first = self.join(token, **options)
        if first is not None and first.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self.join(token, first.member_id, **options)
            return first.member_id
        return list(self.shard.groups[GROUP].members)[-1]

    def sync(
        self,
        token: object,
        member_id: str,
        generation: int,
        assignments: dict[str, bytes] | None = None,
        *,
        instance: str | None = None,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
    ) -> SyncGroupResponse | None:
        request = SyncGroupRequest(
            group_id=GROUP,
            generation_id=generation,
            member_id=member_id,
            group_instance_id=instance,
            protocol_type=protocol_type,
            protocol_name=protocol_name,
            assignments=[
                SyncGroupRequestAssignment(*entry) for entry in (assignments or {}).items()
            ],
        )
        answer: SyncGroupResponse | None = self._ask(
            token,
            lambda: self.shard.decide_sync_group(request, now_ms=self.now_ms, token=token),
        )
        return answer

    def heartbeat(self, member_id: str, generation: int, instance: str | None = None) -> ErrorCode:
        request = HeartbeatRequest(GROUP, generation, member_id, instance)
        response = self.carry_out(self.shard.decide_heartbeat(request, now_ms=self.now_ms))
        return ErrorCode(response.error_code)

    def commit(
        self,
        offsets: dict[tuple[str, int], int],
        member_id: str = "",
        generation: int = -1,
        *,
        instance: str | None = None,
        metadata: str = "",
        retention_ms: int = -1,
        version: int = 8,
        group_id: str = GROUP,
    ) -> tuple[ErrorCode, ...]:
        records = [
            OffsetCommitted(
                group_id=group_id,
                topic=topic,
                partition=partition,
                offset=offset,
                leader_epoch=-1,
                metadata=metadata,
                commit_ms=self.now_ms,
                expire_ms=self.now_ms + retention_ms if retention_ms >= 0 else -1,
            )
            for (topic, partition), offset in offsets.items()
        ]
        commit = OffsetsCommit(group_id, member_id, instance, generation, version, records)
        return self.carry_out(self.shard.decide_offset_commit(commit, now_ms=self.now_ms))

    def committed(self, group_id: str = GROUP) -> dict[tuple[str, int], int]:
        return {at: record.offset for at, record in self.shard.committed(group_id).items()}

    def _ask(self, token: object, decide: Callable[[], Decision[None]]) -> Any:
        assert token not in self.parked, f"{token} is parked already"
        self.answers.pop(token, None)
        self.parked.add(token)
        self.carry_out(decide())
        return self.answers.get(token)


def load(
    log: Sequence[tuple[bytes, bytes | None]],
    config: GroupConfig,
    rng: random.Random,
    now_ms: int,
    image_of: Callable[[], MetadataImage] = MetadataImage,
) -> GroupsShard:
    """A new shard that has read the whole log."""
    shard = GroupsShard(config, rng, image_of)
    for key, value in log:
        shard.replay_bytes(key, value)
    shard.finish_load(now_ms)
    return shard
