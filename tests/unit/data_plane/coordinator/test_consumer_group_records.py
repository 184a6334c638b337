"""Records of KIP-848 groups come back as they were written, and broken ones are refused."""

import random
from uuid import UUID

import pytest

from data_plane.coordinator.consumer_group_records import (
    Assignment,
    Classic,
    ConsumerGroupRecord,
    Current,
    FormerTopics,
    GroupEpoch,
    Kind,
    MemberState,
    MemberSubscription,
    RegexTopics,
    Removed,
    Target,
    TargetEpoch,
    decode_record,
    encode_record,
)
from data_plane.protocol.schema import DecodeError


def partitions(rng: random.Random) -> Assignment:
    return frozenset(
        (UUID(int=rng.randrange(3)), rng.randrange(9)) for _ in range(rng.randrange(6))
    )


def records(rng: random.Random) -> list[ConsumerGroupRecord]:
    classic = Classic(45_000, (("range", b"xy"), ("cooperative-sticky", b"")))
    return [
        GroupEpoch("g", 5),
        GroupEpoch("g", 5, -77),
        FormerTopics("g"),
        MemberSubscription("g", "m", None, None, "c", "h", ("a",), None, 7, None, classic),
        MemberSubscription("g", "m", None, None, "c", "h", ("a", "b"), None, -1, None),
        MemberSubscription("g", "é", "i", "r", "", "", (), "^a.*", 1000, "uniform"),
        TargetEpoch("g", 5),
        Target("g", "m", partitions(rng)),
        Current("g", "m", 5, 4, rng.choice(list(MemberState)), partitions(rng), partitions(rng)),
        Current("g", "m", -2, 7),
        Current(
            "g", "m", 9, 7, assigned=frozenset({(UUID(int=1), 3)}), since={(UUID(int=1), 3): 4}
        ),
        RegexTopics("g", "^a.*", ("a", "ab"), 77, 123_456),
        *(Removed(kind, "g", "m") for kind in (Kind.MEMBER, Kind.TARGET, Kind.CURRENT, Kind.REGEX)),
        *(Removed(kind, "g") for kind in (Kind.GROUP, Kind.TOPICS, Kind.TARGET_EPOCH)),
    ]


@pytest.mark.parametrize("seed", range(10))
def test_what_is_written_is_read(seed: int) -> None:
    for record in records(random.Random(seed)):
        assert decode_record(*encode_record(record)) == record


def test_bytes_are_kafkas() -> None:
    """Kinds and layouts after Kafka's schema files: keys of fixed strings, values flexible."""
    key, value = encode_record(GroupEpoch("grp", 7))
    assert key == bytes.fromhex("0003 0003") + b"grp"
    assert value == bytes.fromhex("0000 00000007 00")
    at = Current("g", "m", 2, 1, MemberState.UNREVOKED, frozenset({(UUID(int=1), 3)}), frozenset())
    key, value = encode_record(at)
    assert key == bytes.fromhex("0008 0001 67 0001 6d")
    assert value == bytes.fromhex(
        "0000 00000002 00000001 01 02 00000000000000000000000000000001 02 00000003"
        "01 00 05 02 00000002 01 00"
    )


def test_bytes_are_those_of_kafkas_own_serializer() -> None:
    """As kafka-group-coordinator 4.3.0 writes them, tagged fields and nullable struct included."""
    classic = Classic(45_000, (("range", b"xy"),))
    member = MemberSubscription("g", "m", None, None, "c", "h", ("a",), None, 1000, None, classic)
    assert encode_record(member)[1] == bytes.fromhex(
        "0000 00 00 02 63 02 68 02 02 61 00 000003e8 00"
        "01 00 11 01 0000afc8 02 06 72616e6765 03 7879 00 00"
    )
    assert encode_record(GroupEpoch("g", 7, -5))[1] == bytes.fromhex(
        "0000 00000007 01 00 08 fffffffffffffffb"
    )
    found = RegexTopics("g", "^a.*", ("a", "ab"), 77, 123_456)
    assert encode_record(found) == (
        bytes.fromhex("0010 0001 67 0004 5e612e2a"),
        bytes.fromhex("0000 03 02 61 03 6162 000000000000004d 000000000001e240 00"),
    )
    # Before 4.3 nothing said since which epoch a partition is the member's (KIP-1251).
    key, _ = encode_record(Current("g", "m", 2, 1))
    value = bytes.fromhex(
        "0000 00000002 00000001 01 02 00000000000000000000000000000001 02 00000003 00 01 00"
    )
    owned = frozenset({(UUID(int=1), 3)})
    assert decode_record(key, value) == Current("g", "m", 2, 1, MemberState.UNREVOKED, owned)


def test_broken_and_newer_records_are_refused() -> None:
    for record in records(random.Random(1)):
        key, value = encode_record(record)
        if value is None:
            continue
        for cut in range(len(value)):
            with pytest.raises(DecodeError):
                decode_record(key, value[:cut])
        with pytest.raises(DecodeError, match="newer"):
            decode_record(key, b"\0\1" + value[2:])
    key, value = encode_record(Current("g", "m", 1, 0))
    assert value is not None
    with pytest.raises(DecodeError, match="state"):
        decode_record(key, value[:10] + b"\x63" + value[11:])


def test_other_kinds_are_none_of_ours() -> None:
    for kind in (0, 2, 9, 15, 17, 100):
        assert decode_record(kind.to_bytes(2, "big") + b"\0\1g", b"whatever") is None
