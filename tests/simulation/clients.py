"""Simulated clients: real frames over simulated connections, retries, and what was promised."""

from collections.abc import Callable
from random import Random
from typing import Any

from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.headers import RequestHeader, encode_request_header, read_response_header
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from data_plane.protocol.messages.init_producer_id import InitProducerIdRequest
from data_plane.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from data_plane.protocol.records.record import Record, encode_batch
from data_plane.protocol.schema import decode, encode, info_of
from tests.simulation.cluster_invariants import ClusterInvariants, Violation
from tests.simulation.streams import Connection, Streams

TOPIC = "t"
BACKOFF_MS = 100
PATIENCE_MS = 4_000
NOBODY = -1
VERSIONS = {0: 9, 1: 12, 3: 9, 19: 7, 22: 4, 44: 1}

OnResponse = Callable[[Any], None]  # the response, or None: lost


class Client:
    """One request at a time to each broker; a connection that is late is left for another."""

    def __init__(self, number: int, brokers: int, streams: Streams, rng: Random) -> None:
        self.number = number
        self.rng = rng
        self.schedule = streams.schedule
        self._brokers = brokers
        self._streams = streams
        self._connections: dict[int, Connection] = {}
        self._waiting: dict[int, tuple[int, OnResponse]] = {}
        self._correlation_id = 0
        self.leaders: dict[int, tuple[int, int]] = {}  # partition: (leader, epoch)
        self._epochs: dict[int, int] = {}  # the newest known; who tells of an older one is late

    def some_broker(self) -> int:
        return self.rng.randrange(self._brokers)

    def later(self, act: Callable[[], None], ms: int = BACKOFF_MS) -> None:
        self.schedule.after(ms + self.rng.randrange(20), act)

    def ask(self, broker: int, request: object, on_response: OnResponse) -> None:
        self._correlation_id += 1
        number = self._correlation_id
        key = info_of(type(request)).api_key
        version = VERSIONS[key]
        head = encode_request_header(RequestHeader(key, version, number, f"client {self.number}"))
        connection = self._connections.get(broker)
        if connection is None:
            connection = self._connections[broker] = self._streams.connect(
                self.number, broker, lambda frame: self._take(broker, frame)
            )
        self._waiting[broker] = (
            number,
            lambda body: on_response(self._decoded(key, version, body)),
        )
        connection.ask(head + bytes(encode(request, version)))
        self.schedule.after(PATIENCE_MS, lambda: self._give_up(broker, number))

    def _decoded(self, key: int, version: int, frame: bytes | None) -> Any:
        if frame is None:
            return None
        _, at = read_response_header(key, version, frame)
        return decode(API_KEYS[key].response, version, frame, at)

    def _take(self, broker: int, frame: bytes | None) -> None:
        if frame is None:
            self._connections.pop(broker, None)
        waiting = self._waiting.pop(broker, None)
        if waiting is not None:
            waiting[1](frame)

    def _give_up(self, broker: int, number: int) -> None:
        waiting = self._waiting.get(broker)
        if waiting is not None and waiting[0] == number:
            self._connections.pop(broker).hang_up()
            self._take(broker, None)

    def find_leaders(self, then: Callable[[], None]) -> None:
        """Ask any broker, until one knows; `then` looks at `leaders`."""

        def told(response: Any) -> None:
            for topic in () if response is None else response.topics:
                for row in topic.partitions:
                    epoch = self._epochs.get(row.partition_index, -1)
                    if row.leader_id != NOBODY and row.leader_epoch >= epoch:
                        self._epochs[row.partition_index] = row.leader_epoch
                        self.leaders[row.partition_index] = (row.leader_id, row.leader_epoch)
            self.later(then, 1)

        request = MetadataRequest(topics=[MetadataRequestTopic(name=TOPIC)])
        self.ask(self.some_broker(), request, told)


