"""A whole broker over an in-memory disk, whose syncs happen when the test says so."""

import random
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from data_plane.broker.broker import Broker
from data_plane.broker.config import BrokerConfig, Limits
from data_plane.broker.dispatch import Session, dispatch
from data_plane.broker.reply import Reply
from data_plane.broker.startup import open_broker
from data_plane.log.memory_files import MemoryFiles
from data_plane.metadata.image import BROKER_RESOURCE, TOPIC_RESOURCE
from data_plane.metadata.records import BrokerListener
from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.headers import (
    RequestHeader,
    encode_request_header,
    read_response_header,
)
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
)
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
    FetchResponse,
    FetchResponsePartition,
)
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
    ProduceResponse,
    ProduceResponsePartition,
)
from data_plane.protocol.records.record import Record, encode_batch
from data_plane.protocol.schema import decode, encode
from data_plane.replication.executor import Done, Work
from data_plane.replication.peers import Peers
from data_plane.security.principals import ANONYMOUS
from tests.factories.error_codes import check_codes

M = TypeVar("M")
NOW_MS = 1_700_000_000_000


class HeldExecutor:
    """Does nothing until `run`; `is_held` False does everything at once."""

    def __init__(self) -> None:
        self.is_held = False
        self.waiting: list[tuple[Sequence[Work], Done]] = []

    def submit(self, work: Sequence[Work], done: Done) -> None:
        self.waiting.append((work, done))
        if not self.is_held:
            self.run()

    def run(self) -> None:
        """Do what was submitted so far, and what that leads to."""
        while self.waiting:
            work, done = self.waiting.pop(0)
            failure: BaseException | None = None
            for one in work:
                try:
                    one()
                except Exception as error:
                    failure = failure or error
            done(failure)


class Asked:
    """A request that was sent: its reply, once there is one."""

    def __init__(self, world: "World", key: int, version: int, reply: Reply | None) -> None:
        self._world = world
        self._key = key
        self._version = version
        self.reply = reply

    @property
    def is_answered(self) -> bool:
        return self.reply is not None and self.reply.is_ready

    def response(self) -> Any:
        """The decoded response body."""
        assert self.reply is not None, "no reply is coming"
        assert self.reply.is_ready, "not answered yet"
        whole = b"".join(bytes(part) for part in self.reply.take())
        correlation_id, at = read_response_header(self._key, self._version, whole)
        assert correlation_id == 77
        response = decode(API_KEYS[self._key].response, self._version, whole[at:])
        check_codes(self._key, response)
        return response


