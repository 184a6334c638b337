"""Metadata over the wire, version by version (items 80-82, 91, 92)."""

import dataclasses
from typing import Any, cast
from uuid import UUID

import pytest

from data_plane.broker.dispatch import Session, dispatch
from data_plane.broker.handlers import metadata
from data_plane.protocol.errors import ErrorCode, InvalidRequest, NotController
from data_plane.protocol.messages.metadata import (
    OPERATIONS_UNKNOWN,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
)
from data_plane.protocol.schema import NO_ID, decode
from data_plane.security.acls import AclOperation, AclPermission, PatternType
from tests.unit.data_plane.broker.handlers.admin_broker import ADMIN, ALICE, StandIn, codes_by_name

ALL = MetadataRequest(topics=None)
DESCRIBE, CREATE = AclOperation.DESCRIBE, AclOperation.CREATE


def named(*names: str, is_allowed: bool = True) -> MetadataRequest:
    return MetadataRequest([MetadataRequestTopic(name=name) for name in names], is_allowed)


@pytest.mark.semantics("82b", "82c")
@pytest.mark.parametrize("version", metadata.VERSIONS)
def test_item_82_every_version_tells_brokers_topics_and_partitions(version: int) -> None:
    broker = StandIn()
    broker.create("flights", partition_count=3)
    response = broker.ask(named("flights"), version)
    (told,) = response.brokers
    assert (told.node_id, told.host, told.port) == (1, "broker-1.test", 9001)
    (topic,) = response.topics
    assert (topic.error_code, topic.name) == (0, "flights")
    rows = sorted(topic.partitions, key=lambda row: row.partition_index)
    assert [row.partition_index for row in rows] == [0, 1, 2]
    assert {(row.error_code, row.leader_id) for row in rows} == {(0, 1)}
    assert {(*row.replica_nodes, *row.isr_nodes) for row in rows} == {(1, 1)}
    if version >= 1:
        assert response.controller_id == 1
    if version >= 2:
        assert response.cluster_id == "c1"
    if version >= 7:
        assert {row.leader_epoch for row in rows} == {0}
    if version >= 10:
        assert topic.topic_id == broker.image.topics["flights"].topic_id


@pytest.mark.semantics("10a", "10b")
def test_item_10_an_empty_list_means_all_in_v0_and_none_afterwards() -> None:
    broker = StandIn()
    broker.create("a", "b")
    assert [row.name for row in broker.ask(named(), 0).topics] == ["a", "b"]
    assert not broker.ask(named(), 1).topics
    assert [row.name for row in broker.ask(ALL, 1).topics] == ["a", "b"]


@pytest.mark.semantics("82a")
def test_item_82_brokers_are_told_as_the_listener_advertises_them() -> None:
    (told,) = StandIn().ask(ALL, 12, listener="INTERNAL").brokers
    assert (told.host, told.port) == ("10.0.0.1", 7000)


@pytest.mark.parametrize(
    ("version", "code"),
    [(5, ErrorCode.LEADER_NOT_AVAILABLE), (6, ErrorCode.LISTENER_NOT_FOUND)],
)
def test_a_listener_the_leader_lacks_is_told(version: int, code: ErrorCode) -> None:
    broker = StandIn()
    broker.create("a")
    response = broker.ask(ALL, version, listener="OTHER")
    assert not response.brokers
    (row,) = response.topics[0].partitions
    assert (row.error_code, row.leader_id) == (code, -1)


@pytest.mark.semantics("82d")
def test_item_82_an_unknown_topic_is_a_row_with_an_error() -> None:
    broker = StandIn()
    broker.create("a")
    rows = broker.ask(named("a", "zz", "b/c"), 8).topics
    assert codes_by_name(rows) == {
        "a": 0,
        "zz": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        "b/c": ErrorCode.INVALID_TOPIC_EXCEPTION,
    }


@pytest.mark.semantics("82e")
def test_item_82_by_id_from_v12() -> None:
    broker = StandIn()
    broker.create("a")
    known = MetadataRequestTopic(broker.image.topics["a"].topic_id, None)
    unknown = MetadataRequestTopic(UUID(int=5), None)
    rows = broker.ask(MetadataRequest([known, unknown]), 12).topics
    assert [(row.name, row.error_code) for row in rows] == [
        ("a", 0),
        (None, ErrorCode.UNKNOWN_TOPIC_ID),
    ]
    assert rows[1].topic_id == UUID(int=5)


