"""kafka-python 3, which shares no code with librdkafka."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import kafka
from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.structs import OffsetAndMetadata

from tests.chaos.clients.base import (
    BACKOFF_MS,
    BACKOFF_MS_MAX,
    CLASSIC,
    DELIVERY_MS,
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

LOOKUP_MS = 2_000
# Its classes' names where they are not Kafka's in camel case.
NAMES = {
    "CommitFailedError": "ILLEGAL_GENERATION",
    "MessageSizeTooLargeError": "MESSAGE_TOO_LARGE",
    "IllegalGenerationError": "ILLEGAL_GENERATION",
    "UnknownMemberIdError": "UNKNOWN_MEMBER_ID",
    "RebalanceInProgressError": "REBALANCE_IN_PROGRESS",
    "NotEnoughReplicasError": "NOT_ENOUGH_REPLICAS",
}


def failed(error: BaseException) -> ClientError:
    kind = type(error).__name__
    return ClientError(NAMES.get(kind, f"_{kind}"), is_retriable=getattr(error, "retriable", False))


def shared(bootstrap: str) -> dict[str, Any]:
    return {
        "bootstrap_servers": bootstrap.split(","),
        "reconnect_backoff_ms": BACKOFF_MS,
        "reconnect_backoff_max_ms": BACKOFF_MS_MAX,
        "retry_backoff_ms": BACKOFF_MS,
    }


class KafkaPythonProducer:
    """One producer; its callbacks run on its own thread."""

    def __init__(self, bootstrap: str, transactional_id: str | None, request_ms: int) -> None:
        settings = shared(bootstrap) | {
            "acks": "all",
            "linger_ms": 5,
            "request_timeout_ms": request_ms,
            "delivery_timeout_ms": DELIVERY_MS,
            "max_block_ms": DELIVERY_MS,
        }
        if transactional_id is not None:
            settings |= {
                "transactional_id": transactional_id,
                "transaction_timeout_ms": TRANSACTION_MS,
            }
        self._producer = KafkaProducer(**settings)

    def send(
        self, place: Place, key: bytes, value: bytes, timestamp_ms: int, done: Delivered
    ) -> None:
        def acknowledged(metadata: Any) -> None:
            done(None, metadata.offset if metadata.offset >= 0 else None)

        def refused(error: BaseException) -> None:
            done(failed(error).name, None)

        try:
            future = self._producer.send(
                place.topic, value, key, partition=place.partition, timestamp_ms=timestamp_ms
            )
        except (KafkaError, AssertionError) as error:
            raise failed(error) from error
        future.add_callback(acknowledged)
        future.add_errback(refused)

    def serve(self, seconds: float) -> None:
        """Nothing to do: they run by themselves."""

    def flush(self, seconds: float) -> None:
        self._asked(self._producer.flush, timeout=seconds)

    def init_transactions(self) -> None:
        self._asked(self._producer.init_transactions)

    def begin(self) -> None:
        self._asked(self._producer.begin_transaction)

    def send_offsets(self, offsets: Mapping[Place, int], consumer: Consumer) -> None:
        assert isinstance(consumer, KafkaPythonConsumer)
        listed = as_offsets(offsets)
        metadata = consumer.inner.group_metadata()
        self._asked(self._producer.send_offsets_to_transaction, listed, metadata)

    def commit(self) -> None:
        self._asked(self._producer.commit_transaction)

    def abort(self) -> None:
        self._asked(self._producer.abort_transaction)

    def _asked(self, call: Any, *arguments: Any, **options: Any) -> None:
        try:
            call(*arguments, **options)
        except KafkaError as error:
            raise failed(error) from error


def as_offsets(offsets: Mapping[Place, int]) -> dict[TopicPartition, OffsetAndMetadata]:
    return {
        TopicPartition(place.topic, place.partition): OffsetAndMetadata(offset, "", -1)
        for place, offset in offsets.items()
    }


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the library is untyped
    """Notes what was assigned; asking the broker from within the callback would block for ever."""

    def __init__(self) -> None:
        self.fresh: list[Place] | None = None  # assigned, and not yet taken up

    def on_partitions_revoked(self, revoked: Any) -> None:
        """The next assignment says it all."""

    def on_partitions_assigned(self, assigned: Any) -> None:
        self.fresh = [Place(one.topic, one.partition) for one in assigned]


class KafkaPythonConsumer:
    """One consumer."""

    def __init__(self, bootstrap: str, group: str, isolation: str) -> None:
        self.inner = KafkaConsumer(
            **shared(bootstrap),
            group_id=group,
            isolation_level=isolation,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=1_000,
            request_timeout_ms=2 * REQUEST_MS,
            fetch_max_wait_ms=200,
        )
        self._listener = Listener()
        self._assigned: Assigned | None = None

    def assign(self, positions: Mapping[Place, int]) -> None:
        self.inner.assign([TopicPartition(p.topic, p.partition) for p in positions])
        for place, offset in positions.items():
            self.inner.seek(TopicPartition(place.topic, place.partition), offset)

    def subscribe(self, topics: Sequence[str], assigned: Assigned, revoked: Revoked) -> None:
        self._assigned = assigned
        self.inner.subscribe(list(topics), listener=self._listener)

    def poll(self, seconds: float, records_max: int) -> list[Got]:
        try:
            batches = self.inner.poll(int(seconds * 1000), max_records=records_max)
        except KafkaError as error:
            raise failed(error) from error
        if self._listener.fresh is not None:
            self._take_up()
            return []  # What came with the assignment is read again from where it begins.
        return [
            Got(Place(tp.topic, tp.partition), one.offset, one.value or b"", one.timestamp)
            for tp, records in batches.items()
            for one in records
        ]

    def _take_up(self) -> None:
        """Go to where the workload says; tried again by the next poll if nobody can tell it."""
        assert self._assigned is not None, "only a subscription is assigned to"
        for place, offset in self._assigned(self._listener.fresh or []).items():
            self.inner.seek(TopicPartition(place.topic, place.partition), offset)
        self._listener.fresh = None

    def commit(self, offsets: Mapping[Place, int]) -> None:
        try:
            self.inner.commit(as_offsets(offsets))
        except KafkaError as error:
            raise failed(error) from error

    def committed(self, places: Sequence[Place]) -> dict[Place, int | None]:
        try:
            return {p: self.inner.committed(TopicPartition(p.topic, p.partition)) for p in places}
        except KafkaError as error:
            raise failed(error) from error

    def ends(self, places: Sequence[Place]) -> dict[Place, tuple[int, int]]:
        listed = [TopicPartition(p.topic, p.partition) for p in places]
        starts = self._asked_of_leaders(self.inner.beginning_offsets, listed)
        ends = self._asked_of_leaders(self.inner.end_offsets, listed)
        return {Place(tp.topic, tp.partition): (starts[tp], ends[tp]) for tp in listed}

    def is_at(self, place: Place, end: int) -> bool:
        position = self.inner.position(TopicPartition(place.topic, place.partition))
        return position is not None and position >= end

    def offset_for_time(self, place: Place, timestamp_ms: int) -> int | None:
        one = TopicPartition(place.topic, place.partition)
        found = self._asked_of_leaders(self.inner.offsets_for_times, {one: timestamp_ms})[one]
        return None if found is None else found.offset

    def _asked_of_leaders(self, lookup: Any, asked: Any) -> Any:
        """The library asks a former leader until its time is over, never for the present one.

        So it is told the leaders before each short try. See docs/CLIENTS.md.
        """
        deadline = time.monotonic() + 2 * REQUEST_MS / 1000
        while True:
            try:
                self.inner.topics()
                return lookup(asked, timeout_ms=LOOKUP_MS)
            except KafkaTimeoutError as error:
                if time.monotonic() > deadline:
                    raise failed(error) from error
            except KafkaError as error:
                raise failed(error) from error

    def membership(self) -> Membership:
        metadata = self.inner.group_metadata()
        return Membership(metadata.member_id, metadata.generation_id)

    def close(self) -> None:
        self.inner.close()


class KafkaPython:
    name = "kafka-python"

    def version(self) -> str:
        return str(kafka.__version__)

    def producer(
        self, bootstrap: str, transactional_id: str | None = None, request_ms: int = REQUEST_MS
    ) -> KafkaPythonProducer:
        return KafkaPythonProducer(bootstrap, transactional_id, request_ms)

    def consumer(
        self, bootstrap: str, group: str, isolation: str, protocol: str = CLASSIC
    ) -> KafkaPythonConsumer:
        if protocol != CLASSIC:
            raise ValueError(f"kafka-python has no group protocol {protocol}")
        return KafkaPythonConsumer(bootstrap, group, isolation)
