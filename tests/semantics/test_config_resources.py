"""Configs of what is neither topic nor broker: loggers (KIP-412) and consumer groups (KIP-848)."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from data_plane.broker import loggers
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsRequestConfig,
    AlterConfigsRequestResource,
)
from data_plane.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from data_plane.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsRequestResource,
)
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from data_plane.protocol.messages.incremental_alter_configs import (
    APPEND,
    DELETE,
    SET,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestConfig,
    IncrementalAlterConfigsRequestResource,
)
from data_plane.security.acls import AclOperation, ResourceType
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE, StandIn
from tests.unit.data_plane.broker.world import World

TOPIC, LOGGER, METRICS, GROUP = 2, 8, 16, 32
INTERVAL, SESSION = "consumer.heartbeat.interval.ms", "consumer.session.timeout.ms"
LOG = "data_plane.broker.dispatch"


@pytest.fixture
def levels() -> Iterator[None]:
    """Levels of loggers are the process's: put them back."""
    before = {name: logging.getLogger(name).level for name in loggers.levels() if name != "root"}
    root = logging.root.level
    yield
    logging.root.setLevel(root)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def describe(world: World, kind: int, name: str, version: int = 4) -> Any:
    resource = DescribeConfigsRequestResource(kind, name)
    request = DescribeConfigsRequest([resource], include_synonyms=version >= 1)
    (result,) = world.ask(request, version).response().results
    return result


def told(world: World, kind: int, name: str, version: int = 4) -> dict[str, Any]:
    result = describe(world, kind, name, version)
    assert result.error_code == 0, result.error_message
    return {row.name: row for row in result.configs}


def altered(world: World, *resources: tuple[int, str, str, int, str | None]) -> list[int]:
    rows = [
        IncrementalAlterConfigsRequestResource(
            kind, name, [IncrementalAlterConfigsRequestConfig(key, operation, value)]
        )
        for kind, name, key, operation, value in resources
    ]
    asked = world.ask(IncrementalAlterConfigsRequest(rows), 1)
    world.settle()
    codes = {
        (row.resource_type, row.resource_name): row.error_code for row in asked.response().responses
    }
    return [codes[kind, name] for kind, name, *_ in resources]


@pytest.mark.semantics("83e")
@pytest.mark.parametrize("version", range(5))
def test_the_loggers_of_a_broker(version: int, levels: None) -> None:
    world = World()
    logging.getLogger(LOG).setLevel(logging.ERROR)
    rows = told(world, LOGGER, "0", version)
    assert {"root", LOG} <= set(rows)
    assert (rows[LOG].value, rows[LOG].read_only, rows[LOG].is_sensitive) == ("ERROR", False, False)
    assert {row.value for row in rows.values()} <= set(loggers.LEVELS)
    if version >= 1:
        assert {row.config_source for row in rows.values()} == {6}
        assert not any(row.synonyms for row in rows.values())


@pytest.mark.semantics("83e")
def test_a_level_is_set_and_taken_back(levels: None) -> None:
    world = World()
    assert altered(world, (LOGGER, "0", LOG, SET, "DEBUG")) == [0]
    assert logging.getLogger(LOG).level == logging.DEBUG
    assert told(world, LOGGER, "0")[LOG].value == "DEBUG"
    assert altered(world, (LOGGER, "0", "root", SET, "FATAL")) == [0]
    assert altered(world, (LOGGER, "0", LOG, DELETE, None)) == [0]
    assert told(world, LOGGER, "0")[LOG].value == "FATAL", "the root's, from which it inherits"


@pytest.mark.parametrize(
    ("name", "key", "operation", "value", "code"),
    [
        ("0", "no.such.logger", SET, "INFO", ErrorCode.INVALID_CONFIG),
        ("0", LOG, SET, "LOUD", ErrorCode.INVALID_CONFIG),
        ("0", LOG, SET, None, ErrorCode.INVALID_CONFIG),
        ("0", LOG, APPEND, "INFO", ErrorCode.INVALID_REQUEST),
        ("0", "root", DELETE, None, ErrorCode.INVALID_REQUEST),
        ("7", LOG, SET, "INFO", ErrorCode.INVALID_REQUEST),
    ],
)
def test_levels_that_make_no_sense(
    levels: None, name: str, key: str, operation: int, value: str | None, code: ErrorCode
) -> None:
    before = loggers.levels()
    assert altered(World(), (LOGGER, name, key, operation, value)) == [code]
    assert loggers.levels() == before


def test_loggers_and_topics_in_one_request(levels: None) -> None:
    world = World()
    world.create_topic("t")
    assert altered(
        world,
        (LOGGER, "0", LOG, SET, "WARN"),
        (TOPIC, "t", "retention.ms", SET, "5"),
        (METRICS, "m", "interval.ms", SET, "5"),
    ) == [0, 0, ErrorCode.INVALID_REQUEST]
    assert logging.getLogger(LOG).level == logging.WARNING
    assert told(world, TOPIC, "t")["retention.ms"].value == "5"


def test_alter_configs_of_old_knows_no_loggers(levels: None) -> None:
    config = AlterConfigsRequestConfig(LOG, "INFO")
    resource = AlterConfigsRequestResource(LOGGER, "0", [config])
    asked = World().ask(AlterConfigsRequest([resource]), 1)
    assert asked.response().responses[0].error_code == ErrorCode.INVALID_REQUEST


