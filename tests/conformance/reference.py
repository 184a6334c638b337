"""The reference where brokers die: it asks again until it is answered, and writes nothing twice."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.conformance.client import GroupSeen
from tests.conformance.clients.confluent import ConfluentClient
from tests.conformance.record import Record
from tests.conformance.security import Security

AGAIN_SECONDS_MAX = 60.0
T = TypeVar("T")


class SteadyReference(ConfluentClient):
    """What is under test is another client; this one only has to be right in the end."""

    def __init__(self, address: str, security: Security | None = None) -> None:
        super().__init__(address, security)
        # Kept until the end: what one of them was asked last may still be under way.
        self._left: list[AdminClient] = []

    def produce(
        self,
        topic: str,
        records: Sequence[Record],
        *,
        codec: str = "none",
        idempotent: bool = True,
    ) -> None:
        super().produce(topic, records, codec=codec, idempotent=True)

    def create_topic(self, topic: str, partitions: int, configs: Mapping[str, str]) -> None:
        try:
            self._again(
                lambda: super(SteadyReference, self).create_topic(topic, partitions, configs)
            )
        except KafkaException as error:
            # Names are used once: the first try was done, and its answer was lost.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise

    def settle_in(self) -> None:
        """Have the internal topics made, which needs all brokers, as in Apache Kafka."""
        topic = f"settling-{time.time_ns()}"
        self.create_topic(topic, 1, {})
        self.transaction(topic, topic, [Record(b"v")], commit=True)
        self.join("m", topic, topic)
        assert len(self.taken("m", 1)) == 1, "nothing is read"
        self.commit("m")
        self.leave("m")

    def topics(self) -> dict[str, int]:
        return self._again(super().topics)

    def topic_configs(self, topic: str) -> dict[str, str]:
        return self._again(lambda: super(SteadyReference, self).topic_configs(topic))

    def describe_group(self, group: str) -> GroupSeen:
        return self._again(lambda: super(SteadyReference, self).describe_group(group))

    def committed(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        """Ask as a consumer that joins nothing.

        librdkafka's admin client ends the whole process by a segmentation fault where the broker
        that it asks is no longer the coordinator (confluentinc/librdkafka, issue 5040).
        """
        asked = [TopicPartition(topic, index) for index in range(partitions)]
        consumer = self._consumer(group)
        try:
            told = self._again(lambda: consumer.committed(asked, timeout=AGAIN_SECONDS_MAX))
        finally:
            consumer.close()
        assert all(one.error is None for one in told), told
        return {one.partition: one.offset for one in told if one.offset >= 0}

    def commit(self, member: str) -> None:
        self._again(lambda: super(SteadyReference, self).commit(member))

    def offset_at(self, topic: str, partition: int, at_ms: int) -> int:
        return self._again(lambda: super(SteadyReference, self).offset_at(topic, partition, at_ms))

    def _again(self, ask: Callable[[], T]) -> T:
        """Each try but the first is a new admin client's: an old one may wait for who is gone."""
        deadline = time.monotonic() + AGAIN_SECONDS_MAX
        while True:
            try:
                return ask()
            except (KafkaException, TimeoutError) as error:
                if is_final(error) or time.monotonic() > deadline:
                    raise
                self._left.append(self.admin)
                self.admin = self.open_admin()


def is_final(error: Exception) -> bool:
    """Say whether another try would be answered the same."""
    told = error.args[0] if error.args else None
    return isinstance(told, KafkaError) and told.code() == KafkaError.TOPIC_ALREADY_EXISTS
