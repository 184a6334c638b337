"""Static settings: only those that are known, valid and obeyed."""

import dataclasses
from pathlib import Path

import pytest

from data_plane.broker.config import BrokerConfig, ListenerConfig
from data_plane.broker.static_configs import FIELDS, check_static_configs, static_configs
from data_plane.metadata.configs import BROKER_CONFIGS
from data_plane.metadata.records import BrokerListener
from data_plane.protocol.errors import InvalidConfig
from tests.unit.data_plane.metadata.worlds import broker


@pytest.mark.parametrize(
    "static",
    [{"no.such.key": "1"}, {"num.partitions": "0"}, {"broker.id": "1"}, {"super.users": "User:a"}],
)
def test_settings_that_would_not_be_obeyed_are_refused(static: dict[str, str]) -> None:
    check_static_configs({"num.partitions": "8", "log.retention.ms": "-1"})
    with pytest.raises(InvalidConfig, match=next(iter(static))):
        check_static_configs(static)


def test_every_field_is_a_known_key() -> None:
    assert BROKER_CONFIGS.keys() >= FIELDS


def test_what_is_set_is_told_and_known() -> None:
    config = BrokerConfig(
        data_dir=Path("/data"),
        broker_id=1,
        rack="a",
        listeners=(ListenerConfig("TLS", bind="::1"),),
        static_configs={"num.partitions": "8"},
    )
    known = broker(1)
    internal = BrokerListener("INTERNAL", "unix:/run/i1", 0)
    known = dataclasses.replace(known, listeners=(*known.listeners, internal))
    told = static_configs(config, known)
    assert BROKER_CONFIGS.keys() >= told.keys()
    assert told["num.partitions"] == "8"
    assert told["listeners"] == "TLS://[::1]:0"
    assert told["advertised.listeners"] == "TLS://broker-1.test:9001"
    assert told["broker.rack"] == "a"