@pytest.mark.semantics("83e")
@pytest.mark.parametrize("version", range(5))
def test_the_configs_of_a_group(version: int) -> None:
    """A group that nobody has seen has them too: they may be set before it is."""
    world = World(group_consumer_session_timeout_ms="46000")
    assert altered(world, (GROUP, "g", INTERVAL, SET, "6000")) == [0]
    rows = told(world, GROUP, "g", version)
    assert {name: row.value for name, row in rows.items()} == {INTERVAL: "6000", SESSION: "46000"}
    assert told(world, GROUP, "h", version)[INTERVAL].value == "5000"
    if version >= 1:
        assert [rows[name].config_source for name in (INTERVAL, SESSION)] == [8, 4]
        synonyms = [(one.name, one.value, one.source) for one in rows[INTERVAL].synonyms]
        assert synonyms == [
            (INTERVAL, "6000", 8),
            ("group.consumer.heartbeat.interval.ms", "5000", 5),
        ]
    assert altered(world, (GROUP, "g", INTERVAL, DELETE, None)) == [0]
    assert told(world, GROUP, "g", version)[INTERVAL].value == "5000"


@pytest.mark.parametrize(
    ("name", "key", "value", "code"),
    [
        ("g", "no.such.key", "1", ErrorCode.INVALID_CONFIG),
        ("g", SESSION, "44999", ErrorCode.INVALID_CONFIG),
        ("g", INTERVAL, "15001", ErrorCode.INVALID_CONFIG),
        ("g", INTERVAL, "soon", ErrorCode.INVALID_CONFIG),
        ("g", INTERVAL, None, ErrorCode.INVALID_REQUEST),
        ("", INTERVAL, "6000", ErrorCode.INVALID_REQUEST),
    ],
)
def test_group_configs_that_make_no_sense(
    name: str, key: str, value: str | None, code: ErrorCode
) -> None:
    assert altered(World(), (GROUP, name, key, SET, value)) == [code]


@pytest.mark.semantics("83e", "64a")
def test_what_a_group_has_set_counts_for_its_members() -> None:
    """Also for those that are there already, and after a restart."""
    world = World()
    world.create_topic("t")
    world.ask(FindCoordinatorRequest(key="g"), 3)
    world.settle()

    def beat(epoch: int) -> Any:
        more: dict[str, Any] = {}
        if epoch == 0:
            names = ["t"]
            more = {"subscribed_topic_names": names, "topic_partitions": []}
        request = ConsumerGroupHeartbeatRequest(
            "g", "m", epoch, rebalance_timeout_ms=1_000 if epoch == 0 else -1, **more
        )
        asked = world.ask(request, 1)
        world.settle()
        return asked.response()

    assert beat(0).heartbeat_interval_ms == 5_000
    altered(world, (GROUP, "g", INTERVAL, SET, "7000"), (GROUP, "h", INTERVAL, SET, "9000"))
    assert altered(world, (GROUP, "g", SESSION, SET, "60000")) == [0]
    assert beat(1).heartbeat_interval_ms == 7_000
    world.restart(lambda world: world.broker.close())
    assert beat(1).heartbeat_interval_ms == 7_000
    world.sleep(59_999)
    assert beat(1).error_code == 0
    world.sleep(60_000)
    world.settle()
    assert beat(1).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_rights_on_groups_and_loggers() -> None:
    broker = StandIn()
    resources = [DescribeConfigsRequestResource(*one) for one in ((GROUP, "g"), (LOGGER, "1"))]
    request = DescribeConfigsRequest(resources)
    change = IncrementalAlterConfigsRequestConfig(INTERVAL, SET, "6000")
    alter = IncrementalAlterConfigsRequest(
        [
            IncrementalAlterConfigsRequestResource(GROUP, "g", [change]),
            IncrementalAlterConfigsRequestResource(LOGGER, "1", []),
        ]
    )
    refused = {
        GROUP: ErrorCode.GROUP_AUTHORIZATION_FAILED,
        LOGGER: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    }

    def codes(asked: Any) -> dict[int, int]:
        rows = asked.results if hasattr(asked, "results") else asked.responses
        return {row.resource_type: row.error_code for row in rows}

    assert codes(broker.ask(request, 4, principal=ALICE)) == refused
    assert codes(broker.ask(alter, 1, principal=ALICE)) == refused
    broker.allow(AclOperation.ALTER_CONFIGS, "g", kind=ResourceType.GROUP)
    broker.allow_cluster(AclOperation.ALTER_CONFIGS)
    assert codes(broker.ask(request, 4, principal=ALICE)) == {GROUP: 0, LOGGER: 0}
    assert codes(broker.ask(alter, 1, principal=ALICE)) == {GROUP: 0, LOGGER: 0}


def test_topics_that_cannot_be_and_keys_that_are_not() -> None:
    world = World()
    world.create_topic("t")
    told_codes = [describe(world, TOPIC, name).error_code for name in ("", "a b", "no")]
    assert told_codes == [
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]
    assert altered(world, (TOPIC, "", "retention.ms", SET, "5")) == [ErrorCode.INVALID_REQUEST]
    assert altered(world, (TOPIC, "t", "no.such.key", SET, "5")) == [ErrorCode.INVALID_CONFIG]
    assert altered(world, (TOPIC, "t", "no.such.key", DELETE, None)) == [0]


@pytest.mark.parametrize("version", range(5))
def test_client_metrics_are_refused_in_words(version: int) -> None:
    result = describe(World(), METRICS, "m", version)
    assert result.error_code == ErrorCode.INVALID_REQUEST
    assert result.error_message
    assert not result.configs
