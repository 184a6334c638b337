"""aiokafka. One event loop in a thread; its calls are awaited from outside."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.conformance.client import GroupSeen, Membership
from tests.conformance.members import PythonClient, Taken
from tests.conformance.record import Record
from tests.conformance.security import PASSWORD, USER, Security

SECONDS_MAX = 60
T = TypeVar("T")


class AiokafkaClient(PythonClient):
    name: ClassVar[str] = "aiokafka"
    lacks: ClassVar[Mapping[str, str]] = {
        "null header": "its record builder refuses a header without a value",
        "cooperative": "its assignors know eager rebalances alone",
        "ACLs": "its admin client has no ACL calls",
        **dict.fromkeys(("KIP-848", "migration"), "it speaks the classic protocol alone"),
        "groups": "its admin client cannot delete groups",
    }

    def __init__(self, address: str, security: Security | None = None) -> None:
        super().__init__(address, security)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def version(self) -> str:
        return str(aiokafka.__version__)

    def close(self) -> None:
        super().close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS_MAX)
        self._loop.close()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS_MAX)

    def produce(
        self,
        topic: str,
        records: Sequence[Record],
        *,
        codec: str = "none",
        idempotent: bool = False,
    ) -> None:
        self.wait(self._produce(topic, records, codec, idempotent))

    async def _produce(
        self, topic: str, records: Sequence[Record], codec: str, idempotent: bool
    ) -> None:
        producer = self._producer(
            compression_type=None if codec == "none" else codec, enable_idempotence=idempotent
        )
        await producer.start()
        try:
            await _write(producer, topic, records)
        finally:
            await producer.stop()

    def _common(self) -> dict[str, Any]:
        """What every one of its clients is given; host names are verified."""
        settings: dict[str, Any] = {"bootstrap_servers": self.address}
        proof = self.security
        if proof is None:
            return settings
        context = ssl.create_default_context(cafile=proof.ca_file)
        settings["ssl_context"] = context
        if proof.is_mtls:
            context.load_cert_chain(proof.certificate_file, proof.key_file)
            return settings | {"security_protocol": "SSL"}
        return settings | {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": proof.kind,
            "sasl_plain_username": USER,
            "sasl_plain_password": PASSWORD,
        }

    def _producer(self, **settings: Any) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **self._common(),
            acks="all",
            linger_ms=20,
            max_request_size=1_048_588,
            max_batch_size=1_048_588,
            **settings,
        )

    def read(
        self, topic: str, partitions: int, count: int, *, committed_only: bool = False
    ) -> list[Record]:
        isolation = "read_committed" if committed_only else "read_uncommitted"
        asked = [TopicPartition(topic, index) for index in range(partitions)]

        async def open_at_beginning() -> AIOKafkaConsumer:
            consumer = await self._open(None, isolation_level=isolation)
            consumer.assign(asked)
            await consumer.seek_to_beginning(*asked)
            return consumer

        consumer = self.wait(open_at_beginning())
        try:
            return Taken(lambda: self.wait(_poll(consumer))).take(count)
        finally:
            self.wait(consumer.stop())

    async def _open(self, group: str | None, *topics: str, **settings: Any) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            *topics,
            **self._common(),
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            **settings,
        )
        await consumer.start()
        return consumer

    def open_member(self, group: str, topic: str, how: Membership) -> "AiokafkaMember":
        settings: dict[str, Any] = {"session_timeout_ms": 10000, "heartbeat_interval_ms": 500}
        if how.instance_id:
            settings["group_instance_id"] = how.instance_id
        return AiokafkaMember(self, self.wait(self._open(group, topic, **settings)))

    def transaction(
        self, transactional_id: str, topic: str, records: Sequence[Record], *, commit: bool
    ) -> None:
        self.wait(self._transaction(transactional_id, topic, records, commit))

    async def _transaction(
        self, transactional_id: str, topic: str, records: Sequence[Record], commit: bool
    ) -> None:
        producer = self._producer(transactional_id=transactional_id)
        try:
            await producer.start()
            await producer.begin_transaction()
            await _write(producer, topic, records)
            end: Awaitable[None] = (
                producer.commit_transaction() if commit else producer.abort_transaction()
            )
            await end
        finally:
            await producer.stop()

    def transform(self, transactional_id: str, group: str, source: str, target: str) -> int:
        return self.wait(self._transform(transactional_id, group, source, target))

    async def _transform(self, transactional_id: str, group: str, source: str, target: str) -> int:
        producer = self._producer(transactional_id=transactional_id)
        try:
            await producer.start()
            consumer = await self._open(group, source)
            partition = TopicPartition(source, 0)
            end = (await consumer.end_offsets([partition]))[partition]
            copied = 0
            async with producer.transaction():
                while copied < end:
                    records = await _poll(consumer)
                    await _write(producer, target, records)
                    copied += len(records)
                await producer.send_offsets_to_transaction({partition: end}, group)
            await consumer.stop()
        finally:
            await producer.stop()
        return copied

    def admin(self, command: str, *arguments: Any, **named: Any) -> Any:
        async def ask() -> Any:
            admin = AIOKafkaAdminClient(**self._common())
            await admin.start()
            try:
                return await getattr(admin, command)(*arguments, **named)
            finally:
                await admin.close()

        return self.wait(ask())

    def create_topic(self, topic: str, partitions: int, configs: Mapping[str, str]) -> None:
        wanted = NewTopic(topic, partitions, self.replicas, topic_configs=dict(configs))
        self.admin("create_topics", [wanted])

    def delete_topic(self, topic: str) -> None:
        self.admin("delete_topics", [topic])

    def add_partitions(self, topic: str, partitions: int) -> None:
        self.admin("create_partitions", {topic: NewPartitions(partitions)})

    def topics(self) -> dict[str, int]:
        told = self.admin("describe_topics")
        return {topic["topic"]: len(topic["partitions"]) for topic in told}

    def alter_topic(self, topic: str, configs: Mapping[str, str]) -> None:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict(configs))
        self.admin("alter_configs", [resource])

    def topic_configs(self, topic: str) -> dict[str, str]:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        (response,) = self.admin("describe_configs", [resource])
        return {entry[0]: entry[1] for entry in response.resources[0][4]}

    def groups(self) -> list[str]:
        return [group for group, _ in self.admin("list_consumer_groups")]

    def describe_group(self, group: str) -> GroupSeen:
        (response,) = self.admin("describe_consumer_groups", [group])
        told = response.groups[0]
        return GroupSeen(state=told[2].lower(), members=len(told[5]))

    def committed(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        told = self.admin("list_consumer_group_offsets", group)
        return {
            tp.partition: found.offset
            for tp, found in told.items()
            if tp.topic == topic and found.offset >= 0
        }

    def offset_at(self, topic: str, partition: int, at_ms: int) -> int:
        return self.wait(self._offset_at(TopicPartition(topic, partition), at_ms))

    async def _offset_at(self, partition: TopicPartition, at_ms: int) -> int:
        consumer = await self._open(None)
        try:
            if at_ms == -1:
                told = await consumer.end_offsets([partition])
            elif at_ms == -2:
                told = await consumer.beginning_offsets([partition])
            else:
                found = await consumer.offsets_for_times({partition: at_ms})
                return int(found[partition].offset)
            return int(told[partition])
        finally:
            await consumer.stop()

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        before = RecordsToDelete(before_offset=offset)
        self.admin("delete_records", {TopicPartition(topic, partition): before})


class AiokafkaMember:
    """One consumer for members.py; the member's thread waits for the client's loop."""

    def __init__(self, client: AiokafkaClient, consumer: AIOKafkaConsumer) -> None:
        self.client = client
        self.consumer = consumer

    def poll(self) -> list[Record]:
        return self.client.wait(_poll(self.consumer))

    def assigned(self) -> list[int]:
        return [partition.partition for partition in self.consumer.assignment()]

    def commit(self, topic: str, offsets: Mapping[int, int]) -> None:
        asked = {TopicPartition(topic, index): offset for index, offset in offsets.items()}
        self.client.wait(self.consumer.commit(asked))

    def close(self) -> None:
        self.client.wait(self.consumer.stop())


async def _poll(consumer: AIOKafkaConsumer) -> list[Record]:
    found = await consumer.getmany(timeout_ms=100)
    return [
        Record(
            key=one.key,
            value=one.value,
            headers=tuple(one.headers),
            partition=one.partition,
            timestamp_ms=one.timestamp,
            offset=one.offset,
        )
        for partition in found.values()
        for one in partition
    ]


async def _write(producer: AIOKafkaProducer, topic: str, records: Sequence[Record]) -> None:
    futures = [
        await producer.send(
            topic,
            value=record.value,
            key=record.key,
            partition=record.partition,
            timestamp_ms=record.timestamp_ms if record.timestamp_ms >= 0 else None,
            headers=list(record.headers),
        )
        for record in records
    ]
    await asyncio.gather(*futures)
