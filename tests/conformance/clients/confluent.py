"""confluent-kafka (librdkafka by wheel), which is also the reference for all others."""

import multiprocessing
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, ClassVar

import confluent_kafka
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.conformance.client import ClientFailed, GroupSeen, Membership
from tests.conformance.members import PythonClient, Taken
from tests.conformance.record import Record
from tests.conformance.security import Security

SECONDS_MAX = 90  # librdkafka's own requests have sixty
ANY: Any = None  # The client takes None for "any"; its annotations do not.


class ConfluentClient(PythonClient):
    name: ClassVar[str] = "confluent-kafka"

    def __init__(self, address: str, security: Security | None = None) -> None:
        super().__init__(address, security)
        self._common: dict[str, Any] = {"bootstrap.servers": address}
        if security is not None:
            self._common |= security.librdkafka()
        self.admin = self.open_admin()

    def open_admin(self) -> AdminClient:
        return AdminClient({**self._common, "log_level": 2})

    def version(self) -> str:
        return f"{confluent_kafka.__version__}, librdkafka {confluent_kafka.libversion()[0]}"

    def produce(
        self,
        topic: str,
        records: Sequence[Record],
        *,
        codec: str = "none",
        idempotent: bool = False,
    ) -> None:
        producer = self._producer(**{"compression.type": codec, "enable.idempotence": idempotent})
        _write(producer, topic, records)

    def _producer(self, **settings: Any) -> Producer:
        # A linger, so that one call's records make batches worth compressing.
        fixed = {**self._common, "acks": "all", "linger.ms": 20}
        return Producer({**fixed, "message.max.bytes": 1_048_588, **settings})

    def _consumer(self, group: str, **settings: Any) -> Consumer:
        fixed = {
            **self._common,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 3,  # Errors: a reset after deleted records is what a scenario asks for.
        }
        return Consumer({**fixed, **settings})

    def read(
        self, topic: str, partitions: int, count: int, *, committed_only: bool = False
    ) -> list[Record]:
        isolation = "read_committed" if committed_only else "read_uncommitted"
        consumer = self._consumer("unused", **{"isolation.level": isolation})
        consumer.assign([TopicPartition(topic, index, 0) for index in range(partitions)])
        try:
            return Taken(lambda: _poll(consumer)).take(count)
        finally:
            consumer.close()

    def open_member(self, group: str, topic: str, how: Membership) -> "ConfluentMember":
        settings = {"session.timeout.ms": 10000, **membership_settings(how)}
        return ConfluentMember(self._consumer(group, **settings), topic)

    def join_by_heartbeat(self, member: str, group: str, topic: str) -> None:
        consumer = self._consumer(group, **{"group.protocol": "consumer"})
        self.keep(member, lambda: ConfluentMember(consumer, topic), topic)

    def transaction(
        self, transactional_id: str, topic: str, records: Sequence[Record], *, commit: bool
    ) -> None:
        producer = self._producer(**{"transactional.id": transactional_id})
        producer.init_transactions(SECONDS_MAX)
        producer.begin_transaction()
        _write(producer, topic, records)
        end = producer.commit_transaction if commit else producer.abort_transaction
        end(SECONDS_MAX)

    def transform(self, transactional_id: str, group: str, source: str, target: str) -> int:
        producer = self._producer(**{"transactional.id": transactional_id})
        producer.init_transactions(SECONDS_MAX)
        consumer = self._consumer(group)
        consumer.subscribe([source])
        try:
            end = self.offset_at(source, 0, -1)
            records = Taken(lambda: _poll(consumer)).take(end)
            producer.begin_transaction()
            _write(producer, target, records)
            producer.send_offsets_to_transaction(
                consumer.position(consumer.assignment()),
                consumer.consumer_group_metadata(),
                SECONDS_MAX,
            )
            producer.commit_transaction(SECONDS_MAX)
        finally:
            consumer.close()
        return len(records)

    def create_topic(self, topic: str, partitions: int, configs: Mapping[str, str]) -> None:
        new = NewTopic(topic, partitions, self.replicas, config=dict(configs))
        _only(self.admin.create_topics([new]))

    def delete_topic(self, topic: str) -> None:
        _only(self.admin.delete_topics([topic]))

    def add_partitions(self, topic: str, partitions: int) -> None:
        _only(self.admin.create_partitions([NewPartitions(topic, partitions)]))

    def topics(self) -> dict[str, int]:
        told = self.admin.list_topics(timeout=SECONDS_MAX).topics
        return {name: len(topic.partitions) for name, topic in told.items()}

    def alter_topic(self, topic: str, configs: Mapping[str, str]) -> None:
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in configs.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
        _only(self.admin.incremental_alter_configs([resource]))

    def topic_configs(self, topic: str) -> dict[str, str]:
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        told = _only(self.admin.describe_configs([resource]))
        return {name: entry.value for name, entry in told.items()}

    def groups(self) -> list[str]:
        listing = self.admin.list_consumer_groups().result(SECONDS_MAX)
        return [group.group_id for group in listing.valid]

    def describe_group(self, group: str) -> GroupSeen:
        told = _only(self.admin.describe_consumer_groups([group]))
        return GroupSeen(state=told.state.name.lower(), members=len(told.members))

    def committed(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        """In a process of its own, which it may end (confluentinc/librdkafka, issue 5040)."""
        apart = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        with apart:
            told = apart.submit(_offsets_of, self._common, group, topic, partitions)
            try:
                offsets = told.result(SECONDS_MAX)
            except BrokenProcessPool:
                raise ClientFailed("committed: the process ended") from None
        if isinstance(offsets, str):
            raise ClientFailed(f"committed: {offsets}")
        return offsets

    def delete_group(self, group: str) -> None:
        _only(self.admin.delete_consumer_groups([group]))

    def allow_read(self, principal: str, topic: str) -> None:
        binding = AclBinding(
            ResourceType.TOPIC,
            topic,
            ResourcePatternType.LITERAL,
            principal,
            "*",
            AclOperation.READ,
            AclPermissionType.ALLOW,
        )
        _only(self.admin.create_acls([binding]))

    def acls(self, topic: str) -> list[str]:
        told = self.admin.describe_acls(_on(topic)).result(SECONDS_MAX)
        return [binding.principal for binding in told]

    def delete_acls(self, topic: str) -> None:
        _only(self.admin.delete_acls([_on(topic)]))

    def offset_at(self, topic: str, partition: int, at_ms: int) -> int:
        spec: Any = OffsetSpec  # Its constructors are not annotated.
        ends = {-1: spec.latest(), -2: spec.earliest()}
        asked = {TopicPartition(topic, partition): ends.get(at_ms) or spec.for_timestamp(at_ms)}
        return int(_only(self.admin.list_offsets(asked)).offset)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        _only(self.admin.delete_records([TopicPartition(topic, partition, offset)]))


def membership_settings(how: Membership) -> dict[str, str]:
    """By librdkafka's names."""
    settings = {}
    if how.instance_id:
        settings["group.instance.id"] = how.instance_id
    if how.is_cooperative:
        settings["partition.assignment.strategy"] = "cooperative-sticky"
    return settings


class ConfluentMember:
    """One consumer for members.py; every call comes from its thread."""

    def __init__(self, consumer: Consumer, topic: str) -> None:
        self.consumer = consumer
        consumer.subscribe([topic])

    def poll(self) -> list[Record]:
        return _poll(self.consumer)

    def assigned(self) -> list[int]:
        return [partition.partition for partition in self.consumer.assignment()]

    def commit(self, topic: str, offsets: Mapping[int, int]) -> None:
        asked = [TopicPartition(topic, index, offset) for index, offset in offsets.items()]
        for done in self.consumer.commit(offsets=asked, asynchronous=False) or ():
            if done.error:
                raise ClientFailed(str(done.error))

    def close(self) -> None:
        self.consumer.close()


def _poll(consumer: Consumer) -> list[Record]:
    found = []
    message: Any  # Its annotations allow None where a record without an error has none.
    for message in consumer.consume(500, 0.1):
        if error := message.error():
            if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue  # By a broker that learns of the topic only now; it asks again itself.
            raise ClientFailed(str(error))
        found.append(
            Record(
                key=message.key(),
                value=message.value(),
                headers=tuple(message.headers() or ()),
                partition=message.partition(),
                timestamp_ms=message.timestamp()[1],
                offset=message.offset(),
            )
        )
    return found


def _write(producer: Producer, topic: str, records: Sequence[Record]) -> None:
    errors: list[Any] = []
    delivered = threading.Semaphore(0)

    def report(error: Any, _message: Any) -> None:
        if error is not None:
            errors.append(error)
        delivered.release()

    for record in records:
        stamp: dict[str, Any] = (
            {"timestamp": record.timestamp_ms} if record.timestamp_ms >= 0 else {}
        )
        producer.produce(
            topic,
            record.value,
            record.key,
            record.partition,
            on_delivery=report,
            headers=list(record.headers),
            **stamp,
        )
        producer.poll(0)
    if left := producer.flush(SECONDS_MAX):
        raise ClientFailed(f"{left} records were not delivered within {SECONDS_MAX} s")
    if errors:
        raise ClientFailed(str(errors[0]))


def _offsets_of(
    settings: Mapping[str, Any], group: str, topic: str, partitions: int
) -> dict[int, int] | str:
    """By partition, or what the client says: its errors do not go from process to process."""
    asked = [TopicPartition(topic, index) for index in range(partitions)]
    admin = AdminClient({**settings, "log_level": 2})
    try:
        told = _only(
            admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, asked)])
        )
    except KafkaException as error:
        return str(error)
    return {one.partition: one.offset for one in told.topic_partitions if one.offset >= 0}


def _only(futures: Mapping[Any, "Future[Any]"]) -> Any:
    (future,) = futures.values()
    return future.result(SECONDS_MAX)


def _on(topic: str) -> AclBindingFilter:
    return AclBindingFilter(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        ANY,
        ANY,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
