"""Wire layouts of `__consumer_offsets`, all versions, by Kafka's names; see group_records.py."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import data_record, int32, int64, since


@data_record(versions=range(2), flexible_from=None)
@dataclass(frozen=True, slots=True)
class OffsetCommitKey:
    """Whose offset of which partition."""

    group: str
    topic: str
    partition: int32


@data_record(versions=range(5), flexible_from=4)
@dataclass(frozen=True, slots=True)
class OffsetCommitValue:
    """A committed offset; times are Unix milliseconds."""

    offset: int64
    leader_epoch: int32 = since(3, default=-1)
    metadata: str = ""
    commit_timestamp: int64 = -1
    expire_timestamp: int64 = since(1, until=2, default=-1)


@data_record(versions=range(2, 3), flexible_from=None)
@dataclass(frozen=True, slots=True)
class GroupMetadataKey:
    """Which group."""

    group: str


@dataclass(frozen=True, slots=True)
class MemberMetadata:
    """One member; timeouts in milliseconds, subscription and assignment are the client's bytes."""

    member_id: str
    group_instance_id: str | None = since(3, default=None)
    client_id: str = ""
    client_host: str = ""
    rebalance_timeout: int32 = since(1, default=-1)
    session_timeout: int32 = 0
    subscription: bytes = b""
    assignment: bytes = b""


@data_record(versions=range(5), flexible_from=4)
@dataclass(frozen=True, slots=True)
class GroupMetadataValue:
    """One generation of a classic group."""

    protocol_type: str
    generation: int32
    protocol: str | None
    leader: str | None
    current_state_timestamp: int64 = since(2, default=-1)
    members: Sequence[MemberMetadata] = ()
