"""What a client may show while brokers are killed: what it would show on Apache Kafka as well.

Such a failure is an error that the client itself reports, or its own behaviour; the scenario is
tried again and the table says so. Everything else is a defect of ours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Allowed:
    """client, feature, error: patterns that match from the beginning."""

    client: str
    feature: str
    error: str
    reason: str


ADMIN: Final = "topics|add partitions|configs|groups|ACLs|offsets by time|delete records"
ALLOWED: Final[Sequence[Allowed]] = (
    Allowed(
        "confluent-kafka|kafka-javascript",
        ADMIN,
        r"\w+: .*(Failed while waiting for response from broker|Broker transport failure)",
        "librdkafka's admin client does not ask again what was under way when its broker died",
    ),
    Allowed(
        "kafka-python",
        ADMIN,
        r"(KafkaConnectionError|NodeNotReadyError|UnknownBrokerIdError)",
        "its admin client asks one broker, once",
    ),
    Allowed(
        "kafka-python",
        "transactions|exactly once",
        r"(KafkaTimeoutError: .*Timeout expired while initializing transactional state"
        r"|ClientFailed: a transaction did not end within)",
        "its sender drops a request for a coordinator that refuses the connection: only where it "
        "knows of none does it ask again (producer/sender.py, _maybe_send_pending_request)",
    ),
    Allowed(
        "aiokafka",
        ADMIN,
        r"(KafkaConnectionError|NodeNotReadyError)",
        "its admin client asks one broker, once",
    ),
    Allowed(
        "aiokafka",
        "",
        r"ClientFailed: the member ended: CancelledError\(\)",
        "closing a consumer while a fetch waits after a failure, it raises the cancellation of its "
        "own task (consumer/fetcher.py, close and _proc_fetch_request)",
    ),
    Allowed(
        "kafkajs",
        f"{ADMIN}|transactions|exactly once",
        r"ClientFailed: \w+: KafkaJSConnection\w*Error: ",
        "its admin client and its transactions do not ask again when a connection breaks",
    ),
    Allowed(
        "Java|franz-go",
        "topics|add partitions|groups",
        r"ClientFailed: (create_topic: (TopicExistsException|TOPIC_ALREADY_EXISTS)"
        r"|delete_topic: (UnknownTopicOrPartitionException|UNKNOWN_TOPIC_OR_PARTITION)"
        r"|add_partitions: (InvalidPartitionsException|INVALID_PARTITIONS)"
        r"|delete_group: (GroupIdNotFoundException|GROUP_ID_NOT_FOUND))",
        "its admin client asks again where the answer was lost with the broker, and is refused "
        "what it has done",
    ),
    Allowed(
        "kafkajs",
        ADMIN,
        r"ClientFailed: \w+: KafkaJSProtocolError: "
        r"(The coordinator is loading|This is not the correct coordinator)",
        "its admin client asks a coordinator once, though it calls these errors retriable",
    ),
    Allowed(
        "kafka-javascript",
        "groups",
        r"ClientFailed: describe_group: the program ended by SIGSEGV",
        "it ends the program where the answer about a group is an error: it reads the name of "
        "the assignor then, which is null (src/common.cc, FromConsumerGroupDescription)",
    ),
    Allowed(
        "confluent-kafka|kafka-javascript",
        "groups",
        r"ClientFailed: committed: the (process ended|program ended by SIGSEGV)",
        "librdkafka's admin client reads a null pointer where it asks for a group's offsets who is "
        "no longer its coordinator (confluentinc/librdkafka, issue 5040)",
    ),
    Allowed(
        "kafkajs",
        "transactions|exactly once",
        r"ClientFailed: \w+: KafkaJSGroupCoordinatorNotFound: ",
        "it asks each broker for a coordinator, nine seconds long, and then gives up",
    ),
    Allowed(
        "kafkajs",
        "SCRAM|beyond a session",
        r"ClientFailed: \w+: KafkaJS\w+: SASL SCRAM \w+ authentication failed: "
        r"(Closed connection|Connection error)",
        "it takes a broker that dies during its handshake for a refusal, and does not ask again",
    ),
    Allowed(
        "sarama",
        ADMIN,
        r"ClientFailed: \w+: (dial tcp|EOF|read tcp|write tcp)",
        "its admin client asks each broker that it was told of, once",
    ),
    Allowed(
        "sarama",
        "rebalance",
        r"ClientFailed: commit: partition \d+ was read and has another owner by now",
        "its session ended between a read and the commit, and the next one owns other partitions: "
        "it can commit only what it owns, and the records come again",
    ),
    Allowed(
        "sarama",
        "",
        r"ClientFailed: leave: (kafka: error while consuming \S+: )?"
        r"(dial tcp|EOF|read tcp|write tcp|kafka server: (Request was for a consumer group that "
        r"is not coordinated by this broker|The coordinator is (still loading|not available)))",
        "closing a member, it tells one coordinator once, and says so if that is one no longer",
    ),
)


def allowed(client: str, feature: str, error: str) -> str | None:
    """Why this failure is no defect; None if it is one."""
    for one in ALLOWED:
        if (
            re.match(one.client, client)
            and re.match(one.feature, feature)
            and re.match(one.error, error)
        ):
            return one.reason
    return None
