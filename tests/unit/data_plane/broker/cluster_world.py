"""Several whole brokers over in-memory disks, and a network that carries what the test lets pass.

The world is the controller: it decides by the functions of production, and each broker learns its
batches of records in order, when the world says so. Requests between brokers pass as encoded frames
through `dispatch`, as over a socket, in order between two brokers.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from data_plane.broker.broker import Broker
from data_plane.broker.config import BrokerConfig
from data_plane.broker.dispatch import Session, dispatch
from data_plane.broker.loopback import internal_session
from data_plane.broker.metadata_port import OnImage
from data_plane.log.identity import Identity
from data_plane.log.log_dir import LogDir
from data_plane.log.memory_files import MemoryFiles
from data_plane.metadata.brokers import decide_fence, decide_register_broker, decide_unfence
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import TOPIC_RESOURCE, ImageDelta, MetadataImage
from data_plane.metadata.isr_changes import decide_alter_partition
from data_plane.metadata.records import (
    BrokerListener,
    CommitMode,
    ConfigRecord,
    PartitionRecord,
    RegisterBrokerRecord,
    RestartKind,
    TopicRecord,
    metadata_records,
)
from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import KafkaError, NotController
from data_plane.protocol.headers import (
    RequestHeader,
    encode_request_header,
    read_response_header,
)
from data_plane.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionResponse,
)
from data_plane.protocol.messages.broker_heartbeat import BrokerHeartbeatRequestTopic
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
from data_plane.replication.waiting import Parked
from data_plane.security.principals import ANONYMOUS
from tests.unit.data_plane.broker.world import NOW_MS, HeldExecutor, new_session

R = TypeVar("R")

CORRELATION_ID = 77
CONTROLLER = 99  # not one of the brokers
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

    def forget(self, broker_id: int) -> None:
        self._world.forget(self._broker_id, broker_id)


class LearntMetadata:
    """What one broker knows of the metadata: an image, and the next one when the world says so."""

    def __init__(self, image: MetadataImage) -> None:
        self.image = image
        self.controller_id: int | None = CONTROLLER
        self.is_idle = True
        self.is_unheard = False
        self.next_due_ms: int | None = None
        self.ends: Sequence[BrokerHeartbeatRequestTopic] = ()

    def attach(self, on_image: OnImage, on_committed: Callable[[], None]) -> None:
        self._on_image, self._on_committed = on_image, on_committed

    def decide(self, choose: Callable[[Controller], Decision[R]]) -> R | Parked:
        del choose
        raise NotController

    def learn(self, image: MetadataImage) -> None:
        before, self.image = self.image, image
        self._on_image(before, image)
        self._on_committed()

    def pump(self) -> None:
        """The world drives it."""

    def tick(self, now_ms: int) -> None:
        """Nothing is due."""

    def tell_ends(self, ends: Sequence[BrokerHeartbeatRequestTopic]) -> None:
        self.ends = ends

    def retry(self) -> None:
        """It has no disk."""


class Node:
    """One broker and its disk."""

    def __init__(self, world: "ClusterWorld", broker_id: int) -> None:
        self.world = world
        self.broker_id = broker_id
        self.files = MemoryFiles()
        self.broker: Broker | None = None
        self.life = 0  # of its process; what an earlier one sent answers nobody
        self.boot = 0  # of its machine
        self.known = 0  # which image it has
        self.failures: list[BaseException] = []
        self.executor = HeldExecutor()
        self.internal = internal_session()
        self.session = new_session()

    def open_directory(self) -> LogDir:
        """Claim the disk; says how the process before has ended."""
        self.life += 1
        identity = Identity("cluster", self.broker_id, UUID(int=self.broker_id + 1))
        return LogDir.open(self.files, PurePath("/data"), identity, boot_id=f"boot {self.boot}")

    def open(self, log_dir: LogDir) -> None:
        """Begin to serve, by the newest image."""
        self.executor = HeldExecutor()
        self.known = len(self.world.images) - 1
        self.metadata = LearntMetadata(self.world.image)
        config = BrokerConfig(
            data_dir=Path("/data"),
            broker_id=self.broker_id,
            cluster_id="cluster",
            super_users=frozenset({ANONYMOUS}),
            static_configs=self.world.static,
        )
        self.broker = Broker(
            config,
            log_dir,
            self.metadata,
            self.executor,
            rng=random.Random(self.broker_id),
            now_ms=self.world.now_ms,
            on_failure=self.failures.append,
            peers=MemoryPeers(self.world, self.broker_id),
        )
        for _ in self.broker.recover():
            pass
        self.session = new_session()

    @property
    def up(self) -> Broker:
        assert self.broker is not None, "the broker is down"
        return self.broker

    def turn(self) -> None:
        if self.broker is not None:
            self.broker.tick(self.world.now_ms)

    def learn(self) -> bool:
        """Take up the next image; False if there is none."""
        if self.broker is None or self.known + 1 == len(self.world.images):
            return False
        self.known += 1
        self.metadata.learn(self.world.images[self.known])
        self.broker.end_turn(self.world.now_ms)
        return True


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
        # By target: who waits for its answers, and from where.
        self.under_way: dict[int, list[tuple[int, OnReply]]] = {}
        self.cut: set[tuple[int, int]] = set()  # (from, to) that carry nothing
        self.images = [MetadataImage()]
        self.node_ids = list(nodes or (f"node-{one}" for one in range(count)))
        self.is_controller_up = True
        self.nodes = [Node(self, one) for one in range(count)]
        opened = [node.open_directory() for node in self.nodes]
        self.decide([self.registration(one, epoch=one + 1) for one in range(count)])
        for node, log_dir in zip(self.nodes, opened, strict=True):
            node.open(log_dir)

    # --- metadata ------------------------------------------------------------------------------

    @property
    def image(self) -> MetadataImage:
        return self.images[-1]

    @property
    def scope(self) -> ConfigScope:
        return ConfigScope(self.image, -1, self.static)

    @property
    def rows(self) -> Sequence[PartitionRecord]:
        return self.image.topics[TOPIC].partitions

    def registration(
        self, broker_id: int, *, epoch: int = -1, kind: RestartKind = RestartKind.CLEAN
    ) -> RegisterBrokerRecord:
        return RegisterBrokerRecord(
            broker_id=broker_id,
            incarnation_id=UUID(int=1000 * broker_id + self.nodes[broker_id].life),
            broker_epoch=epoch,
            directory_id=UUID(int=broker_id + 1),
            node_id=self.node_ids[broker_id],
            rack=self.node_ids[broker_id],
            listeners=(BrokerListener("PLAINTEXT", f"broker-{broker_id}.test", 9092),),
            restart_kind=kind,
        )

    def decide(self, records: Sequence[object]) -> None:
        """Commit a batch of records; nobody knows it yet."""
        if records:
            delta = ImageDelta(self.image)
            delta.replay_all(metadata_records(records))
            self.images.append(delta.publish(offset=self.image.offset + len(records), term=1))

    def tell(self, records: Sequence[object], only: Sequence[int] | None = None) -> None:
        """Commit a batch and let all brokers know, or only some."""
        self.decide(records)
        for node in self.nodes:
            if only is None or node.broker_id in only:
                self.learn_all(node.broker_id)

    def learn_all(self, broker_id: int) -> None:
        node = self.nodes[broker_id]
        while node.learn():
            pass
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
        if mode == CommitMode.SYNCED:
            configs["flush_messages"] = "1"
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

    def fence(self, broker_id: int) -> None:
        """The controller has not heard of a broker for too long."""
        self.decide(decide_fence(self.scope, {broker_id}).records)

    def unfence(self, broker_id: int) -> None:
        """A broker has replayed past its registration."""
        self.decide(decide_unfence(self.scope, self.image.brokers[broker_id]).records)

    # --- faults --------------------------------------------------------------------------------

    def kill(
        self, broker_id: int, *, power: bool = False, rng: random.Random | None = None
    ) -> None:
        """The process is gone; after a power loss so is everything that was not synced.

        A machine without power closes no connection: who waits for its answers goes on waiting.
        """
        node = self.nodes[broker_id]
        if power:
            node.files.crash(rng)
            node.boot += 1
        else:
            node.files.kill()
        node.broker = None
        if not power:
            for _, lost in self.under_way.pop(broker_id, []):
                lost(PeerLost("the connection is gone"))

    def restart(self, broker_id: int) -> None:
        """Open a broker that was killed; it knows its own registration before anything else."""
        node = self.nodes[broker_id]
        log_dir = node.open_directory()
        kind = RestartKind[log_dir.restart_kind.name]
        decision = decide_register_broker(
            self.scope,
            replace(self.registration(broker_id, kind=kind), is_fenced=True),
            next_offset=self.image.offset + 1,
        )
        self.decide(decision.records)
        node.open(log_dir)

    def rejoin(self, broker_id: int) -> None:
        """Restart a broker and let it back in; everybody knows at once."""
        self.restart(broker_id)
        self.unfence(broker_id)
        self.tell([])

    # --- network -------------------------------------------------------------------------------

    def post(self, source: int, target: int, request: object, on_reply: OnReply) -> None:
        if isinstance(request, AlterPartitionRequest):
            self.queue.append(
                Message(source, CONTROLLER, lambda: self._alter(source, request, on_reply))
            )
            return
        life = self.nodes[source].life

        is_answered = False

        def answer(response: object) -> None:
            nonlocal is_answered
            if is_answered:
                return
            is_answered = True

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
            self.under_way.setdefault(target, []).append((source, answer))
            self._serve(node, request, answer)

        self.queue.append(Message(source, target, arrive))

    def forget(self, source: int, target: int) -> None:
        waiting = self.under_way.pop(target, [])
        self.under_way[target] = [each for each in waiting if each[0] != source]
        for each, lost in waiting:
            if each == source:
                lost(PeerLost("it has begun anew"))

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
        try:
            decision = decide_alter_partition(self.scope, request)
        except KafkaError as error:
            on_reply(AlterPartitionResponse(error_code=error.code))
        else:
            self.altered(decision.records)
            on_reply(decision.response)
        node.up.end_turn(self.now_ms)

    def altered(self, records: Sequence[object]) -> None:
        """An ISR has changed: here everybody knows at once."""
        self.tell(records)

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
