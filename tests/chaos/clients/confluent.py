"""librdkafka, by confluent-kafka."""

import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import confluent_kafka as ck
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tests.chaos.clients.base import (
    BACKOFF_MS,
    BACKOFF_MS_MAX,
    CLASSIC,
    DELIVERY_MS,
    NEXT,
    REQUEST_MS,
    SESSION_MS,
    TRANSACTION_MS,
    Assigned,
    ClientError,
    Consumer,
    Delivered,
    Got,
    Membership,
    Place,
    Revoked,
)

ANSWER_SECONDS_MAX = 30.0
METADATA = struct.Struct("<7si")  # "CGMDv2:" and the generation
RESULT = TypeVar("RESULT")


def shared(bootstrap: str) -> dict[str, Any]:
    return {
        "bootstrap.servers": bootstrap,
        "socket.timeout.ms": REQUEST_MS,
        "reconnect.backoff.ms": BACKOFF_MS,
        "reconnect.backoff.max.ms": BACKOFF_MS_MAX,
        "log_level": 0,
        "error_cb": lambda _error: None,  # Brokers going away is what this is about.
    }


def asked(call: Callable[..., RESULT], *arguments: Any, **options: Any) -> RESULT:
    """Call the library; its exception becomes ours."""
    try:
        return call(*arguments, **options)
    except KafkaException as error:
        told: KafkaError = error.args[0]
        raise ClientError(told.name(), is_retriable=told.retriable()) from error


class ConfluentProducer:
    """One librdkafka producer."""

    def __init__(self, bootstrap: str, transactional_id: str | None, request_ms: int) -> None:
        settings = shared(bootstrap) | {
            "acks": "all",
            "socket.timeout.ms": request_ms,
            "enable.idempotence": True,
            "linger.ms": 5,
            "retry.backoff.ms": BACKOFF_MS,
            "message.timeout.ms": DELIVERY_MS,
        }
        if transactional_id is not None:
            settings |= {
                "transactional.id": transactional_id,
                # With all brokers gone it would start anew and never again find the coordinator it
                # waits for: librdkafka 2.16 spins in the discarded broker's handle.
                "metadata.recovery.strategy": "none",
                "transaction.timeout.ms": TRANSACTION_MS,
                "message.timeout.ms": TRANSACTION_MS,
            }
        self._producer = ck.Producer(settings)

    def send(
        self, place: Place, key: bytes, value: bytes, timestamp_ms: int, done: Delivered
    ) -> None:
        def report(error: KafkaError | None, message: ck.Message) -> None:
            offset = message.offset()
            # A duplicate is acknowledged without its offset.
            is_told = error is None and offset is not None and offset != ck.OFFSET_INVALID
            done(None if error is None else error.name(), offset if is_told else None)

        try:
            self._producer.produce(
                place.topic,
                value,
                key,
                partition=place.partition,
                timestamp=timestamp_ms,
                on_delivery=report,
            )
        except KafkaException as error:
            raise ClientError(error.args[0].name()) from error
        except BufferError as error:
            raise ClientError("_QUEUE_FULL") from error

    def serve(self, seconds: float) -> None:
        self._producer.poll(seconds)

    def flush(self, seconds: float) -> None:
        self._producer.flush(seconds)

    def init_transactions(self) -> None:
        retried(self._producer.init_transactions)

    def begin(self) -> None:
        asked(self._producer.begin_transaction)

    def send_offsets(self, offsets: Mapping[Place, int], consumer: Consumer) -> None:
        assert isinstance(consumer, ConfluentConsumer)
        listed = [TopicPartition(p.topic, p.partition, offset) for p, offset in offsets.items()]
        metadata = consumer.inner.consumer_group_metadata()
        retried(self._producer.send_offsets_to_transaction, listed, metadata)

    def commit(self) -> None:
        retried(self._producer.commit_transaction)

    def abort(self) -> None:
        retried(self._producer.abort_transaction)


def retried(call: Callable[..., object], *arguments: Any) -> None:
    """Librdkafka asks to call again where an answer may still come."""
    deadline = time.monotonic() + 2 * ANSWER_SECONDS_MAX
    while True:
        try:
            asked(call, *arguments, ANSWER_SECONDS_MAX)
        except ClientError as error:
            if not error.is_retriable or time.monotonic() > deadline:
                raise
        else:
            return


