"""The catalogue: nothing missing that tools ask for, every default valid, every bad value told."""

import pytest

from data_plane.log.log_config import LogConfig, log_config_from_topic
from data_plane.metadata.config_keys import ConfigKey, ConfigSource, ConfigType
from data_plane.metadata.configs import BROKER_CONFIGS, TOPIC_CONFIGS
from data_plane.protocol.errors import InvalidConfig
from tests.unit.data_plane.metadata.worlds import cluster, scope_of

GOLDEN_TOPIC_DEFAULTS = {
    "ack.durability": "safe",  # Ours; the others are Kafka's.
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "delete.retention.ms": "86400000",
    "file.delete.delay.ms": "60000",
    "flush.messages": "9223372036854775807",
    "flush.ms": "1000",
    "index.interval.bytes": "4096",
    "max.compaction.lag.ms": "9223372036854775807",
    "max.message.bytes": "1048588",
    "message.timestamp.after.max.ms": "3600000",
    "message.timestamp.before.max.ms": "9223372036854775807",
    "message.timestamp.type": "CreateTime",
    "min.cleanable.dirty.ratio": "0.5",
    "min.compaction.lag.ms": "0",
    "min.insync.replicas": "1",
    "preallocate": "false",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.bytes": "1073741824",
    "segment.index.bytes": "10485760",
    "segment.jitter.ms": "0",
    "segment.ms": "604800000",
    "unclean.leader.election.enable": "false",
}


def test_topic_keys_and_defaults_are_the_published_ones() -> None:
    assert {key.name: key.default for key in TOPIC_CONFIGS.values()} == GOLDEN_TOPIC_DEFAULTS


def test_every_topic_key_has_a_broker_key_of_the_same_type_for_its_default() -> None:
    for key in TOPIC_CONFIGS.values():
        assert key.broker_key is not None
        assert BROKER_CONFIGS[key.broker_key].type is key.type
        assert BROKER_CONFIGS[key.broker_key].default == key.default


@pytest.mark.parametrize("key", [*TOPIC_CONFIGS.values(), *BROKER_CONFIGS.values()])
def test_every_default_is_valid_and_every_key_explained(key: ConfigKey) -> None:
    assert key.about
    if key.default is not None:
        key.parse(key.default)


def test_defaults_are_what_a_log_does_without_configs() -> None:
    values = scope_of(cluster()).topic_values({})
    assert log_config_from_topic(values) == LogConfig()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("retention.ms", ""),
        ("retention.ms", "1.5"),
        ("retention.ms", "1_000"),
        ("retention.ms", "٣"),
        ("retention.ms", "--1"),
        ("retention.ms", "9223372036854775808"),
        ("retention.ms", "9" * 5000),
        ("segment.bytes", "2147483648"),
        ("segment.bytes", "1"),
        ("preallocate", "yes"),
        ("min.cleanable.dirty.ratio", "1.1"),
        ("min.cleanable.dirty.ratio", "nan"),
        ("min.cleanable.dirty.ratio", "much"),
        ("cleanup.policy", "delete,delete"),
        ("compression.type", "brotli"),
        ("message.timestamp.type", "createtime"),
        ("min.insync.replicas", "0"),
    ],
)
def test_bad_values_name_the_key(name: str, text: str) -> None:
    with pytest.raises(InvalidConfig, match=name):
        TOPIC_CONFIGS[name].parse(text)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("retention.ms", " 7 ", 7),
        ("preallocate", "TRUE", True),
        ("cleanup.policy", " compact , delete", ("compact", "delete")),
        ("cleanup.policy", "", ()),  # KIP-1161: kept for ever.
        ("min.cleanable.dirty.ratio", "0.25", 0.25),
    ],
)
def test_good_values_are_read_as_kafka_reads_them(name: str, text: str, value: object) -> None:
    assert TOPIC_CONFIGS[name].parse(text) == value


def test_a_refused_secret_is_not_repeated() -> None:
    key = ConfigKey(
        "a.password", ConfigType.PASSWORD, None, "", TOPIC_CONFIGS["compression.type"].limit
    )
    with pytest.raises(InvalidConfig) as told:
        key.parse("hunter2")
    assert "hunter2" not in told.value.message


def test_item_83_rows_hold_every_key_with_value_source_and_synonyms() -> None:
    scope = scope_of(cluster(), {"log.retention.ms": "40"})
    rows = {row.key.name: row for row in scope.topic_rows({"retention.ms": "5"})}
    assert rows.keys() == TOPIC_CONFIGS.keys()
    told = [(each.name, each.value, each.source) for each in rows["retention.ms"].candidates]
    assert told == [
        ("retention.ms", "5", ConfigSource.TOPIC),
        ("log.retention.ms", "40", ConfigSource.STATIC_BROKER),
        ("log.retention.ms", "604800000", ConfigSource.DEFAULT),
    ]
