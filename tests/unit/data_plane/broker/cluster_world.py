"""Several whole brokers over in-memory disks, and a network that carries what the test lets pass.

Each broker keeps the same metadata by records that the test gives to all of them; requests between
brokers pass as encoded frames through `dispatch`, as over a socket. AlterPartition is answered by
the test's own controller, the simplest that obeys the two epochs.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from data_plane.broker.broker import Broker
from data_plane.broker.config import BrokerConfig
from data_plane.broker.dispatch import Session, dispatch
from data_plane.broker.startup import open_broker
from data_plane.log.memory_files import MemoryFiles
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import TOPIC_RESOURCE
from data_plane.metadata.records import (
    BrokerListener,
    CommitMode,
    ConfigRecord,
    MetadataRecord,
    PartitionRecord,
    RegisterBrokerRecord,
    TopicRecord,
)
from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.headers import (
    RequestHeader,
    encode_request_header,
    read_response_header,
)
from data_plane.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionRequestPartition,
    AlterPartitionResponse,
    AlterPartitionResponsePartition,
    AlterPartitionResponseTopic,
)
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from data_plane.protocol.messages.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
)
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from data_plane.protocol.schema import decode, encode
from data_plane.replication.peers import OnReply, PeerLost
from data_plane.security.principals import ANONYMOUS
from tests.unit.data_plane.broker.world import NOW_MS, HeldExecutor, new_session

CORRELATION_ID = 77
TOPIC = "t"
TOPIC_ID = UUID(int=1234)


class Message(NamedTuple):
    """One delivery that is due: who is to act, and what to do."""

    source: int
    target: int
    deliver: Callable[[], None]


class MemoryPeers:
    """One broker's way to the others; nothing is delivered before the world says so."""

    def __init__(self, world: "ClusterWorld", broker_id: int) -> None:
        self._world = world
        self._broker_id = broker_id

    def request(
        self, broker_id: int, request: object, on_reply: OnReply, *, timeout_ms: int
    ) -> None:
        del timeout_ms  # The world drops what is late.
        self._world.post(self._broker_id, broker_id, request, on_reply)


class Node:
    """One broker and its disk."""

    def __init__(self, world: "ClusterWorld", broker_id: int) -> None:
        self.world = world
        self.broker_id = broker_id
        self.files = MemoryFiles()
        self.broker: Broker | None = None
        self.life = 0  # of its process; what an earlier one sent answers nobody
        self.failures: list[BaseException] = []
        self.session = new_session()

    def open(self) -> None:
        self.executor = HeldExecutor()
        self.life += 1
        config = BrokerConfig(
            data_dir=Path("/data"),
            broker_id=self.broker_id,
            cluster_id="cluster",
            super_users=frozenset({ANONYMOUS}),
            static_configs=self.world.static,
        )
        self.broker = open_broker(
            config,
            self.files,
            self.executor,
            listeners=(BrokerListener("PLAINTEXT", f"broker-{self.broker_id}.test", 9092),),
            rng=random.Random(self.broker_id),
            now_ms=self.world.now_ms,
            boot_id="boot",
            on_failure=self.failures.append,
            peers=MemoryPeers(self.world, self.broker_id),
        )
        self.directory_id = self.broker.log_dir.identity.directory_id
        self.internal = Session(
            listener="INTERNAL", principal="User:broker", client_host="", is_internal=True
        )
        self.session = new_session()

    @property
    def up(self) -> Broker:
        assert self.broker is not None, "the broker is down"
        return self.broker

    def turn(self) -> None:
        if self.broker is not None:
            self.broker.tick(self.world.now_ms)


class Sent:
    """A client's request: its response, once there is one."""

    def __init__(self, key: int, version: int) -> None:
        self._key, self._version = key, version
        self.frame: bytes | None = None

    @property
    def is_answered(self) -> bool:
        return self.frame is not None

    def response(self) -> Any:
        assert self.frame is not None, "not answered yet"
        _, at = read_response_header(self._key, self._version, self.frame)
        return decode(API_KEYS[self._key].response, self._version, self.frame[at:])