class ConfluentConsumer:
    """One librdkafka consumer."""

    def __init__(self, bootstrap: str, group: str, isolation: str, protocol: str) -> None:
        self._is_incremental = protocol == NEXT
        self.inner = ck.Consumer(
            shared(bootstrap)
            | (
                {"group.protocol": NEXT}  # The broker says how often it wants to hear.
                if self._is_incremental
                else {"session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": 1_000}
            )
            | {
                "group.id": group,
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 200,
                "fetch.error.backoff.ms": BACKOFF_MS,
                "check.crcs": True,
                "enable.partition.eof": True,
            }
        )
        self._ends: dict[Place, int] = {}  # where it was told that a partition ends

    def assign(self, positions: Mapping[Place, int]) -> None:
        listed = [TopicPartition(p.topic, p.partition, offset) for p, offset in positions.items()]
        self.inner.assign(listed)

    def subscribe(self, topics: Sequence[str], assigned: Assigned, revoked: Revoked) -> None:
        def on_assign(consumer: ck.Consumer, partitions: list[TopicPartition]) -> None:
            positions = assigned([Place(p.topic, p.partition) for p in partitions])
            listed = [TopicPartition(p.topic, p.partition, o) for p, o in positions.items()]
            if self._is_incremental:
                consumer.incremental_assign(listed)
            else:
                consumer.assign(listed)

        def on_revoke(consumer: ck.Consumer, partitions: list[TopicPartition]) -> None:
            revoked([Place(p.topic, p.partition) for p in partitions])
            if self._is_incremental:
                consumer.incremental_unassign(partitions)
            else:
                consumer.unassign()

        self.inner.subscribe(list(topics), on_assign=on_assign, on_revoke=on_revoke)

    def poll(self, seconds: float, records_max: int) -> list[Got]:
        found = []
        for message in self.inner.consume(records_max, seconds):
            topic, index = message.topic(), message.partition()
            offset, value = message.offset(), message.value()
            error = message.error()
            if topic is None or index is None or offset is None:
                continue
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    self._ends[Place(topic, index)] = offset
            else:
                found.append(Got(Place(topic, index), offset, value or b"", message.timestamp()[1]))
        return found

    def commit(self, offsets: Mapping[Place, int]) -> None:
        listed = [TopicPartition(p.topic, p.partition, offset) for p, offset in offsets.items()]
        answered: list[TopicPartition] = asked(
            self.inner.commit, offsets=listed, asynchronous=False
        )
        for one in answered or ():
            if one.error is not None:
                raise ClientError(one.error.name())

    def committed(self, places: Sequence[Place]) -> dict[Place, int | None]:
        listed = [TopicPartition(p.topic, p.partition) for p in places]
        answered = asked(self.inner.committed, listed, ANSWER_SECONDS_MAX)
        for one in answered:
            if one.error is not None:
                raise ClientError(one.error.name())
        return {
            Place(one.topic, one.partition): one.offset if one.offset >= 0 else None
            for one in answered
        }

    def ends(self, places: Sequence[Place]) -> dict[Place, tuple[int, int]]:
        return {
            place: asked(
                self.inner.get_watermark_offsets,
                TopicPartition(place.topic, place.partition),
                ANSWER_SECONDS_MAX,
            )
            for place in places
        }

    def is_at(self, place: Place, end: int) -> bool:
        return self._ends.get(place, -1) >= end

    def offset_for_time(self, place: Place, timestamp_ms: int) -> int | None:
        asked_for = [TopicPartition(place.topic, place.partition, timestamp_ms)]
        (answer,) = asked(self.inner.offsets_for_times, asked_for, ANSWER_SECONDS_MAX)
        return answer.offset if answer.offset >= 0 else None

    def membership(self) -> Membership:
        packed: bytes = self.inner.consumer_group_metadata()
        _, generation = METADATA.unpack_from(packed)
        names = packed[METADATA.size :].split(b"\0")
        return Membership(names[1].decode(), generation)

    def close(self) -> None:
        self.inner.close()


class Confluent:
    name = "confluent-kafka"

    def version(self) -> str:
        return f"{ck.__version__}/{ck.libversion()[0]}"

    def producer(
        self, bootstrap: str, transactional_id: str | None = None, request_ms: int = REQUEST_MS
    ) -> ConfluentProducer:
        return ConfluentProducer(bootstrap, transactional_id, request_ms)

    def consumer(
        self, bootstrap: str, group: str, isolation: str, protocol: str = CLASSIC
    ) -> ConfluentConsumer:
        return ConfluentConsumer(bootstrap, group, isolation, protocol)
