"""A topic's configs, as Kafka writes them, become a log's settings."""

import pytest

from data_plane.log.log_config import LogConfig, log_config_from_topic


def test_no_config_gives_kafkas_defaults() -> None:
    assert log_config_from_topic({}) == LogConfig()


def test_every_key_is_read_and_others_are_ignored() -> None:
    config = log_config_from_topic(
        {
            "segment.bytes": "1", "segment.ms": "2", "index.interval.bytes": "3",
            "segment.index.bytes": "4", "retention.bytes": "5", "retention.ms": "6",
            "max.message.bytes": "7", "message.timestamp.type": "LogAppendTime",
            "message.timestamp.before.max.ms": "8", "message.timestamp.after.max.ms": "9",
            "cleanup.policy": "compact", "producer.id.expiration.ms": "10",
            "flush.ms": "11", "min.isr": "x",
        }
    )  # fmt: skip
    assert config == LogConfig(1, 2, 3, 4, 5, 6, 7, True, 8, 9, True, False, 10, flush_ms=11)


@pytest.mark.parametrize(
    ("policy", "is_compacted", "is_deleted"),
    [("delete", False, True), ("compact", True, False), ("compact,delete", True, True),
     ("delete, compact", True, True), ("", False, False)],
)  # fmt: skip
def test_cleanup_policies(policy: str, is_compacted: bool, is_deleted: bool) -> None:
    config = log_config_from_topic({"cleanup.policy": policy})
    assert (config.is_compacted, config.is_deleted) == (is_compacted, is_deleted)


def test_defaults_may_be_a_brokers_own() -> None:
    mine = LogConfig(segment_bytes=5, is_compacted=True, is_deleted=False, is_log_append_time=True)
    assert log_config_from_topic({}, mine) == mine
