"""Partitions move to other replicas, more or fewer of them, while brokers may be killed.

Fewer than two change how commits are made: by syncs there, by replicas else (durability.md 1). The
topics of the coordinators move as well.
"""

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

from confluent_kafka.admin import AdminClient

from data_plane.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsRequestPartition,
    AlterPartitionReassignmentsRequestTopic,
)
from data_plane.protocol.messages.elect_leaders import (
    ElectLeadersRequest,
)
from data_plane.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
)
from tests.chaos.asking import NoAnswer, ask
from tests.chaos.broker import ChaosBroker
from tests.chaos.rig import ANSWER_SECONDS_MAX, Rig

KILL_SHARE = 0.6
REPLICAS = (1, 2, 2, 3, 3, 3)
PARTITIONS_MAX = 4
TIMEOUT_MS = 5_000
OVER_SECONDS_MAX = 90.0

Place = tuple[str, int]


class Move:
    name: ClassVar[str] = "move"

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        rig.require_brokers(3)
        self._rig = rig
        self._rng = rng
        self._victims: list[ChaosBroker] = []
        self.partitions: Sequence[str] = ()
        self.seconds = rng.uniform(0, max(2.0, seconds_max))

    def begin(self) -> str:
        moves = {place: self._target() for place in self._places()}
        self.partitions = names_begun(self._ask(reassignment(moves)))
        if self._rng.random() < KILL_SHARE:
            time.sleep(self._rng.uniform(0, 0.5))  # Where in the move it comes.
            self._victims = [self._rig.any_broker(self._rng)]
            for broker in self._victims:
                broker.kill()
        told = ", ".join(f"{topic}-{index} to {to}" for (topic, index), to in moves.items())
        return told + "".join(f"; broker {one.index} killed" for one in self._victims)

    def end(self) -> None:
        """Every move is over, and then leaders are where they are preferred, now and then."""
        self._rig.start_all(self._victims)
        deadline = time.monotonic() + OVER_SECONDS_MAX
        while moving := self._moving():
            assert time.monotonic() < deadline, f"moves are not over: {moving[:4]}"
            time.sleep(0.2)
        if self._rng.random() < 0.5:
            self._ask(ElectLeadersRequest(topic_partitions=None, timeout_ms=TIMEOUT_MS))

    def _places(self) -> list[Place]:
        admin = AdminClient({"bootstrap.servers": self._rig.bootstrap, "log_level": 0})
        topics = admin.list_topics(timeout=ANSWER_SECONDS_MAX).topics
        places = [(name, index) for name, one in topics.items() for index in one.partitions]
        return self._rng.sample(sorted(places), self._rng.randint(1, PARTITIONS_MAX))

    def _target(self) -> list[int]:
        ids = [broker.index for broker in self._rig.brokers]
        return self._rng.sample(ids, self._rng.choice(REPLICAS))

    def _moving(self) -> list[str]:
        """Names of the partitions that have not arrived; one that says nothing knows of one."""
        answer = self._ask(ListPartitionReassignmentsRequest(TIMEOUT_MS, topics=None))
        if answer is None or answer.error_code:
            return ["nobody tells"]
        return [
            f"{one.name}-{row.partition_index}" for one in answer.topics for row in one.partitions
        ]

    def _ask(self, request: object) -> Any:
        """What any broker answers, None if none does. Said twice, all of it has one effect."""
        for broker in self._rng.sample(self._rig.brokers, len(self._rig.brokers)):
            with suppress(NoAnswer):
                return ask(broker.port, request)
        return None


def reassignment(moves: dict[Place, list[int]]) -> AlterPartitionReassignmentsRequest:
    topics = [
        AlterPartitionReassignmentsRequestTopic(
            topic, [AlterPartitionReassignmentsRequestPartition(index, target)]
        )
        for (topic, index), target in moves.items()
    ]
    return AlterPartitionReassignmentsRequest(TIMEOUT_MS, topics=topics)


def names_begun(answer: Any) -> list[str]:
    """The partitions whose move was taken; the whole answer may be an error."""
    topics = () if answer is None or answer.error_code else answer.responses
    return [
        f"{topic.name}-{row.partition_index}"
        for topic in topics
        for row in topic.partitions
        if not row.error_code
    ]