class World:
    """One broker of its own cluster; `restart` opens another one on the same disk."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        files: MemoryFiles | None = None,
        broker_id: int = 0,
        peers: Peers | None = None,
        **static: str,
    ) -> None:
        """files: a disk that another broker has left; None: an empty one."""
        self.peers = peers
        self.files = files or MemoryFiles()
        self.executor = HeldExecutor()
        self.now_ms = NOW_MS
        self.failures: list[BaseException] = []
        self.config = BrokerConfig(
            data_dir=Path("/data"),
            broker_id=broker_id,
            super_users=frozenset({ANONYMOUS}),
            limits=limits or Limits(),
            static_configs={name.replace("_", "."): value for name, value in static.items()},
        )
        self.session = new_session()
        self.broker = self._open()

    def _open(self) -> Broker:
        self.executor = HeldExecutor()
        return open_broker(
            self.config,
            self.files,
            self.executor,
            listeners=(BrokerListener("PLAINTEXT", "broker.test", 9092),),
            rng=random.Random(5),
            now_ms=self.now_ms,
            boot_id="boot",
            on_failure=self.failures.append,
            peers=self.peers,
        )

    def restart(self, stop: Callable[["World"], None]) -> None:
        """`stop` says how the first one ends."""
        stop(self)
        self.session = new_session()  # No connection outlives its process.
        self.broker = self._open()
        self.settle()

    def settle(self) -> None:
        """Turns and ticks until nothing moves: everything synced and loaded."""
        for _ in range(10):
            self.executor.run()
            self.broker.tick(self.now_ms)

    def sleep(self, ms: int) -> None:
        self.now_ms += ms
        self.broker.tick(self.now_ms)

    def send(self, key: int, version: int, body: bytes) -> Asked:
        """Dispatch one request, then end the turn."""
        head = encode_request_header(RequestHeader(key, version, 77, "test"))
        frame = memoryview(bytearray(head + body))
        reply = dispatch(self.broker, self.session, frame, self.now_ms)
        if reply is not None and reply.parked is not None:
            reply.parked.when_done(lambda _: None)
        self.broker.end_turn(self.now_ms)
        return Asked(self, key, version, reply)

    def ask(self, request: object, version: int) -> Asked:
        key = next(key for key, spec in API_KEYS.items() if spec.name == api_name(request))
        return self.send(key, version, encode(request, version))

    # --- what most tests ask -------------------------------------------------------------------

    def create_topic(self, name: str, partitions: int = 1, **configs: str) -> None:
        rows = [
            CreateTopicsRequestConfig(key.replace("_", "."), value)
            for key, value in configs.items()
        ]
        topic = CreateTopicsRequestTopic(name, partitions, 1, configs=rows)
        asked = self.ask(CreateTopicsRequest(topics=[topic]), 5)
        self.executor.run()
        assert asked.response().topics[0].error_code == 0, asked.response()

    def alter_topic(self, name: str, **configs: str) -> None:
        self._alter(TOPIC_RESOURCE, name, configs)

    def alter_broker(self, name: str, **configs: str) -> None:
        """name: a broker's id, or "" for all."""
        self._alter(BROKER_RESOURCE, name, configs)

    def _alter(self, kind: int, name: str, configs: Mapping[str, str]) -> None:
        rows = [
            IncrementalAlterConfigsRequestConfig(key.replace("_", "."), SET, value)
            for key, value in configs.items()
        ]
        resource = IncrementalAlterConfigsRequestResource(kind, name, rows)
        asked = self.ask(IncrementalAlterConfigsRequest([resource]), 1)
        self.executor.run()
        assert asked.response().responses[0].error_code == 0, asked.response()

    def produce(
        self,
        topic: str,
        batch: bytes | None,
        *,
        acks: int = -1,
        version: int = 9,
        partition: int = 0,
        timeout_ms: int = 5_000,
    ) -> Asked:
        rows = [ProduceRequestPartition(partition, batch)]
        request = ProduceRequest(
            acks=acks,
            timeout_ms=timeout_ms,
            topic_data=[ProduceRequestTopic(topic, self.topic_id(topic), partition_data=rows)],
        )
        return self.ask(request, version)

    def fetch(
        self,
        topic: str,
        offset: int,
        *,
        version: int = 12,
        max_wait_ms: int = 500,
        min_bytes: int = 1,
        **more: Any,
    ) -> Asked:
        row = FetchRequestPartition(0, fetch_offset=offset, partition_max_bytes=1 << 20, **more)
        request = FetchRequest(
            max_wait_ms=max_wait_ms,
            min_bytes=min_bytes,
            topics=[FetchRequestTopic(topic, self.topic_id(topic), partitions=[row])],
        )
        return self.ask(request, version)

    def topic_id(self, name: str) -> UUID:
        """A topic's id, or one that no topic has."""
        topic = self.broker.image.topic(name)
        return UUID(int=77) if topic is None else topic.topic_id


def new_session() -> Session:
    return Session(listener="PLAINTEXT", principal=ANONYMOUS, client_host="127.0.0.1")


def api_name(request: object) -> str:
    return type(request).__name__.removesuffix("Request")


def batch_of(*values: bytes, **more: Any) -> bytes:
    """One record batch of these values."""
    records = [Record(at, 0, b"key", value, ()) for at, value in enumerate(values)]
    return encode_batch(records, base_timestamp_ms=NOW_MS, **more)


def produced(asked: Asked) -> ProduceResponsePartition:
    response: ProduceResponse = asked.response()
    (topic,) = response.responses
    (row,) = topic.partition_responses
    return row


def fetched(asked: Asked) -> FetchResponsePartition:
    response: FetchResponse = asked.response()
    (topic,) = response.responses
    (row,) = topic.partitions
    return row


def crc_broken(batch: bytes) -> bytes:
    return batch[:-1] + struct.pack("B", batch[-1] ^ 1)
