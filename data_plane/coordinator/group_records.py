"""Records of `__consumer_offsets`, in Kafka's own formats, because other tools read that topic.

A key starts with an int16 that names the kind: 0 and 1 a committed offset, 2 a classic group. A
value starts with the int16 version of its layout. A null value deletes. We write the versions that
every reader knows (offset values 3, or 1 if the client asked for an explicit expiry; group values
3) and read all that Kafka ever wrote. Other kinds of key are for newer group types: skipped.
Source: Kafka's OffsetCommitKey/Value and GroupMetadataKey/Value, KIP-211, KIP-345, KIP-915.
"""

import struct
from dataclasses import dataclass, replace

from data_plane.coordinator import offsets_topic as wire
from data_plane.protocol.schema import DecodeError, decode, encode

INT16 = struct.Struct(">h")
OFFSET_KEYS, GROUP_KEY = (0, 1), 2
VALUE_VERSION_MAX = 4


@dataclass(frozen=True, slots=True)
class OffsetCommitted:
    """A group has consumed `topic`-`partition` up to `offset`."""

    group_id: str
    topic: str
    partition: int
    offset: int
    leader_epoch: int  # of the last consumed record; -1: not told
    metadata: str
    commit_ms: int
    expire_ms: int = -1  # only where the client asked for its own retention


@dataclass(frozen=True, slots=True)
class OffsetRemoved:
    """The committed offset is forgotten: expired, deleted, or its topic is gone."""

    group_id: str
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member as the log keeps it; `subscription` is its metadata for the selected protocol."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """A generation was synced, a static member came back, or (no members) nobody is left."""

    group_id: str
    protocol_type: str
    generation: int
    protocol_name: str | None
    leader_id: str | None
    since_ms: int  # when the group reached this state; -1: not told
    members: tuple[GroupMember, ...]

    @property
    def size_bytes(self) -> int:
        """Of what clients may make large; the rest of the record is small beside it."""
        return sum(len(m.subscription) + len(m.assignment) for m in self.members)

    def renamed(self, member_id: str, new_id: str) -> "GroupChanged":
        """The same generation with one member under another id."""
        return replace(
            self,
            leader_id=new_id if self.leader_id == member_id else self.leader_id,
            members=tuple(
                replace(member, member_id=new_id) if member.member_id == member_id else member
                for member in self.members
            ),
        )


@dataclass(frozen=True, slots=True)
class GroupRemoved:
    """The group is forgotten."""

    group_id: str


GroupRecord = OffsetCommitted | OffsetRemoved | GroupChanged | GroupRemoved


def encode_record(record: GroupRecord) -> tuple[bytes, bytes | None]:
    """Key and value to append; value None is a tombstone."""
    match record:
        case OffsetCommitted() | OffsetRemoved():
            offset_key = wire.OffsetCommitKey(
                group=record.group_id, topic=record.topic, partition=record.partition
            )
            key = INT16.pack(1) + encode(offset_key, 1)
        case GroupChanged() | GroupRemoved():
            key = INT16.pack(GROUP_KEY) + encode(
                wire.GroupMetadataKey(group=record.group_id), GROUP_KEY
            )
    match record:
        case OffsetCommitted():
            return key, _offset_value(record)
        case GroupChanged():
            return key, INT16.pack(3) + encode(_group_value(record), 3)
        case _:
            return key, None


def decode_record(key: bytes, value: bytes | None) -> GroupRecord | None:
    """The record of a key and value; None for kinds we do not know. Raises DecodeError."""
    kind = _version(key)
    if kind in OFFSET_KEYS:
        at = decode(wire.OffsetCommitKey, kind, key, 2)
        if value is None:
            return OffsetRemoved(at.group, at.topic, at.partition)
        body = decode(wire.OffsetCommitValue, _version(value, VALUE_VERSION_MAX), value, 2)
        return OffsetCommitted(
            group_id=at.group,
            topic=at.topic,
            partition=at.partition,
            offset=body.offset,
            leader_epoch=body.leader_epoch,
            metadata=body.metadata,
            commit_ms=body.commit_timestamp,
            expire_ms=body.expire_timestamp,
        )
    if kind == GROUP_KEY:
        group_id = decode(wire.GroupMetadataKey, kind, key, 2).group
        if value is None:
            return GroupRemoved(group_id)
        group = decode(wire.GroupMetadataValue, _version(value, VALUE_VERSION_MAX), value, 2)
        return _group_changed(group_id, group)
    return None


def _version(data: bytes, version_max: int = 1 << 15) -> int:
    if len(data) < 2:
        raise DecodeError("a group record is shorter than its version")
    version: int = INT16.unpack_from(data)[0]
    if not 0 <= version <= version_max:
        raise DecodeError(f"a group record has version {version}, newer than this broker")
    return version


def _offset_value(record: OffsetCommitted) -> bytes:
    # Only layout 1 has room for an explicit expiry; it has none for the leader epoch.
    version = 3 if record.expire_ms < 0 else 1
    value = wire.OffsetCommitValue(
        offset=record.offset,
        leader_epoch=record.leader_epoch,
        metadata=record.metadata,
        commit_timestamp=record.commit_ms,
        expire_timestamp=record.expire_ms,
    )
    return INT16.pack(version) + encode(value, version)


def _group_value(record: GroupChanged) -> wire.GroupMetadataValue:
    return wire.GroupMetadataValue(
        protocol_type=record.protocol_type,
        generation=record.generation,
        protocol=record.protocol_name,
        leader=record.leader_id,
        current_state_timestamp=record.since_ms,
        members=tuple(
            wire.MemberMetadata(
                member_id=member.member_id,
                group_instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                rebalance_timeout=member.rebalance_timeout_ms,
                session_timeout=member.session_timeout_ms,
                subscription=member.subscription,
                assignment=member.assignment,
            )
            for member in record.members
        ),
    )


def _group_changed(group_id: str, value: wire.GroupMetadataValue) -> GroupChanged:
    return GroupChanged(
        group_id=group_id,
        protocol_type=value.protocol_type,
        generation=value.generation,
        protocol_name=value.protocol,
        leader_id=value.leader,
        since_ms=value.current_state_timestamp,
        members=tuple(
            GroupMember(
                member_id=member.member_id,
                instance_id=member.group_instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                # Layout 0 had no rebalance timeout; Kafka then takes the session timeout.
                rebalance_timeout_ms=(
                    member.session_timeout
                    if member.rebalance_timeout < 0
                    else member.rebalance_timeout
                ),
                session_timeout_ms=member.session_timeout,
                subscription=bytes(member.subscription),
                assignment=bytes(member.assignment),
            )
            for member in value.members
        ),
    )
