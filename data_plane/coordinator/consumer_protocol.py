"""The bytes that classic consumers put into JoinGroup and SyncGroup: what they want and own.

To a coordinator they are opaque, save where it takes the leader's work over (migration.py,
classic_in_consumer.py) or must know whether a topic is consumed. An int16 version comes first;
newer versions only append, so that an unknown one is read as the newest known.
Source: Kafka's ConsumerProtocolSubscription/Assignment 0-3, KIP-429, KIP-792, KIP-881.
"""

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from data_plane.protocol.schema import DecodeError, data_record, decode, encode, int32, since

CONSUMER = "consumer"  # the protocol type of Kafka's own consumers
VERSION_MAX = 3
INT16 = struct.Struct(">h")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TopicPartitions:
    """Partitions of one topic."""

    topic: str
    partitions: Sequence[int32] = ()


@data_record(versions=range(VERSION_MAX + 1), flexible_from=None)
@dataclass(frozen=True, slots=True)
class Subscription:
    """What a consumer wants, and what it still owns while it joins."""

    topics: Sequence[str] = ()
    user_data: bytes | None = None
    owned_partitions: Sequence[TopicPartitions] = since(1, default=())
    generation_id: int32 = since(2, default=-1)
    rack_id: str | None = since(3, default=None)


@data_record(versions=range(1), flexible_from=None)
@dataclass(frozen=True, slots=True)
class SubscribedTopics:
    """The part of a subscription that all versions begin with, whatever a client appends."""

    topics: Sequence[str] = ()


@data_record(versions=range(VERSION_MAX + 1), flexible_from=None)
@dataclass(frozen=True, slots=True)
class Assignment:
    """What a consumer shall own."""

    assigned_partitions: Sequence[TopicPartitions] = ()
    user_data: bytes | None = None


def read_subscription(metadata: bytes) -> Subscription:
    """Raises DecodeError."""
    return _read(Subscription, metadata)


def read_topics(metadata: bytes) -> Sequence[str]:
    """The topics of a subscription, even if what follows them is unreadable; DecodeError if not."""
    return decode(SubscribedTopics, 0, metadata, INT16.size).topics


def read_assignment(assignment: bytes) -> Assignment:
    """Empty bytes, of a member that was given nothing yet, are an empty assignment; DecodeError."""
    return _read(Assignment, assignment) if assignment else Assignment()


def write_assignment(partitions: Mapping[str, Collection[int]], metadata: bytes) -> bytes:
    """partitions: by topic. metadata: the member's subscription, whose version it can read."""
    version = _version(metadata)
    rows = [TopicPartitions(topic, sorted(found)) for topic, found in sorted(partitions.items())]
    return INT16.pack(version) + encode(Assignment(rows), version)


def _read(kind: type[T], data: bytes) -> T:
    return decode(kind, _version(data), data, INT16.size)


def _version(data: bytes) -> int:
    if len(data) < INT16.size:
        raise DecodeError("consumer protocol bytes are shorter than their version")
    version: int = INT16.unpack_from(data)[0]
    if version < 0:
        raise DecodeError(f"consumer protocol bytes claim version {version}")
    return min(version, VERSION_MAX)
