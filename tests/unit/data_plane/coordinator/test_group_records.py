"""Records of `__consumer_offsets`, byte for byte as Kafka lays them out.

The bytes are worked out by hand from Kafka's field tables, in the order of the fields; that real
tools read what the broker wrote is shown where real clients run.
"""

import pytest

from data_plane.coordinator.group_records import (
    GroupChanged,
    GroupMember,
    GroupRecord,
    GroupRemoved,
    OffsetCommitted,
    OffsetRemoved,
    decode_record,
    encode_record,
)
from data_plane.protocol.schema import DecodeError

OFFSET_KEY = "0001 0001 67 0001 74 00000003"  # version, group g, topic t, partition 3
GROUP_KEY = "0002 0001 67"
OFFSET = OffsetCommitted("g", "t", 3, offset=258, leader_epoch=7, metadata="m", commit_ms=1_000)
MEMBER = GroupMember("m1", "i", "c", "h", 30_000, 10_000, b"S", b"AA")
GROUP = GroupChanged("g", "consumer", 4, "range", "m1", 1_000, (MEMBER,))
# type "consumer", generation 4, protocol "range", leader "m1", state time 1000, one member
GROUP_HEAD = "0008 636f6e73756d6572 00000004 0005 72616e6765 0002 6d31"
GROUP_V3 = (
    f"0003 {GROUP_HEAD} 00000000000003e8 00000001"
    " 0002 6d31 0001 69 0001 63 0001 68 00007530 00002710 00000001 53 00000002 4141"
)


def unhex(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


@pytest.mark.parametrize(
    ("record", "key", "value"),
    [
        (OFFSET, OFFSET_KEY, "0003 0000000000000102 00000007 0001 6d 00000000000003e8"),
        (
            OffsetCommitted("g", "t", 3, 258, -1, "m", 1_000, expire_ms=5_000),
            OFFSET_KEY,
            "0001 0000000000000102 0001 6d 00000000000003e8 0000000000001388",
        ),
        (OffsetRemoved("g", "t", 3), OFFSET_KEY, None),
        (GROUP, GROUP_KEY, GROUP_V3),
        (
            GroupChanged("g", "consumer", 5, None, None, 1_000, ()),
            GROUP_KEY,
            "0003 0008 636f6e73756d6572 00000005 ffff ffff 00000000000003e8 00000000",
        ),
        (GroupRemoved("g"), GROUP_KEY, None),
    ],
    ids=["offset", "offset with expiry", "offset removed", "group", "empty", "group removed"],
)
def test_bytes_both_ways(record: GroupRecord, key: str, value: str | None) -> None:
    assert encode_record(record) == (unhex(key), unhex(value))
    assert decode_record(bytes.fromhex(key), unhex(value)) == record


@pytest.mark.parametrize(
    ("value", "epoch", "expire_ms"),
    [
        ("0000 0000000000000102 0001 6d 00000000000003e8", -1, -1),
        ("0001 0000000000000102 0001 6d 00000000000003e8 0000000000001388", -1, 5_000),
        ("0002 0000000000000102 0001 6d 00000000000003e8", -1, -1),
        ("0004 0000000000000102 00000007 02 6d 00000000000003e8 00", 7, -1),
        # A tagged field that came later (a topic id) is stepped over.
        ("0004 0000000000000102 00000007 02 6d 00000000000003e8 01 00 01 ff", 7, -1),
    ],
    ids=["v0", "v1", "v2", "v4", "v4 with a tag"],
)
def test_every_layout_of_an_offset_is_read(value: str, epoch: int, expire_ms: int) -> None:
    for key in (OFFSET_KEY, "0000" + OFFSET_KEY[4:]):
        record = decode_record(bytes.fromhex(key), unhex(value))
        assert record == OffsetCommitted("g", "t", 3, 258, epoch, "m", 1_000, expire_ms)


MEMBER_V0 = "0002 6d31 0001 63 0001 68 00002710 00000001 53 00000002 4141"
MEMBER_V1 = "0002 6d31 0001 63 0001 68 00007530 00002710 00000001 53 00000002 4141"
# Version 4 is flexible: lengths are varints of one more, each struct ends with its tags.
HEAD_V4 = "09 636f6e73756d6572 00000004 06 72616e6765 03 6d31 00000000000003e8 02"
MEMBER_V4 = "03 6d31 02 69 02 63 02 68 00007530 00002710 02 53 03 4141 00"


@pytest.mark.parametrize(
    ("version", "value"),
    [
        (0, f"{GROUP_HEAD} 00000001 {MEMBER_V0}"),
        (1, f"{GROUP_HEAD} 00000001 {MEMBER_V1}"),
        (2, f"{GROUP_HEAD} 00000000000003e8 00000001 {MEMBER_V1}"),
        (4, f"{HEAD_V4} {MEMBER_V4} 00"),
    ],
)
def test_every_layout_of_a_group_is_read(version: int, value: str) -> None:
    record = decode_record(bytes.fromhex(GROUP_KEY), bytes.fromhex(f"{version:04x} {value}"))
    assert isinstance(record, GroupChanged)
    assert record.since_ms == (1_000 if version >= 2 else -1)
    (member,) = record.members
    assert member.instance_id == ("i" if version >= 3 else None)
    assert member.rebalance_timeout_ms == (30_000 if version >= 1 else 10_000)
    assert (member.subscription, member.assignment) == (b"S", b"AA")


def test_kinds_of_newer_group_types_are_skipped() -> None:
    assert decode_record(bytes.fromhex("0003 0001 67"), b"\x00\x00") is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", "00"),
        ("00", "00"),
        ("0001 0001", "0003"),
        (OFFSET_KEY, ""),
        (OFFSET_KEY, "0003 0000"),
        (GROUP_KEY, GROUP_V3[:-2]),
        (GROUP_KEY, f"0003 {GROUP_HEAD} 00000000000003e8 7fffffff"),
    ],
)
def test_torn_records_are_refused(key: str, value: str) -> None:
    with pytest.raises(DecodeError):
        decode_record(bytes.fromhex(key), bytes.fromhex(value))


@pytest.mark.parametrize("version", [5, 99, -1])
def test_a_value_layout_from_the_future_is_refused(version: int) -> None:
    with pytest.raises(DecodeError):
        decode_record(bytes.fromhex(OFFSET_KEY), version.to_bytes(2, signed=True) + bytes(40))
