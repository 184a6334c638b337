"""One idempotent producer and a consumer group of two, at once, with the add-on's config vars."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from control_plane.cli.demo.flights import Flight

if TYPE_CHECKING:  # librdkafka is loaded when the stream begins, not by `ottla --help`
    from confluent_kafka import Consumer, TopicPartition

GROUP = "flights-demo"
MEMBERS = 2
ASSIGN_SECONDS_MAX = 60.0
STALL_SECONDS_MAX = 60.0  # without a single record


class StreamFailed(Exception):
    """The stream could not be completed; the message says where it stood."""


@dataclass(slots=True)
class Received:
    """What one member read: (partition, offset, key, value) in the order of reading."""

    records: list[tuple[int, int, bytes, bytes]] = field(default_factory=list)
    commits: int = 0
    commits_while_writing: int = 0


@dataclass(slots=True)
class StreamResult:
    """Counts and times of one stream; seconds by the monotonic clock."""

    sent: int = 0
    acknowledged: int = 0
    first_record_at: float = 0.0
    write_seconds: float = 0.0
    read_seconds: float = 0.0
    members: list[Received] = field(default_factory=list)
    partitions_by_member: list[int] = field(default_factory=list)
    end_offsets: dict[int, int] = field(default_factory=dict)
    committed: dict[int, int] = field(default_factory=dict)

    @property
    def lag(self) -> int:
        """Records after the group's committed offsets, over all partitions."""
        return sum(end - self.committed.get(p, 0) for p, end in self.end_offsets.items())


class GroupMember(threading.Thread):
    """One consumer: joins, reads in batches, commits after each, until told to stop."""

    def __init__(self, settings: dict[str, Any], topic: str, stream: "Stream") -> None:
        super().__init__(daemon=True)
        from confluent_kafka import Consumer

        self.received = Received()
        self.partition_count = 0
        self.failure: str | None = None
        self._stream = stream
        self._consumer = Consumer(
            {
                **settings,
                "group.id": GROUP,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "on_commit": self._on_commit,
            }
        )
        self._topic = topic

    def run(self) -> None:
        try:
            self._consumer.subscribe(
                [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke
            )
            while not self._stream.done.is_set():
                self._read_batch()
            self._commit_rest()
        except Exception as problem:  # told by the main thread, whatever it was
            self.failure = str(problem)
        finally:
            self._consumer.close()

    def _read_batch(self) -> None:
        batch = self._consumer.consume(2000, timeout=0.05)
        for message in batch:
            if (error := message.error()) is not None:
                raise StreamFailed(error.str())
            partition, offset = message.partition(), message.offset()
            key, value = message.key(), message.value()
            if partition is None or offset is None or key is None or value is None:
                raise StreamFailed(f"a record without key or value at {partition}:{offset}")
            self.received.records.append((partition, offset, key, value))
        if batch:
            self._consumer.commit(asynchronous=True)

    def _commit_rest(self) -> None:
        """Commit what the last asynchronous commit did not cover; there may be nothing left."""
        from confluent_kafka import KafkaError, KafkaException

        try:
            self._consumer.commit(asynchronous=False)
        except KafkaException as problem:
            if problem.args[0].code() != KafkaError._NO_OFFSET:
                raise

    def _on_assign(self, _consumer: "Consumer", partitions: "list[TopicPartition]") -> None:
        self.partition_count = len(partitions)

    def _on_revoke(self, _consumer: "Consumer", _partitions: "list[TopicPartition]") -> None:
        self.partition_count = 0

    def _on_commit(self, error: object, _partitions: object) -> None:
        if error is None:
            self.received.commits += 1
            self.received.commits_while_writing += self._stream.is_writing.is_set()


class Stream:
    """Sends every flight and reads it back; nothing is checked here (check.py does that)."""

    def __init__(self, settings: dict[str, Any], topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self.is_writing = threading.Event()
        self.done = threading.Event()
        self._failures: list[str] = []
        self.result = StreamResult()

    def run(self, flights: Iterable[Flight], expected_count: int) -> StreamResult:
        """Members first, then the producer, then read to the end. Raises StreamFailed."""
        members = [GroupMember(self._settings, self._topic, self) for _ in range(MEMBERS)]
        for member in members:
            member.start()
        try:
            self._await_assignment(members)
            self.result.partitions_by_member = [member.partition_count for member in members]
            began = time.monotonic()
            self._produce(flights)
            self.result.write_seconds = time.monotonic() - began
            self._await_records(members, expected_count)
            self.result.read_seconds = time.monotonic() - began
        finally:
            self.done.set()
            for member in members:
                member.join(30)
        for member in members:
            if member.failure:
                raise StreamFailed(member.failure)
        self.result.members = [member.received for member in members]
        self._read_offsets()
        return self.result

    def _produce(self, flights: Iterable[Flight]) -> None:
        from confluent_kafka import KafkaError, Message, Producer

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                self.result.acknowledged += 1
            else:
                self._failures.append(error.str())

        producer = Producer(
            {**self._settings, "acks": "all", "enable.idempotence": True, "linger.ms": 20}
        )
        self.result.first_record_at = time.monotonic()
        self.is_writing.set()
        for flight in flights:
            while True:
                try:
                    producer.produce(
                        self._topic, flight.value, flight.carrier, on_delivery=delivered
                    )
                    break
                except BufferError:
                    producer.poll(0.05)
            self.result.sent += 1
            if self.result.sent % 500 == 0:
                producer.poll(0)
        left = producer.flush(STALL_SECONDS_MAX)
        self.is_writing.clear()
        if left or self._failures:
            why = self._failures[0] if self._failures else f"{left} records not acknowledged"
            raise StreamFailed(f"producing failed: {why}")

    def _await_assignment(self, members: list[GroupMember]) -> None:
        deadline = time.monotonic() + ASSIGN_SECONDS_MAX
        while not all(member.partition_count for member in members):
            self._raise_member_failure(members)
            if time.monotonic() > deadline:
                owned = [member.partition_count for member in members]
                raise StreamFailed(f"the group did not settle: partitions owned {owned}")
            time.sleep(0.02)

    def _await_records(self, members: list[GroupMember], expected_count: int) -> None:
        """Until as many records came as were sent, redeliveries counted, or none comes."""
        seen, moved_at = -1, time.monotonic()
        while (now_seen := sum(len(m.received.records) for m in members)) < expected_count:
            self._raise_member_failure(members)
            if now_seen != seen:
                seen, moved_at = now_seen, time.monotonic()
            elif time.monotonic() - moved_at > STALL_SECONDS_MAX:
                raise StreamFailed(f"only {seen} of {expected_count} records came")
            time.sleep(0.02)

    def _raise_member_failure(self, members: list[GroupMember]) -> None:
        for member in members:
            if member.failure:
                raise StreamFailed(member.failure)

    def _read_offsets(self) -> None:
        """The end of each partition and what the group has committed, asked of the brokers."""
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({**self._settings, "group.id": GROUP})
        try:
            found = consumer.list_topics(self._topic, timeout=10).topics[self._topic]
            asked = [TopicPartition(self._topic, number) for number in found.partitions]
            for committed in consumer.committed(asked, timeout=10):
                self.result.committed[committed.partition] = max(committed.offset, 0)
            for number in found.partitions:
                _, end = consumer.get_watermark_offsets(
                    TopicPartition(self._topic, number), timeout=10
                )
                self.result.end_offsets[number] = end
        finally:
            consumer.close()
