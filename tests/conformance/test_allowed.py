"""What a client may show while brokers are killed is told narrowly: a result is never among it."""

import pytest

from tests.conformance.allowed import allowed

LEAVE = "ClientFailed: leave: kafka server: "
NOT_COORDINATOR = "Request was for a consumer group that is not coordinated by this broker"
LOADING = "The coordinator is loading and hence can't process requests for this group"


@pytest.mark.parametrize(
    ("client", "feature", "error"),
    [
        ("sarama", "beyond a session", LEAVE + NOT_COORDINATOR),
        ("sarama", "rebalance", "ClientFailed: leave: EOF"),
        ("Java", "topics", "ClientFailed: create_topic: TopicExistsException: Topic 'a' already"),
        ("kafkajs", "groups", f"ClientFailed: delete_group: KafkaJSProtocolError: {LOADING}"),
        (
            "kafka-javascript",
            "groups",
            "ClientFailed: describe_group: the program ended by SIGSEGV: ",
        ),
        ("confluent-kafka", "groups", "ClientFailed: committed: the process ended"),
        ("aiokafka", "static members", "ClientFailed: the member ended: CancelledError()"),
        (
            "sarama",
            "rebalance",
            "ClientFailed: commit: partition 2 was read and has another owner by now",
        ),
    ],
)
def test_what_a_client_says_of_a_dead_broker_is_allowed(
    client: str, feature: str, error: str
) -> None:
    assert allowed(client, feature, error)


@pytest.mark.parametrize(
    ("client", "feature", "error"),
    [
        ("sarama", "rebalance", "AssertionError: sarama read 39 of 40 records"),
        ("sarama", "rebalance", LEAVE + "The requested offset is outside the range of offsets"),
        ("sarama", "rebalance", "AssertionError: sarama read 'first 2' for 'second 2' at 0"),
        ("sarama", "none", "ClientFailed: read: EOF"),
        ("aiokafka", "static members", "ClientFailed: the member ended: TimeoutError()"),
        ("Java", "configs", "ClientFailed: alter_topic: UnknownTopicOrPartitionException: "),
        ("Java", "topics", "AssertionError: made-Java-1 is not listed: missing"),
        ("kafkajs", "none", "ClientFailed: produce: KafkaJSConnectionClosedError: Closed"),
        ("kafkajs", "rebalance", f"ClientFailed: commit: KafkaJSProtocolError: {LOADING}"),
        ("kafka-javascript", "groups", "ClientFailed: describe_group: the program ended with 1: "),
        ("kafka-javascript", "none", "ClientFailed: read: the program ended by SIGSEGV: "),
        ("franz-go", "migration", "AssertionError: the members own {'back': 2}"),
    ],
)
def test_nothing_else_is(client: str, feature: str, error: str) -> None:
    assert allowed(client, feature, error) is None
