"""What operators do to a cluster while it works: moves, elections, deletions, settings, topics."""

from collections.abc import Callable
from typing import Any

from data_plane.metadata.image import TOPIC_RESOURCE
from data_plane.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsRequestPartition,
    AlterPartitionReassignmentsRequestTopic,
)
from data_plane.protocol.messages.create_acls import CreateAclsRequest, CreateAclsRequestCreation
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
)
from data_plane.protocol.messages.delete_records import (
    DeleteRecordsRequest,
    DeleteRecordsRequestPartition,
    DeleteRecordsRequestTopic,
)
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsRequestTopic
from data_plane.protocol.messages.elect_leaders import ElectLeadersRequest, ElectLeadersRequestTopic
from data_plane.protocol.messages.incremental_alter_configs import (
    SET,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestConfig,
    IncrementalAlterConfigsRequestResource,
)
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from data_plane.protocol.records.record import Record, encode_batch
from data_plane.security.acls import AclOperation, AclPermission, PatternType, ResourceType
from tests.simulation.clients import Ask, Script, Who, Worker
from tests.simulation.plan import COMPACTED, MAIN, Plan

TIMEOUT_MS = 3_000


class Chores(Worker):
    """One at a time, of the kinds that this world has; a refusal is as good as a success."""

    def __init__(self, who: Who, plan: Plan, count: Callable[[str], None]) -> None:
        """count: told of each chore that was answered."""
        super().__init__(who)
        self._plan = plan
        self._count = count
        self._topics = 0

    def start(self) -> None:
        self.play(self._live())

    def _live(self) -> Script[None]:
        kinds = {
            "move": self._move,
            "election": self._elect,
            "deleted records": self._delete_records,
            "topic made or deleted": self._churn,
            "acl": self._allow,
            "setting": self._set,
        }
        while not self.is_stopping and self._plan.chores:
            yield self.rng.choice([300, 1_000, 3_000])
            name = self.rng.choice(self._plan.chores)
            response = yield from kinds[name]()
            if response is not None:
                self._count(name)
            self.done += 1
        self.is_idle = True

    def _some_index(self) -> int:
        return self.rng.randrange(self._plan.partitions)

    def _move(self) -> Script[Any]:
        """To other brokers, or only another order of them; at times it is taken back."""
        replicas = self.rng.sample(range(self._brokers), self._plan.replication_factor)
        target = None if self.rng.random() < 0.2 else replicas
        rows = [AlterPartitionReassignmentsRequestPartition(self._some_index(), target)]
        topics = [AlterPartitionReassignmentsRequestTopic(MAIN, rows)]
        request = AlterPartitionReassignmentsRequest(TIMEOUT_MS, topics=topics)
        return (yield Ask(self.some_broker(), request, 0))

    def _elect(self) -> Script[Any]:
        topics = [ElectLeadersRequestTopic(MAIN, [self._some_index()])]
        request = ElectLeadersRequest(topic_partitions=topics, timeout_ms=TIMEOUT_MS)
        return (yield Ask(self.some_broker(), request, 2))

    def _delete_records(self) -> Script[Any]:
        place = (MAIN, self._some_index())
        oracle = self.invariants.oracle(*place)
        offset = self.rng.randint(0, oracle.end)
        oracle.deleted_to = max(oracle.deleted_to, offset)
        rows = [DeleteRecordsRequestPartition(place[1], offset)]
        request = DeleteRecordsRequest([DeleteRecordsRequestTopic(MAIN, rows)], TIMEOUT_MS)
        leader = yield from self.leader(place)
        response = yield Ask(leader, request, 2)
        if response is None or response.topics[0].partitions[0].error_code:
            self.leaders.pop(place, None)
        return response

    def _churn(self) -> Script[Any]:
        if self._topics and self.rng.random() < 0.5:
            name = f"n-{self.rng.randint(1, self._topics)}"
            gone = DeleteTopicsRequest([DeleteTopicsRequestTopic(name)], timeout_ms=TIMEOUT_MS)
            return (yield Ask(self.some_broker(), gone, 6))
        self._topics += 1
        topic = CreateTopicsRequestTopic(f"n-{self._topics}", 1, self.rng.choice([2, 3]))
        request = CreateTopicsRequest([topic], timeout_ms=TIMEOUT_MS)
        response = yield Ask(self.some_broker(), request, 7)
        if response is not None and not response.topics[0].error_code:
            yield from self._write_to(topic.name)
        return response

    def _write_to(self, name: str) -> Script[None]:
        """One record, which has to be there for good; once only, so that it may be refused."""
        leader = yield from self.leader((name, 0))
        batch = encode_batch([Record(0, 0, b"key", name.encode())], base_timestamp_ms=self.now_ms)
        topic = ProduceRequestTopic(name, partition_data=[ProduceRequestPartition(0, batch)])
        yield Ask(leader, ProduceRequest(None, -1, 2_000, [topic]), 9)

    def _allow(self) -> Script[Any]:
        creation = CreateAclsRequestCreation(
            ResourceType.TOPIC,
            f"a-{self.rng.randrange(10)}",
            PatternType.LITERAL,
            "User:somebody",
            "*",
            AclOperation.READ,
            AclPermission.ALLOW,
        )
        return (yield Ask(self.some_broker(), CreateAclsRequest([creation]), 3))

    def _set(self) -> Script[Any]:
        """What changes nothing of what is promised."""
        name, values = self.rng.choice(
            [("segment.bytes", ["700", "9000"]), ("flush.ms", ["50", "1000"])]
        )
        config = IncrementalAlterConfigsRequestConfig(name, SET, self.rng.choice(values))
        resource = IncrementalAlterConfigsRequestResource(TOPIC_RESOURCE, MAIN, [config])
        request = IncrementalAlterConfigsRequest([resource])
        return (yield Ask(self.some_broker(), request, 1))


class KeyedProducer(Worker):
    """Makes a compacted topic and writes few keys again and again; now and then a tombstone."""

    def start(self) -> None:
        self.play(self._live())

    def _live(self) -> Script[None]:
        while COMPACTED not in self.invariants.image.topics:
            configs = {
                "cleanup.policy": "compact",
                "segment.bytes": "700",
                "min.cleanable.dirty.ratio": "0.01",
            }
            rows = [CreateTopicsRequestConfig(name, value) for name, value in configs.items()]
            topic = CreateTopicsRequestTopic(COMPACTED, 1, 3, configs=rows)
            request = CreateTopicsRequest([topic], timeout_ms=TIMEOUT_MS)
            yield Ask(self.some_broker(), request, 7)
            yield self.backoff_ms()
        while not self.is_stopping:
            yield from self._write()
            yield self.rng.choice([100, 400])
        self.is_idle = True

    def _write(self) -> Script[None]:
        place = (COMPACTED, 0)
        leader = yield from self.leader(place)
        key = b"%d" % self.rng.randrange(4)
        value = None if self.rng.random() < 0.1 else b"%d" % self.rng.getrandbits(200)
        batch = encode_batch([Record(0, 0, key, value)], base_timestamp_ms=self.now_ms)
        topic = ProduceRequestTopic(COMPACTED, partition_data=[ProduceRequestPartition(0, batch)])
        response = yield Ask(leader, ProduceRequest(None, -1, 2_000, [topic]), 9)
        if response and not response.responses[0].partition_responses[0].error_code:
            self.done += 1
        else:
            self.leaders.pop(place, None)
            yield self.backoff_ms()
