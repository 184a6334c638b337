"""CreateTopics and DeleteTopics: every refusal with its code, and what a birth writes (item 80)."""

from uuid import UUID

import pytest

from data_plane.metadata.partitions import PARTITIONS_PER_REQUEST_MAX
from data_plane.metadata.records import CommitMode, ConfigRecord, PartitionRecord, TopicRecord
from data_plane.metadata.topics import decide_delete_topics
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequestAssignment,
    CreateTopicsRequestTopic,
)
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequestTopic
from data_plane.protocol.schema import NO_ID
from tests.unit.data_plane.metadata.worlds import (
    after,
    broker,
    cluster,
    codes,
    create,
    refusal,
    topic,
    with_topics,
)


def manual(
    *replicas: tuple[int, ...],
    first: int = 0,
    num_partitions: int = -1,
    replication_factor: int = -1,
) -> CreateTopicsRequestTopic:
    assignments = [
        CreateTopicsRequestAssignment(first + index, ids) for index, ids in enumerate(replicas)
    ]
    return CreateTopicsRequestTopic("flights", num_partitions, replication_factor, assignments)


@pytest.mark.semantics("80f")
@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a b", "a\n", "ä", "a" * 250, "a\0", "a:b", "../etc"]
)
def test_item_80_illegal_names(name: str) -> None:
    decision = create(cluster(), topic(name))
    assert codes(decision.response) == [ErrorCode.INVALID_TOPIC_EXCEPTION]
    assert not decision.records


@pytest.mark.parametrize("name", ["a", "A-z_0.9", "a" * 249, "...", "_", "-"])
def test_item_80_legal_names(name: str) -> None:
    assert codes(create(cluster(), topic(name)).response) == [0]


@pytest.mark.semantics("80f")
def test_item_80_names_that_differ_in_dot_and_underscore_collide() -> None:
    image = with_topics(cluster(), topic("a.b"))
    decision = create(image, topic("a_b"), topic("a-b"))
    assert codes(decision.response) == [ErrorCode.INVALID_TOPIC_EXCEPTION, 0]
    assert "a.b" in (decision.response[0].error_message or "")


def test_item_80_names_of_one_request_collide_too() -> None:
    assert codes(create(cluster(), topic("a.b"), topic("a_b")).response) == [
        0,
        ErrorCode.INVALID_TOPIC_EXCEPTION,
    ]


