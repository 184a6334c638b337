"""A librdkafka client made from an add-on's config vars alone, host names verified."""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from control_plane.cli.command import Cli
from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ExitCode
from control_plane.cli.platform import Json

WRITE_SECONDS_MAX = 30.0
METADATA_SECONDS_MAX = 10.0


class KafkaFailure(Exception):
    """The brokers refused or did not answer; the message says which."""

    code = ExitCode.FAILED
    identifier = "kafka_error"

    def as_cli_error(self) -> CliError:
        return CliError(str(self), code=self.code, identifier=self.identifier)


class NoSuchPlace(KafkaFailure):
    """A topic or partition that is not there."""

    code = ExitCode.NOT_FOUND
    identifier = "not_found"


def failure_from(error: Any, topic: str) -> KafkaFailure:
    """Translate librdkafka's KafkaError, on a client of `topic`."""
    from confluent_kafka import KafkaError

    match error.code():
        case KafkaError.UNKNOWN_TOPIC_OR_PART | KafkaError._UNKNOWN_TOPIC:
            return NoSuchPlace(f"there is no topic {topic}")
        case KafkaError._UNKNOWN_PARTITION:
            return NoSuchPlace(f"topic {topic} has no such partition")
        case _:
            return KafkaFailure(error.str())


def client_settings(cli: Cli, addon: Json) -> dict[str, Any]:
    """librdkafka settings for an add-on, from the config vars its app would read."""
    attachments = cli.platform.list_all(f"/addons/{addon['id']}/addon-attachments")
    if not attachments:
        raise CliError(f"{addon['name']} is attached to no app", code=ExitCode.NOT_FOUND)
    config_vars = cli.platform.get(f"/apps/{attachments[0]['app']['name']}/config-vars")
    return settings_from_config_vars(config_vars, attachments[0]["name"])


def settings_from_config_vars(config_vars: dict[str, str], prefix: str = "KAFKA") -> dict[str, Any]:
    """The five lines any app needs; certificates stay in memory. Raises CliError if absent."""
    try:
        return {
            "bootstrap.servers": config_vars[f"{prefix}_URL"].replace("kafka+ssl://", ""),
            "security.protocol": "ssl",
            "ssl.ca.pem": config_vars[f"{prefix}_TRUSTED_CERT"],
            "ssl.certificate.pem": config_vars[f"{prefix}_CLIENT_CERT"],
            "ssl.key.pem": config_vars[f"{prefix}_CLIENT_CERT_KEY"],
            "ssl.endpoint.identification.algorithm": "https",
        }
    except KeyError as missing:
        raise CliError(
            f"config var {missing.args[0]} is not set yet: ottla kafka:wait",
            code=ExitCode.NOT_FOUND,
        ) from None


def read_records(
    settings: dict[str, Any],
    topic: str,
    from_beginning: bool,
    count_max: int | None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Iterator[dict[str, Any]]:
    """Follow every partition of a topic, by assignment: a tail joins no group, commits nothing.

    is_wanted: asked whenever no record comes; the tail ends once nobody wants more.
    """
    from confluent_kafka import (
        OFFSET_BEGINNING,
        OFFSET_END,
        Consumer,
        KafkaException,
        TopicPartition,
    )

    consumer = Consumer(
        {**settings, "group.id": f"ottla-tail-{uuid.uuid4()}", "enable.auto.commit": False}
    )
    try:
        found = consumer.list_topics(topic, timeout=METADATA_SECONDS_MAX).topics[topic]
        if found.error is not None:
            raise failure_from(found.error, topic)
        start = OFFSET_BEGINNING if from_beginning else OFFSET_END
        consumer.assign([TopicPartition(topic, number, start) for number in found.partitions])
        seen = 0
        while count_max is None or seen < count_max:
            message = consumer.poll(0.5)
            if message is None:
                if not is_wanted():
                    return
                continue
            if (error := message.error()) is not None:
                raise failure_from(error, topic)
            seen += 1
            yield {
                "topic": topic,
                "partition": message.partition(),
                "offset": message.offset(),
                "timestamp_ms": message.timestamp()[1],
                "key": _text(message.key()),
                "value": _text(message.value()),
            }
    except KafkaException as problem:
        raise failure_from(problem.args[0], topic) from problem
    finally:
        consumer.close()


def write_records(
    settings: dict[str, Any],
    topic: str,
    values: Iterator[str],
    key: str | None,
    partition: int | None,
) -> list[dict[str, Any]]:
    """Produce each value, acks=all and idempotent; returns where each went, in order."""
    from confluent_kafka import KafkaError, KafkaException, Message, Producer

    written: list[dict[str, Any]] = []
    failures: list[KafkaFailure] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(failure_from(error, topic))
        else:
            written.append({"partition": message.partition(), "offset": message.offset()})

    producer = Producer({**settings, "enable.idempotence": True, "acks": "all"})
    partitioner = -1 if partition is None else partition  # -1: by key
    deadline = time.monotonic() + WRITE_SECONDS_MAX
    for value in values:
        while True:
            try:
                producer.produce(topic, value, key, partitioner, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
            except KafkaException as problem:
                raise failure_from(problem.args[0], topic) from problem
        producer.poll(0)
        deadline = time.monotonic() + WRITE_SECONDS_MAX
    if producer.flush(max(0.1, deadline - time.monotonic())):
        producer.purge()  # or librdkafka complains of what is still in its queue
        producer.flush(1)
        raise KafkaFailure(
            f"the brokers took nothing for {WRITE_SECONDS_MAX:.0f} s: they do not answer, or "
            "refuse for now, as they do when their disk is full (ottla kafka:info)"
        )
    if failures:
        raise failures[0]
    return written


def _text(payload: bytes | None) -> str | None:
    return None if payload is None else payload.decode(errors="replace")