class Producer(Client):
    """Idempotent, acks=all, one batch under way: what was acknowledged has to be there for good."""

    FATAL = frozenset(
        {
            ErrorCode.INVALID_PRODUCER_EPOCH,
            ErrorCode.UNKNOWN_PRODUCER_ID,
            ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        }
    )

    def __init__(
        self,
        number: int,
        brokers: int,
        streams: Streams,
        rng: Random,
        *,
        index: int,
        invariants: ClusterInvariants,
    ) -> None:
        super().__init__(number, brokers, streams, rng)
        self.index = index
        self.is_stopping = False
        self.is_idle = False
        self.acknowledged = 0
        self.retried = 0
        self._invariants = invariants
        self._producer_id = -1
        self._epoch = -1
        self._sequence = 0
        self._count = 0

    def start(self) -> None:
        """Get a producer id, then send."""

        def told(response: Any) -> None:
            if response is None or response.error_code:
                self.later(self.start)
                return
            self._producer_id, self._epoch = response.producer_id, response.producer_epoch
            self._next()

        self.ask(self.some_broker(), InitProducerIdRequest(), told)

    def _next(self) -> None:
        if self.is_stopping:
            self.is_idle = True
            return
        self._count += 1
        count = self.rng.choice([1, 1, 3])
        values = [b"%d-%d-%d" % (self.number, self._count, one) for one in range(count)]
        records = [Record(at, 0, b"key", value) for at, value in enumerate(values)]
        batch = encode_batch(
            records,
            base_timestamp_ms=self._count,
            producer_id=self._producer_id,
            producer_epoch=self._epoch,
            base_sequence=self._sequence,
        )
        self._sequence += count
        self._send(batch, values)

    def _send(self, batch: bytes, values: list[bytes]) -> None:
        leader, _ = self.leaders.get(self.index, (NOBODY, -1))
        if leader == NOBODY:
            self.find_leaders(lambda: self._send_or_wait(batch, values))
            return
        topic = ProduceRequestTopic(
            TOPIC, partition_data=[ProduceRequestPartition(self.index, batch)]
        )
        request = ProduceRequest(acks=-1, timeout_ms=2_000, topic_data=[topic])
        self.ask(leader, request, lambda response: self._told(response, batch, values))

    def _send_or_wait(self, batch: bytes, values: list[bytes]) -> None:
        if self.index in self.leaders:
            self._send(batch, values)
        else:
            self.later(lambda: self._send(batch, values))

    def _told(self, response: Any, batch: bytes, values: list[bytes]) -> None:
        if response is not None:
            row = response.responses[0].partition_responses[0]
            if row.error_code in self.FATAL:
                code = ErrorCode(row.error_code).name
                raise Violation(f"producer {self.number} keeps the rules and is told {code}")
            if row.error_code == ErrorCode.NONE:
                self.acknowledged += len(values)
                self._invariants.acknowledged(self.index, row.base_offset, values)
                self.later(self._next, self.rng.choice([0, 50, 400]))
                return
        self.retried += 1
        self.leaders.pop(self.index, None)
        self.later(lambda: self._send(batch, values))


class Reader(Client):
    """Reads a partition to its end again and again; whatever it sees must be what is committed."""

    def __init__(
        self,
        number: int,
        brokers: int,
        streams: Streams,
        rng: Random,
        *,
        index: int,
        invariants: ClusterInvariants,
    ) -> None:
        super().__init__(number, brokers, streams, rng)
        self.index = index
        self.read = 0
        self._offset = 0
        self._invariants = invariants

    def start(self) -> None:
        leader, epoch = self.leaders.get(self.index, (NOBODY, -1))
        if leader == NOBODY:
            self.find_leaders(lambda: self.later(self.start))
            return
        row = FetchRequestPartition(
            self.index, current_leader_epoch=epoch, fetch_offset=self._offset
        )
        topic = FetchRequestTopic(TOPIC, partitions=[row])
        request = FetchRequest(max_wait_ms=300, min_bytes=1, topics=[topic])
        self.ask(leader, request, self._told)

    def _told(self, response: Any) -> None:
        if response is not None and not response.error_code and response.responses:
            row = response.responses[0].partitions[0]
            if row.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
                raise Violation(f"a reader is told that offset {self._offset} is nowhere")
            if not row.error_code:
                self._offset = self._invariants.was_read(
                    self.index, self._offset, bytes(row.records or b"")
                )
                self.read += 1
                if self.rng.random() < 0.02:
                    self._offset = 0
                self.later(self.start, 50)
                return
        self.leaders.pop(self.index, None)
        self.later(self.start)