@pytest.mark.semantics("80e", "80f")
@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (topic(replication_factor=4), ErrorCode.INVALID_REPLICATION_FACTOR),
        (topic(replication_factor=0), ErrorCode.INVALID_REPLICATION_FACTOR),
        (topic(replication_factor=-2), ErrorCode.INVALID_REPLICATION_FACTOR),
        (topic(partition_count=0), ErrorCode.INVALID_PARTITIONS),
        (topic(partition_count=-2), ErrorCode.INVALID_PARTITIONS),
        (topic(partition_count=PARTITIONS_PER_REQUEST_MAX + 1), ErrorCode.POLICY_VIOLATION),
        (topic(partition_count=2**31 - 1), ErrorCode.POLICY_VIOLATION),
        (topic("__cluster_metadata"), ErrorCode.INVALID_REQUEST),
        (topic(retention_ms="soon"), ErrorCode.INVALID_CONFIG),
        (topic(retention_ms="-2"), ErrorCode.INVALID_CONFIG),
        (topic(retention_ms=None), ErrorCode.INVALID_CONFIG),
        (topic(cleanup_policy="shred"), ErrorCode.INVALID_CONFIG),
        (topic(no_such_key="1"), ErrorCode.INVALID_CONFIG),
        (manual((1,), replication_factor=1), ErrorCode.INVALID_REQUEST),
        (manual((1,), num_partitions=1), ErrorCode.INVALID_REQUEST),
        (manual((1,), first=1), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (manual(()), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (manual((1, 1)), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (manual((7,)), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (manual((1, 2), (1,)), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (manual((3,)), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (
            CreateTopicsRequestTopic(
                "flights",
                assignments=[
                    CreateTopicsRequestAssignment(0, (1,)),
                    CreateTopicsRequestAssignment(0, (2,)),
                ],
            ),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        ),
    ],
)
def test_item_80_refusals(asked: CreateTopicsRequestTopic, code: ErrorCode) -> None:
    """Two live brokers and a fenced one; a refusal says why and writes nothing."""
    decision = create(cluster(broker(1), broker(2), broker(3, is_fenced=True)), asked)
    assert codes(decision.response) == [code]
    assert decision.response[0].error_message
    assert not decision.records


def test_item_80_replication_factor_3_on_one_broker_says_how_many_there_are() -> None:
    (row,) = create(cluster(), topic(replication_factor=3)).response
    assert row.error_code == 38
    assert "only 1 broker(s)" in (row.error_message or "")


@pytest.mark.semantics("80e")
def test_item_80_an_existing_topic_is_told() -> None:
    image = with_topics(cluster(), topic("flights"))
    decision = create(image, topic("flights"), topic("new"))
    assert codes(decision.response) == [ErrorCode.TOPIC_ALREADY_EXISTS, 0]


def test_item_80_a_name_twice_in_one_request_is_refused_once() -> None:
    decision = create(cluster(), topic("a"), topic("b"), topic("a"))
    assert [(row.name, row.error_code) for row in decision.response] == [
        ("a", ErrorCode.INVALID_REQUEST),
        ("b", 0),
    ]


def test_the_partition_limit_counts_the_whole_request() -> None:
    half = PARTITIONS_PER_REQUEST_MAX // 2 + 1
    decision = create(cluster(), topic("a", half), topic("b", half))
    assert codes(decision.response) == [0, ErrorCode.POLICY_VIOLATION]


@pytest.mark.semantics("80c")
def test_item_80_validate_only_answers_and_writes_nothing() -> None:
    decision = create(cluster(), topic("a", 3), topic("b", 0), validate_only=True)
    assert codes(decision.response) == [0, ErrorCode.INVALID_PARTITIONS]
    assert decision.response[0].num_partitions == 3
    assert decision.response[0].topic_id == NO_ID
    assert not decision.records


@pytest.mark.semantics("80h")
def test_item_80_minus_one_takes_the_brokers_defaults() -> None:
    image = cluster(broker(1), broker(2))
    (row,) = create(
        image,
        topic("a", -1, -1),
        default_partition_count=4,
        default_replication_factor=2,
    ).response
    assert (row.num_partitions, row.replication_factor) == (4, 2)


def test_item_80_a_birth_writes_topic_partitions_and_overrides() -> None:
    decision = create(cluster(), topic("flights", 2, retention_ms="5"))
    born, first, second, config = decision.records
    assert isinstance(born, TopicRecord)
    assert [type(first), type(second)] == [PartitionRecord, PartitionRecord]
    assert config == ConfigRecord(2, "flights", "retention.ms", "5")
    found = after(cluster(), decision).topics["flights"].partitions[1]
    assert (found.replicas, found.isr, found.leader) == ((1,), (1,), 1)
    assert (found.leader_epoch, found.partition_epoch) == (0, 0)
    assert found.commit_mode == CommitMode.SYNCED


@pytest.mark.semantics("80d")
def test_item_80_the_answer_tells_configs_and_where_they_come_from() -> None:
    (row,) = create(cluster(), topic("flights", retention_ms="5")).response
    assert row.configs is not None
    told = {config.name: (config.value, config.config_source) for config in row.configs}
    assert told["retention.ms"] == ("5", 1)
    assert told["segment.bytes"] == ("1073741824", 5)


def test_configs_stay_hidden_from_those_who_may_not_describe_them() -> None:
    (row,) = create(cluster(), topic("flights"), hides_configs={"flights"}).response
    assert row.error_code == 0
    assert row.topic_config_error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    assert row.configs is None


def test_refused_topics_are_answered_in_place() -> None:
    denied = {"b": refusal(ErrorCode.TOPIC_AUTHORIZATION_FAILED)}
    decision = create(cluster(), topic("a"), topic("b"), topic("c"), refused=denied)
    assert codes(decision.response) == [0, ErrorCode.TOPIC_AUTHORIZATION_FAILED, 0]


@pytest.mark.semantics("80b")
def test_manual_assignment_is_kept_and_a_fenced_replica_is_out_of_the_isr() -> None:
    image = cluster(broker(1), broker(2), broker(3, is_fenced=True))
    decision = create(image, manual((3, 2), (2, 1)))
    assert codes(decision.response) == [0]
    first, second = after(image, decision).topics["flights"].partitions
    assert (first.replicas, first.isr, first.leader) == ((3, 2), (2,), 2)
    assert (second.replicas, second.isr, second.leader) == ((2, 1), (2, 1), 2)


@pytest.mark.parametrize(
    ("nodes", "min_isr", "flush", "mode"),
    [
        (("n1", "n2", "n3"), "2", None, CommitMode.SPREAD),
        (("n1", "n2", "n3"), "1", None, CommitMode.SYNCED),
        (("n1", "n2", "n3"), "2", "1", CommitMode.SYNCED),
        (("n1", "n1", "n1"), "2", None, CommitMode.SYNCED),
        (("n1", "n2"), "2", None, CommitMode.SYNCED),
    ],
)
def test_commit_mode(nodes: tuple[str, ...], min_isr: str, flush: str | None, mode: int) -> None:
    """The table of durability.md 1."""
    brokers = [broker(index, node_id=node) for index, node in enumerate(nodes)]
    configs = {"min_insync_replicas": min_isr} | ({"flush_messages": flush} if flush else {})
    image = with_topics(cluster(*brokers), topic("t", 1, len(nodes), **configs))
    assert image.topics["t"].partitions[0].commit_mode == mode


A, B = DeleteTopicsRequestTopic("a"), DeleteTopicsRequestTopic("b")


def test_delete_by_name_and_by_id() -> None:
    image = with_topics(cluster(), topic("a"), topic("b"), topic("c"))
    by_id = DeleteTopicsRequestTopic(None, image.topics["b"].topic_id)
    decision = decide_delete_topics(image, [A, by_id])
    assert [(row.name, row.error_code) for row in decision.response] == [("a", 0), ("b", 0)]
    assert list(after(image, decision).topics) == ["c"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (DeleteTopicsRequestTopic("zz"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (DeleteTopicsRequestTopic(None, UUID(int=5)), ErrorCode.UNKNOWN_TOPIC_ID),
        (DeleteTopicsRequestTopic("a", UUID(int=5)), ErrorCode.INVALID_REQUEST),
        (DeleteTopicsRequestTopic(None, NO_ID), ErrorCode.INVALID_REQUEST),
    ],
)
def test_delete_refusals(asked: DeleteTopicsRequestTopic, code: ErrorCode) -> None:
    decision = decide_delete_topics(with_topics(cluster(), topic("a")), [asked])
    assert codes(decision.response) == [code]
    assert not decision.records


def test_a_topic_named_twice_by_name_and_id_is_not_deleted() -> None:
    image = with_topics(cluster(), topic("a"))
    again = DeleteTopicsRequestTopic(None, image.topics["a"].topic_id)
    decision = decide_delete_topics(image, [A, again])
    assert codes(decision.response) == [ErrorCode.INVALID_REQUEST] * 2
    assert not decision.records


def test_item_91_an_id_tells_no_name_to_those_who_may_not_know_it() -> None:
    image = with_topics(cluster(), topic("a"), topic("b"))
    denied = {name: refusal(ErrorCode.TOPIC_AUTHORIZATION_FAILED) for name in "ab"}
    asked = [DeleteTopicsRequestTopic(None, image.topics[name].topic_id) for name in "ab"]
    decision = decide_delete_topics(image, asked, refused=denied, hidden={"a"})
    assert [row.name for row in decision.response] == [None, "b"]
    assert codes(decision.response) == [ErrorCode.TOPIC_AUTHORIZATION_FAILED] * 2


def test_a_topic_born_again_has_another_id_and_none_of_the_old_configs() -> None:
    image = with_topics(cluster(), topic("a", retention_ms="5"))
    old_id = image.topics["a"].topic_id
    image = after(image, decide_delete_topics(image, [A]))
    decision = create(image, topic("b"), topic("a"))
    image = after(image, decision)
    assert image.topics["a"].topic_id != old_id
    assert not image.topic_configs("a")