class ClusterWorld:
    """Brokers 0, 1, 2; each on a node of its own unless `nodes` says otherwise."""

    def __init__(
        self, count: int = 3, *, nodes: Sequence[str] | None = None, **static: str
    ) -> None:
        self.now_ms = NOW_MS
        self.static = {name.replace("_", "."): value for name, value in static.items()}
        self.queue: deque[Message] = deque()
        self.cut: set[tuple[int, int]] = set()  # (from, to) that carry nothing
        self.rows: dict[int, PartitionRecord] = {}
        self.records: list[MetadataRecord] = []  # everything all brokers know
        self.epochs = dict.fromkeys(range(count), 100)
        self.node_ids = list(nodes or (f"node-{one}" for one in range(count)))
        self.is_controller_up = True
        self.nodes = [Node(self, one) for one in range(count)]
        for node in self.nodes:
            node.open()
        self.tell([self.registration(one) for one in range(count)])

    # --- metadata ------------------------------------------------------------------------------

    def registration(self, broker_id: int, *, is_fenced: bool = False) -> RegisterBrokerRecord:
        return RegisterBrokerRecord(
            broker_id=broker_id,
            incarnation_id=UUID(int=self.epochs[broker_id]),
            broker_epoch=self.epochs[broker_id],
            directory_id=self.nodes[broker_id].directory_id,
            node_id=self.node_ids[broker_id],
            rack=self.node_ids[broker_id],
            listeners=(BrokerListener("PLAINTEXT", f"broker-{broker_id}.test", 9092),),
            is_fenced=is_fenced,
        )

    def tell(self, records: Sequence[MetadataRecord], only: Sequence[int] | None = None) -> None:
        """Give records to all brokers that are up, or only to some; the others learn at restart."""
        self.records += records
        for record in records:
            if isinstance(record, PartitionRecord):
                self.rows[record.partition_index] = record
        for node in self.nodes:
            if node.broker is not None and (only is None or node.broker_id in only):
                node.broker.decide(lambda _: Decision(None, records))
                node.turn()

    def create_topic(
        self, partitions: int = 1, *, mode: CommitMode = CommitMode.SPREAD, **configs: str
    ) -> None:
        everyone = tuple(node.broker_id for node in self.nodes)
        rows = [
            PartitionRecord(
                TOPIC_ID,
                index,
                everyone[index % len(everyone) :] + everyone[: index % len(everyone)],
                everyone,
                leader=everyone[index % len(everyone)],
                leader_epoch=0,
                partition_epoch=0,
                commit_mode=mode,
            )
            for index in range(partitions)
        ]
        overrides = [
            ConfigRecord(TOPIC_RESOURCE, TOPIC, name.replace("_", "."), value)
            for name, value in configs.items()
        ]
        self.tell([TopicRecord(TOPIC, TOPIC_ID), *rows, *overrides])

    def change(self, index: int = 0, *, only: Sequence[int] | None = None, **changes: Any) -> None:
        """Another row for a partition; a change of leader raises the leader epoch."""
        row = self.rows[index]
        epoch = row.leader_epoch + ("leader" in changes)
        row = replace(row, leader_epoch=epoch, partition_epoch=row.partition_epoch + 1, **changes)
        self.tell([row], only)

    # --- faults --------------------------------------------------------------------------------

    def kill(self, broker_id: int, *, power: bool = False) -> None:
        """The process is gone; after a power loss so is everything that was not synced."""
        node = self.nodes[broker_id]
        if power:
            node.files.crash()
        else:
            node.files.kill()
        node.broker = None

    def restart(self, broker_id: int) -> None:
        node = self.nodes[broker_id]
        self.epochs[broker_id] += 1
        node.open()
        self.tell([self.registration(broker_id)])
        known = [one for one in self.records if not isinstance(one, PartitionRecord)]
        node.up.decide(lambda _: Decision(None, [*known, *self.rows.values()]))
        node.turn()

    # --- network -------------------------------------------------------------------------------

    def post(self, source: int, target: int, request: object, on_reply: OnReply) -> None:
        if isinstance(request, AlterPartitionRequest):
            self.queue.append(Message(source, -1, lambda: self._alter(source, request, on_reply)))
            return
        life = self.nodes[source].life

        def answer(response: object) -> None:
            def deliver() -> None:
                node = self.nodes[source]
                if node.broker is not None and node.life == life:
                    lost = (target, source) in self.cut
                    on_reply(PeerLost("cut") if lost else response)
                    node.broker.end_turn(self.now_ms)

            self.queue.append(Message(target, source, deliver))

        def arrive() -> None:
            node = self.nodes[target]
            if node.broker is None or (source, target) in self.cut:
                answer(PeerLost("nobody is there"))
                return
            self._serve(node, request, answer)

        self.queue.append(Message(source, target, arrive))

    def _serve(self, node: Node, request: object, answer: Callable[[object], None]) -> None:
        key = next(one for one, spec in API_KEYS.items() if spec.request is type(request))
        version = API_KEYS[key].versions[-1]

        def answered(frame: bytes) -> None:
            _, at = read_response_header(key, version, frame)
            answer(decode(API_KEYS[key].response, version, frame[at:]))

        self._dispatch(node, node.internal, key, version, encode(request, version), answered)

    def _dispatch(
        self,
        node: Node,
        session: Session,
        key: int,
        version: int,
        body: bytes,
        answered: Callable[[bytes], None],
    ) -> None:
        head = encode_request_header(RequestHeader(key, version, CORRELATION_ID, "test"))
        frame = memoryview(bytearray(head + body))
        reply = dispatch(node.up, session, frame, self.now_ms)
        assert reply is not None, "everything here is answered"

        def take(_: object = None) -> None:
            answered(b"".join(bytes(part) for part in reply.take()))

        node.up.end_turn(self.now_ms)
        if reply.is_ready:
            take()
        else:
            reply.when_done(take)

    def _alter(self, source: int, request: AlterPartitionRequest, on_reply: OnReply) -> None:
        node = self.nodes[source]
        if node.broker is None:
            return
        if not self.is_controller_up:
            on_reply(PeerLost("no controller"))
            return
        topics = [
            AlterPartitionResponseTopic(
                topic.topic_id, [self._altered(source, row) for row in topic.partitions]
            )
            for topic in request.topics
        ]
        on_reply(AlterPartitionResponse(topics=topics))
        node.up.end_turn(self.now_ms)

    def _altered(
        self, source: int, asked: AlterPartitionRequestPartition
    ) -> AlterPartitionResponsePartition:
        row = self.rows[asked.partition_index]
        code = ErrorCode.NONE
        if row.leader != source or asked.leader_epoch != row.leader_epoch:
            code = ErrorCode.FENCED_LEADER_EPOCH
        elif asked.partition_epoch != row.partition_epoch:
            code = ErrorCode.INVALID_UPDATE_VERSION
        elif any(
            one.broker_epoch not in (-1, self.epochs[one.broker_id])
            for one in asked.new_isr_with_epochs
        ):
            code = ErrorCode.INELIGIBLE_REPLICA
        else:
            isr = tuple(one.broker_id for one in asked.new_isr_with_epochs)
            self.change(asked.partition_index, isr=isr)
        return AlterPartitionResponsePartition(asked.partition_index, error_code=code)

    # --- time ----------------------------------------------------------------------------------

    def deliver(self) -> bool:
        """Let the oldest message arrive."""
        if not self.queue:
            return False
        self.queue.popleft().deliver()
        return True

    def settle(self, *, ms: int = 0) -> None:
        """Let everything that is under way arrive, and time pass; parked fetches stay parked."""
        self.now_ms += ms
        for _ in range(400):
            for node in self.nodes:
                if node.broker is not None:
                    node.executor.run()
                    node.turn()
            if not self.deliver() and not any(node.executor.waiting for node in self.nodes):
                return

    # --- clients -------------------------------------------------------------------------------

    def ask(self, broker_id: int, request: object, version: int) -> Sent:
        key = next(one for one, spec in API_KEYS.items() if spec.request is type(request))
        sent, node = Sent(key, version), self.nodes[broker_id]

        def answered(frame: bytes) -> None:
            sent.frame = frame

        self._dispatch(node, node.session, key, version, encode(request, version), answered)
        return sent

    def produce(
        self, broker_id: int, batch: bytes, *, index: int = 0, acks: int = -1, **more: Any
    ) -> Sent:
        rows = [ProduceRequestPartition(index, batch)]
        topic = ProduceRequestTopic(TOPIC, TOPIC_ID, partition_data=rows)
        request = ProduceRequest(acks=acks, **{"timeout_ms": 5_000, **more}, topic_data=[topic])
        return self.ask(broker_id, request, 9)

    def fetch(self, broker_id: int, offset: int = 0, *, index: int = 0) -> Any:
        row = FetchRequestPartition(index, fetch_offset=offset)
        topic = FetchRequestTopic(TOPIC, TOPIC_ID, partitions=[row])
        sent = self.ask(broker_id, FetchRequest(max_wait_ms=0, topics=[topic]), 12)
        return sent.response().responses[0].partitions[0]

    def list_offset(self, broker_id: int, timestamp: int, version: int = 7) -> Any:
        row = ListOffsetsRequestPartition(0, timestamp=timestamp)
        request = ListOffsetsRequest(topics=[ListOffsetsRequestTopic(TOPIC, partitions=[row])])
        return self.ask(broker_id, request, version).response().topics[0].partitions[0]

    def log_bytes(self, broker_id: int, index: int = 0) -> bytes:
        """Everything one replica holds of a partition."""
        broker = self.nodes[broker_id].up
        follower = broker.followers.get((TOPIC, index))
        log = follower.log if follower is not None else broker.partition(TOPIC, index).log
        found, offset = b"", log.log_start_offset
        while offset < log.log_end_offset:
            part = log.read(
                offset, bytes_max=1 << 20, offset_limit=log.log_end_offset, at_least_one=True
            )
            found += part.read_bytes()
            offset = log._end_of(part)
        return found


def outcome(sent: Sent) -> int:
    """The error code of a produce to one partition."""
    code: int = sent.response().responses[0].partition_responses[0].error_code
    return code
