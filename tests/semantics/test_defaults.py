"""Numbers that clients take for granted are Apache Kafka's, as DescribeConfigs tells them."""

import pytest

from data_plane.broker.config import Limits
from data_plane.metadata.configs import BROKER_CONFIGS, TOPIC_CONFIGS

TOPIC = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "delete.retention.ms": "86400000",
    "index.interval.bytes": "4096",
    "max.compaction.lag.ms": "9223372036854775807",
    "max.message.bytes": "1048588",
    "message.timestamp.after.max.ms": "3600000",
    "message.timestamp.before.max.ms": "9223372036854775807",
    "message.timestamp.type": "CreateTime",
    "min.cleanable.dirty.ratio": "0.5",
    "min.compaction.lag.ms": "0",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.bytes": "1073741824",
    "segment.ms": "604800000",
    "unclean.leader.election.enable": "false",
}
BROKER = {
    "group.max.session.timeout.ms": "1800000",
    "group.min.session.timeout.ms": "6000",
    "offset.metadata.max.bytes": "4096",
    "offsets.retention.minutes": "10080",
    "producer.id.expiration.ms": "86400000",
    "socket.request.max.bytes": "104857600",
    "transaction.max.timeout.ms": "900000",
    "transactional.id.expiration.ms": "604800000",
}


@pytest.mark.parametrize(("key", "value"), TOPIC.items())
def test_topics(key: str, value: str) -> None:
    assert TOPIC_CONFIGS[key].default == value


@pytest.mark.parametrize(("key", "value"), BROKER.items())
def test_brokers(key: str, value: str) -> None:
    assert BROKER_CONFIGS[key].default == value


@pytest.mark.semantics("1b", "37f")
def test_limits() -> None:
    assert Limits().frame_bytes_max == 100 * 1024 * 1024
    assert Limits().fetch_sessions_max == 1_000
