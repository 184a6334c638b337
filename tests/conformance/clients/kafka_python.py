"""kafka-python 3."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.structs import OffsetAndMetadata

from tests.conformance.client import ClientFailed, GroupSeen, Membership
from tests.conformance.members import PythonClient, Taken
from tests.conformance.record import Record
from tests.conformance.security import PASSWORD, USER

SECONDS_MAX = 20
TRANSACTION_SECONDS_MAX = 120.0  # init_transactions alone waits a minute


def _within(transact: Callable[[], None]) -> None:
    """Give a transaction a time: its end waits for ever where its sender dropped the request.

    Raises ClientFailed (allowed.py says when that may be); the thread is then left alone.
    """
    failures: list[Exception] = []

    def run() -> None:
        try:
            transact()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(TRANSACTION_SECONDS_MAX)
    if thread.is_alive():
        raise ClientFailed(f"a transaction did not end within {TRANSACTION_SECONDS_MAX} s")
    for failure in failures:
        raise failure


def _transact(
    producer: KafkaProducer, topic: str, records: Sequence[Record], *, commit: bool
) -> None:
    producer.init_transactions()
    producer.begin_transaction()
    _write(producer, topic, records)
    if commit:
        producer.commit_transaction()
    else:
        producer.abort_transaction()


def _copy(
    producer: KafkaProducer,
    target: str,
    records: Sequence[Record],
    source: str,
    end: int,
    group: Any,
) -> None:
    """The records and how far `source` was read, in one transaction."""
    producer.init_transactions()
    producer.begin_transaction()
    _write(producer, target, records)
    offsets = {TopicPartition(source, 0): OffsetAndMetadata(end, "", -1)}
    producer.send_offsets_to_transaction(offsets, group)
    producer.commit_transaction()


class KafkaPythonClient(PythonClient):
    name: ClassVar[str] = "kafka-python"
    lacks: ClassVar[Mapping[str, str]] = {
        "null header": "its producer refuses a header without a value",
        **dict.fromkeys(("KIP-848", "migration"), "it speaks the classic protocol alone"),
    }

    def version(self) -> str:
        return str(kafka.__version__)

    def produce(
        self,
        topic: str,
        records: Sequence[Record],
        *,
        codec: str = "none",
        idempotent: bool = False,
    ) -> None:
        with self._producer(
            compression_type=None if codec == "none" else codec, enable_idempotence=idempotent
        ) as producer:
            _write(producer, topic, records)

    def _common(self) -> dict[str, Any]:
        """What every one of its clients is given; host names are verified."""
        settings: dict[str, Any] = {"bootstrap_servers": self.address}
        proof = self.security
        if proof is None:
            return settings
        settings |= {"ssl_cafile": proof.ca_file, "ssl_check_hostname": True}
        if proof.is_mtls:
            files = {"ssl_certfile": proof.certificate_file, "ssl_keyfile": proof.key_file}
            return settings | {"security_protocol": "SSL", **files}
        user = {"sasl_plain_username": USER, "sasl_plain_password": PASSWORD}
        return settings | {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": proof.kind,
            **user,
        }

    @contextlib.contextmanager
    def _producer(self, **settings: Any) -> Iterator[KafkaProducer]:
        producer = KafkaProducer(
            **self._common(),
            acks="all",
            linger_ms=20,
            max_request_size=1_048_588,
            **settings,
        )
        try:
            yield producer
        finally:
            producer.close(SECONDS_MAX)

    def _consumer(self, group: str | None, **settings: Any) -> KafkaConsumer:
        return KafkaConsumer(
            **self._common(),
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            **settings,
        )

    def read(
        self, topic: str, partitions: int, count: int, *, committed_only: bool = False
    ) -> list[Record]:
        isolation = "read_committed" if committed_only else "read_uncommitted"
        consumer = self._consumer(None, isolation_level=isolation)
        try:
            consumer.assign([TopicPartition(topic, index) for index in range(partitions)])
            consumer.seek_to_beginning()
            return Taken(lambda: _poll(consumer)).take(count)
        finally:
            consumer.close()

    def open_member(self, group: str, topic: str, how: Membership) -> "KafkaPythonMember":
        settings: dict[str, Any] = {"session_timeout_ms": 10000, "heartbeat_interval_ms": 500}
        if how.instance_id:
            settings["group_instance_id"] = how.instance_id
        if how.is_cooperative:
            settings["partition_assignment_strategy"] = [CooperativeStickyAssignor]
        return KafkaPythonMember(self._consumer(group, **settings), topic)

    def transaction(
        self, transactional_id: str, topic: str, records: Sequence[Record], *, commit: bool
    ) -> None:
        with self._producer(transactional_id=transactional_id) as producer:
            _within(lambda: _transact(producer, topic, records, commit=commit))

    def transform(self, transactional_id: str, group: str, source: str, target: str) -> int:
        end = self.offset_at(source, 0, -1)
        consumer = self._consumer(group)
        consumer.subscribe([source])
        try:
            records = Taken(lambda: _poll(consumer)).take(end)
            with self._producer(transactional_id=transactional_id) as producer:
                _within(
                    lambda: _copy(producer, target, records, source, end, consumer.group_metadata())
                )
        finally:
            consumer.close()
        return len(records)

    @contextlib.contextmanager
    def _admin(self) -> Iterator[KafkaAdminClient]:
        admin = KafkaAdminClient(**self._common())
        try:
            yield admin
        finally:
            admin.close()

    def create_topic(self, topic: str, partitions: int, configs: Mapping[str, str]) -> None:
        wanted = {
            "num_partitions": partitions,
            "replication_factor": self.replicas,
            "configs": dict(configs),
        }
        with self._admin() as admin:
            admin.create_topics({topic: wanted})

    def delete_topic(self, topic: str) -> None:
        with self._admin() as admin:
            admin.delete_topics([topic])

    def add_partitions(self, topic: str, partitions: int) -> None:
        with self._admin() as admin:
            admin.create_partitions({topic: partitions})

    def topics(self) -> dict[str, int]:
        with self._admin() as admin:
            return {told["name"]: len(told["partitions"]) for told in admin.describe_topics()}

    def alter_topic(self, topic: str, configs: Mapping[str, str]) -> None:
        with self._admin() as admin:
            admin.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict(configs))]
            )

    def topic_configs(self, topic: str) -> dict[str, str]:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        with self._admin() as admin:
            told = admin.describe_configs([resource], config_filter="all")
        return {name: entry["value"] for name, entry in told["topic"][topic].items()}

    def groups(self) -> list[str]:
        with self._admin() as admin:
            return [group["group_id"] for group in admin.list_groups()]

    def describe_group(self, group: str) -> GroupSeen:
        with self._admin() as admin:
            told = admin.describe_groups([group])[group]
        return GroupSeen(state=told["group_state"].lower(), members=len(told["members"]))

    def committed(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        asked = [TopicPartition(topic, index) for index in range(partitions)]
        with self._admin() as admin:
            told = admin.list_group_offsets({group: asked})[group]
        return {tp.partition: found.offset for tp, found in told.items() if found.offset >= 0}

    def delete_group(self, group: str) -> None:
        with self._admin() as admin:
            for _, outcome in dict(admin.delete_groups([group])).items():
                if outcome not in (None, "OK") and "NoError" not in repr(outcome):
                    raise ClientFailed(repr(outcome))

    def allow_read(self, principal: str, topic: str) -> None:
        pattern = ResourcePattern(ResourceType.TOPIC, topic)
        acl = ACL(principal, "*", ACLOperation.READ, ACLPermissionType.ALLOW, pattern)
        with self._admin() as admin:
            admin.create_acls([acl])

    def acls(self, topic: str) -> list[str]:
        with self._admin() as admin:
            found, _ = admin.describe_acls(_on(topic))
        return [acl.principal for acl in found]

    def delete_acls(self, topic: str) -> None:
        with self._admin() as admin:
            admin.delete_acls([_on(topic)])

    def offset_at(self, topic: str, partition: int, at_ms: int) -> int:
        asked = TopicPartition(topic, partition)
        with self._admin() as admin:
            return int(admin.list_partition_offsets({asked: at_ms})[asked].offset)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        with self._admin() as admin:
            admin.delete_records({TopicPartition(topic, partition): offset})


class KafkaPythonMember:
    """One consumer for members.py; every call comes from its thread."""

    def __init__(self, consumer: KafkaConsumer, topic: str) -> None:
        self.consumer = consumer
        consumer.subscribe([topic])

    def poll(self) -> list[Record]:
        return _poll(self.consumer)

    def assigned(self) -> list[int]:
        return [partition.partition for partition in self.consumer.assignment()]

    def commit(self, topic: str, offsets: Mapping[int, int]) -> None:
        self.consumer.commit(
            {
                TopicPartition(topic, index): OffsetAndMetadata(offset, "", -1)
                for index, offset in offsets.items()
            }
        )

    def close(self) -> None:
        self.consumer.close()


def _poll(consumer: KafkaConsumer) -> list[Record]:
    found = consumer.poll(timeout_ms=100)
    return [
        Record(
            key=one.key,
            value=one.value,
            headers=tuple(one.headers or ()),
            partition=one.partition,
            timestamp_ms=one.timestamp,
            offset=one.offset,
        )
        for partition in found.values()
        for one in partition
    ]


def _write(producer: KafkaProducer, topic: str, records: Sequence[Record]) -> None:
    futures = [
        producer.send(
            topic,
            value=record.value,
            key=record.key,
            headers=list(record.headers),
            partition=record.partition,
            timestamp_ms=record.timestamp_ms if record.timestamp_ms >= 0 else None,
        )
        for record in records
    ]
    producer.flush(SECONDS_MAX)
    for future in futures:
        future.get(SECONDS_MAX)


def _on(topic: str) -> ACLFilter:
    pattern = ResourcePatternFilter(ResourceType.TOPIC, topic, ACLResourcePatternType.LITERAL)
    return ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, pattern)