@pytest.mark.parametrize("version", [10, 11])
def test_ids_before_v12_are_refused_in_each_row(version: int) -> None:
    broker = StandIn()
    request = MetadataRequest([MetadataRequestTopic(UUID(int=5), "a")])
    with pytest.raises(InvalidRequest) as told:
        broker.ask(request, version)
    (row,) = metadata.error_response(request, told.value).topics
    assert row.error_code == ErrorCode.INVALID_REQUEST


def test_the_top_of_version_13_tells_no_error_of_a_row() -> None:
    """Clients that find REBOOTSTRAP_REQUIRED there begin anew; anything else fails the whole."""
    broker = StandIn()
    broker.create("there")
    response = broker.ask(named("there", "gone", is_allowed=False), 13)
    assert response.error_code == ErrorCode.NONE
    assert codes_by_name(response.topics) == {
        "there": ErrorCode.NONE,
        "gone": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    }
    whole = metadata.error_response(ALL, InvalidRequest())
    assert whole.error_code == ErrorCode.INVALID_REQUEST, "no row could tell it"


def test_a_topic_asked_for_twice_is_answered_once() -> None:
    broker = StandIn()
    broker.create("a")
    assert [row.name for row in broker.ask(named("a", "a"), 9).topics] == ["a"]


@pytest.mark.semantics("91a")
def test_item_91_all_topics_hides_those_that_may_not_be_described() -> None:
    broker = StandIn()
    broker.create("mine", "theirs")
    broker.allow(DESCRIBE, "mine")
    assert codes_by_name(broker.ask(ALL, 12, principal=ALICE).topics) == {"mine": 0}


@pytest.mark.semantics("91b")
def test_item_91_a_named_topic_answers_29_whether_it_exists_or_not() -> None:
    broker = StandIn(auto_create_topics=True)
    broker.create("theirs")
    rows = broker.ask(named("theirs", "absent"), 12, principal=ALICE).topics
    assert codes_by_name(rows) == dict.fromkeys(
        ("theirs", "absent"), ErrorCode.TOPIC_AUTHORIZATION_FAILED
    )
    assert {row.topic_id for row in rows} == {NO_ID}
    assert broker.image.topic("absent") is None


def test_item_91_an_id_that_may_not_be_described_tells_no_name() -> None:
    broker = StandIn()
    broker.create("theirs")
    asked = MetadataRequestTopic(broker.image.topics["theirs"].topic_id, None)
    (row,) = broker.ask(MetadataRequest([asked]), 12, principal=ALICE).topics
    assert (row.error_code, row.name) == (ErrorCode.TOPIC_AUTHORIZATION_FAILED, None)


@pytest.mark.semantics("92a")
def test_item_92_operations_only_when_asked() -> None:
    broker = StandIn()
    broker.create("a")
    broker.allow(AclOperation.READ, "a")
    silent = broker.ask(named("a"), 8, principal=ALICE)
    assert silent.topics[0].topic_authorized_operations == OPERATIONS_UNKNOWN == -2147483648
    assert silent.cluster_authorized_operations == OPERATIONS_UNKNOWN
    asked = MetadataRequest(
        [MetadataRequestTopic(name="a")],
        include_cluster_authorized_operations=True,
        include_topic_authorized_operations=True,
    )
    told = broker.ask(asked, 8, principal=ALICE)
    assert told.topics[0].topic_authorized_operations == 1 << AclOperation.READ | 1 << DESCRIBE
    assert told.cluster_authorized_operations == 0
    broker.allow_cluster(DESCRIBE)
    assert broker.ask(asked, 8, principal=ALICE).cluster_authorized_operations == 1 << DESCRIBE


