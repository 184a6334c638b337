"""compression.type recompresses at the broker; producer keeps what came (item 19), and item 17."""

import crc32c
import pytest

from data_plane.log.log_config import LogConfig, log_config_from_topic
from data_plane.protocol.errors import InvalidRecord, MessageTooLarge
from data_plane.protocol.records.batch import BATCH_HEADER_BYTES, check_crc, read_header
from data_plane.protocol.records.record import decode_records
from tests.factories.record_batches import (
    NOW_MS,
    append,
    client_batch,
    memory_files,
    new_log,
    read_all,
)

NAMES = ("uncompressed", "gzip", "snappy", "lz4", "zstd")


@pytest.mark.semantics("19b")
@pytest.mark.parametrize("kept", range(5))
@pytest.mark.parametrize("sent", range(5))
def test_19_the_topic_s_codec_wins(sent: int, kept: int) -> None:
    log = new_log(memory_files(), log_config_from_topic({"compression.type": NAMES[kept]}))
    values = [b"value %d" % at * 20 for at in range(5)]
    append(log, client_batch(values, compression=sent, producer_id=3, producer_epoch=0, sequence=0))
    (batch,) = read_all(log)
    header = read_header(batch)
    check_crc(batch, 0, header)
    assert (header.compression, header.records_count, header.base_sequence) == (kept, 5, 0)
    records = decode_records(header, memoryview(batch)[BATCH_HEADER_BYTES:])
    assert [record.value for record in records] == values
    again = client_batch(values, compression=sent, producer_id=3, producer_epoch=0, sequence=0)
    assert log.stage(again, leader_epoch=0, now_ms=NOW_MS).is_duplicate


@pytest.mark.semantics("19a")
@pytest.mark.parametrize("sent", range(5))
def test_19_producer_keeps_the_batch_as_it_came(sent: int) -> None:
    log = new_log(memory_files(), log_config_from_topic({"compression.type": "producer"}))
    batch = client_batch([b"x" * 100], compression=sent)
    before = bytes(batch[21:])
    append(log, batch)
    assert read_all(log)[0][21:] == before


def test_17_19_append_time_is_stamped_on_the_recompressed_batch() -> None:
    config = LogConfig(compression=4, is_log_append_time=True)
    log = new_log(memory_files(), config)
    append(log, client_batch([b"x" * 100], timestamps_ms=[5]), now_ms=NOW_MS + 9)
    (batch,) = read_all(log)
    header = read_header(batch)
    check_crc(batch, 0, header)
    assert (header.timestamp_type, header.max_timestamp) == (1, NOW_MS + 9)


def test_19_what_is_too_large_once_recompressed_is_refused() -> None:
    log = new_log(memory_files(), LogConfig(compression=0, message_bytes_max=1000))
    batch = client_batch([b"x" * 5000], compression=4)
    assert len(batch) < 1000
    with pytest.raises(MessageTooLarge):
        append(log, batch)
    assert append(log, client_batch()) == [0]


def test_19_records_that_are_no_records_are_refused() -> None:
    log = new_log(memory_files(), LogConfig(compression=4))
    batch = client_batch([b"x" * 100])
    batch[BATCH_HEADER_BYTES] ^= 0x7F
    batch[17:21] = crc32c.crc32c(batch[21:]).to_bytes(4, "big")
    with pytest.raises(InvalidRecord):
        append(log, batch)


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(ValueError, match="brotli"):
        log_config_from_topic({"compression.type": "brotli"})
