"""What is written depends on `ottla.version`; what was written before it is read for ever."""

from uuid import UUID

import pytest

from data_plane.metadata.codec import (
    OTTLA_VERSION,
    decode_record,
    encode_batch,
    encode_record,
)
from data_plane.metadata.records import (
    BrokerFeature,
    BrokerListener,
    BrokerRegistrationChangeRecord,
    FeatureLevelRecord,
    MetadataRecord,
    PartitionRecord,
    RegisterBrokerRecord,
    RestartKind,
)

LISTENERS = (BrokerListener("TLS", "b.test", 9092),)
BROKER = RegisterBrokerRecord(1, UUID(int=2), 3, UUID(int=4), "n", "r", LISTENERS)
PARTITION = PartitionRecord(UUID(int=9), 0, (1,), (1,), 1, 5, 7)
# As a broker of one wrote them before there were clusters.
WRITTEN_BEFORE: dict[str, MetadataRecord] = {
    "010000"  # frame 1, type 0, version 0
    "00000001" + f"{2:032x}" + f"{3:016x}" + f"{4:032x}"
    "026e02720204544c5307622e7465737400002384000000": BROKER,
    "010300"  # frame 1, type 3, version 0
     f"{9:032x}"
     "000000000200000001020000000100000001000000050000000700010000":
    PARTITION,
}  # fmt: skip


@pytest.mark.parametrize("text", WRITTEN_BEFORE)
def test_what_was_written_before_clusters_is_read(text: str) -> None:
    assert decode_record(bytes.fromhex(text)) == WRITTEN_BEFORE[text]
    assert encode_record(WRITTEN_BEFORE[text], 0).hex() == text


def test_without_the_level_nothing_new_is_written() -> None:
    """So that the broker's software can go back (durability.md 9)."""
    record = RegisterBrokerRecord(
        1,
        UUID(int=2),
        3,
        UUID(int=4),
        "n",
        "r",
        LISTENERS,
        features=(BrokerFeature("f", 0, 1),),
        restart_kind=RestartKind.POWER_LOSS,
    )
    assert [decode_record(each) for each in encode_batch([record], 0)] == [BROKER]
    assert [decode_record(each) for each in encode_batch([record], 1)] == [record]
    with pytest.raises(KeyError):
        encode_batch([BrokerRegistrationChangeRecord(1, 3, is_fenced=True)], 0)


def test_a_level_counts_from_its_record_on() -> None:
    level = FeatureLevelRecord(OTTLA_VERSION, 1)
    change = BrokerRegistrationChangeRecord(1, 3, is_fenced=True)
    entries = encode_batch([BROKER, level, change], 0)
    assert [entry[2] for entry in entries] == [0, 0, 1]
    assert [decode_record(entry) for entry in entries] == [BROKER, level, change]
