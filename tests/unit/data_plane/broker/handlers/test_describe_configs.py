"""DescribeConfigs over the wire: everything there is, and where it comes from (item 83)."""

from typing import Any

import pytest

from data_plane.broker.handlers import describe_configs
from data_plane.metadata.config_keys import ConfigType
from data_plane.metadata.configs import BROKER_CONFIGS, TOPIC_CONFIGS
from data_plane.metadata.records import ConfigRecord
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsRequestResource,
)
from data_plane.security.acls import AclOperation
from tests.unit.data_plane.broker.handlers.admin_broker import ADMIN, ALICE, StandIn

TOPIC, BROKER = 2, 4


def asked(
    kind: int, name: str, *keys: str, synonyms: bool = False, docs: bool = False
) -> DescribeConfigsRequest:
    resource = DescribeConfigsRequestResource(kind, name, keys or None)
    return DescribeConfigsRequest([resource], synonyms, docs)


def told(broker: StandIn, request: DescribeConfigsRequest, version: int = 4) -> dict[str, Any]:
    (result,) = broker.ask(request, version).results
    assert result.error_code == 0, result.error_message
    return {config.name: config for config in result.configs}


@pytest.mark.semantics("83a", "83b")
@pytest.mark.parametrize("version", describe_configs.VERSIONS)
def test_item_83_a_topic_tells_every_key_in_every_version(version: int) -> None:
    broker = StandIn(static_configs={"log.segment.bytes": "4096"})
    broker.create("a")
    broker.write(ConfigRecord(TOPIC, "a", "retention.ms", "5"))
    configs = told(broker, asked(TOPIC, "a"), version)
    assert configs.keys() == TOPIC_CONFIGS.keys()
    assert configs["retention.ms"].value == "5"
    assert configs["segment.bytes"].value == "4096"
    assert not any(config.read_only or config.is_sensitive for config in configs.values())
    if version == 0:
        assert not configs["retention.ms"].is_default
        assert configs["cleanup.policy"].is_default
    else:
        sources = [configs[name].config_source for name in ("retention.ms", "segment.bytes")]
        assert sources == [1, 4]
        assert configs["cleanup.policy"].config_source == 5
    if version >= 3:
        assert configs["cleanup.policy"].config_type == ConfigType.LIST


@pytest.mark.semantics("83b")
def test_item_83_synonyms_and_documentation_when_asked() -> None:
    broker = StandIn()
    broker.create("a")
    broker.write(ConfigRecord(TOPIC, "a", "retention.ms", "5"))
    plain = told(broker, asked(TOPIC, "a"))["retention.ms"]
    assert not plain.synonyms
    assert plain.documentation is None
    full = told(broker, asked(TOPIC, "a", synonyms=True, docs=True))["retention.ms"]
    assert [(each.name, each.value, each.source) for each in full.synonyms] == [
        ("retention.ms", "5", 1),
        ("log.retention.ms", "604800000", 5),
    ]
    assert full.documentation


def test_only_the_keys_asked_for() -> None:
    broker = StandIn()
    broker.create("a")
    configs = told(broker, asked(TOPIC, "a", "retention.ms", "no.such.key"))
    assert list(configs) == ["retention.ms"]


def test_an_empty_list_of_keys_asks_for_all() -> None:
    broker = StandIn()
    broker.create("a")
    resource = DescribeConfigsRequestResource(TOPIC, "a", [])
    configs = told(broker, DescribeConfigsRequest([resource]))
    assert configs.keys() == TOPIC_CONFIGS.keys()


@pytest.mark.semantics("83a", "83c", "83d")
def test_item_83_a_broker_tells_every_key_and_hides_secrets() -> None:
    broker = StandIn(
        static_configs={"ssl.keystore.key": "-----BEGIN", "group.max.size": "9"},
        default_partitions=3,
    )
    configs = told(broker, asked(BROKER, "1", synonyms=True))
    assert configs.keys() == BROKER_CONFIGS.keys()
    assert configs["broker.id"].value == "1"
    assert configs["num.partitions"].value == "3"
    assert (configs["group.max.size"].value, configs["group.max.size"].config_source) == ("9", 4)
    assert configs["super.users"].value == ADMIN
    assert configs["advertised.listeners"].value == ("TLS://broker-1.test:9001")
    assert configs["broker.id"].read_only
    assert not configs["log.retention.ms"].read_only
    secret = configs["ssl.keystore.key"]
    assert secret.is_sensitive
    assert secret.value is None
    assert {each.value for each in secret.synonyms} == {None}


@pytest.mark.semantics("83d")
def test_item_83_dynamic_values_of_broker_and_cluster() -> None:
    broker = StandIn()
    broker.write(ConfigRecord(BROKER, "", "log.retention.ms", "7"))
    broker.write(ConfigRecord(BROKER, "1", "log.segment.bytes", "8192"))
    configs = told(broker, asked(BROKER, "1"))
    assert (configs["log.retention.ms"].value, configs["log.retention.ms"].config_source) == (
        "7",
        3,
    )
    assert configs["log.segment.bytes"].config_source == 2
    wide = told(broker, asked(BROKER, ""))
    assert {name: (row.value, row.config_source) for name, row in wide.items()} == {
        "log.retention.ms": ("7", 3)
    }


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        (TOPIC, "zz", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (BROKER, "7", ErrorCode.INVALID_REQUEST),
        (BROKER, "one", ErrorCode.INVALID_REQUEST),
        (8, "7", ErrorCode.INVALID_REQUEST),
        (8, "", ErrorCode.INVALID_REQUEST),
        (16, "m", ErrorCode.INVALID_REQUEST),
        (32, "", ErrorCode.INVALID_REQUEST),
        (0, "", ErrorCode.INVALID_REQUEST),
    ],
)
def test_what_cannot_be_told(kind: int, name: str, code: ErrorCode) -> None:
    (result,) = StandIn().ask(asked(kind, name), 4).results
    assert (result.error_code, result.resource_type, result.resource_name) == (code, kind, name)
    assert result.error_message
    assert not result.configs


def test_item_91_describe_configs_is_needed_and_absence_is_not_betrayed() -> None:
    broker = StandIn()
    broker.create("a")
    requests = [asked(TOPIC, "a"), asked(TOPIC, "zz"), asked(BROKER, "1")]
    codes = [broker.ask(each, 4, principal=ALICE).results[0].error_code for each in requests]
    assert codes == [
        ErrorCode.TOPIC_AUTHORIZATION_FAILED,
        ErrorCode.TOPIC_AUTHORIZATION_FAILED,
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    ]
    broker.allow(AclOperation.ALTER_CONFIGS, "a")  # implies DESCRIBE_CONFIGS
    assert broker.ask(requests[0], 4, principal=ALICE).results[0].error_code == 0