@pytest.mark.semantics("81b")
@pytest.mark.parametrize("version", [0, 3, 4, 12])
def test_item_81_auto_creation_answers_with_the_topic(version: int) -> None:
    broker = StandIn(auto_create_topics=True, default_partitions=4)
    (row,) = broker.ask(named("new"), version).topics
    assert row.error_code == 0
    assert len(row.partitions) == 4
    topic = broker.image.topics["new"]
    assert len(topic.partitions) == 4
    if version >= 10:
        assert row.topic_id == topic.topic_id


@pytest.mark.semantics("81a")
def test_item_81_auto_creation_takes_the_setting_and_from_v4_the_flag() -> None:
    closed = StandIn()
    (row,) = closed.ask(named("new"), 3).topics
    assert row.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    broker = StandIn(auto_create_topics=True)
    (row,) = broker.ask(named("new", is_allowed=False), 4).topics
    assert row.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert broker.image.topic("new") is None


@pytest.mark.semantics("81c")
def test_item_81_auto_creation_needs_create_on_topic_or_cluster() -> None:
    broker = StandIn(auto_create_topics=True)
    broker.allow(DESCRIBE, "*")
    (row,) = broker.ask(named("one"), 9, principal=ALICE).topics
    assert row.error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    broker.allow(CREATE, "o", pattern=PatternType.PREFIXED)
    assert codes_by_name(broker.ask(named("one"), 9, principal=ALICE).topics) == {"one": 0}
    broker.allow_cluster(CREATE)
    assert codes_by_name(broker.ask(named("two"), 9, principal=ALICE).topics) == {"two": 0}
    broker.allow(DESCRIBE, "three", permission=AclPermission.DENY)
    (row,) = broker.ask(named("three"), 9, principal=ALICE).topics
    assert row.error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED


def test_item_81_what_cannot_be_created_says_why() -> None:
    broker = StandIn(auto_create_topics=True, static_configs={"default.replication.factor": "3"})
    rows = broker.ask(named("a", "b/c", "__consumer_offsets"), 9).topics
    assert codes_by_name(rows) == {
        "a": ErrorCode.INVALID_REPLICATION_FACTOR,
        "b/c": ErrorCode.INVALID_TOPIC_EXCEPTION,
        "__consumer_offsets": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    }


@pytest.mark.semantics("81b")
def test_item_81_without_a_leader_of_the_quorum_clients_are_asked_to_come_back() -> None:
    broker = StandIn(auto_create_topics=True)
    broker.controller.step_down()
    (row,) = broker.ask(named("new"), 9).topics
    assert row.error_code == ErrorCode.LEADER_NOT_AVAILABLE
    refused = metadata.error_response(named("new"), NotController())
    assert refused.error_code == ErrorCode.LEADER_NOT_AVAILABLE, "v13 has a place for it"
    (row,) = refused.topics
    assert row.error_code == ErrorCode.LEADER_NOT_AVAILABLE


@pytest.mark.semantics("75c", "82c")
def test_a_fenced_leader_is_no_leader_and_its_replica_is_offline() -> None:
    broker = StandIn()
    broker.create("a")
    broker.write(dataclasses.replace(broker.image.brokers[1], is_fenced=True))
    response = broker.ask(named("a"), 9)
    assert [row.node_id for row in response.brokers] == [1], "it answers, so it is there"
    (row,) = response.topics[0].partitions
    assert (row.error_code, row.leader_id) == (ErrorCode.LEADER_NOT_AVAILABLE, -1)
    assert list(row.offline_replicas) == [1]


def test_the_three_unused_bytes_of_librdkafka_are_ignored() -> None:
    """The body it sends for all topics in v12: a null array, then its count's unused bytes."""
    broker = StandIn()
    broker.create("a")
    header = bytes.fromhex("0003000c0000000700016300")  # key 3, v12, correlation 7, client "c"
    frame = memoryview(header + bytes.fromhex("00000000010000"))
    session = Session(listener="TLS", principal=ADMIN, client_host="10.0.0.9")
    reply = dispatch(cast("Any", broker), session, frame, 1_000)
    assert reply is not None
    body = b"".join(map(bytes, reply.take()))
    assert body.startswith(bytes.fromhex("0000000700"))
    response = decode(MetadataResponse, 12, body, 5)
    assert [row.name for row in response.topics] == ["a"]
