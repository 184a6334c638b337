"""Simulated clients: real frames over simulated connections, retries, and what was promised."""

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, NamedTuple, TypeVar

from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.headers import RequestHeader, encode_request_header, read_response_header
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from data_plane.protocol.messages.init_producer_id import InitProducerIdRequest
from data_plane.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from data_plane.protocol.records.record import Record, encode_batch
from data_plane.protocol.schema import decode, encode, info_of
from tests.simulation.cluster_invariants import ClusterInvariants, Place, Violation
from tests.simulation.machine import EPOCH_MS
from tests.simulation.plan import MAIN
from tests.simulation.streams import Connection, Streams

T = TypeVar("T")

BACKOFF_MS = 100
WINDOW_BATCHES = 5  # of one producer, not acknowledged; brokers remember so many (KIP-185)
PATIENCE_MS = 4_000
NOBODY = -1
VERSIONS = {0: 9, 1: 12, 3: 9, 19: 7, 22: 4, 44: 1}

OnResponse = Callable[[Any], None]  # the response, or None: lost


class Ask(NamedTuple):
    """One request of a script; the response comes back, or None: lost."""

    broker: int
    request: object
    version: int


# Does something that takes its time; what it is given is called when that is over.
Doing = Callable[[Callable[[], None]], None]
# What a client does, one thing after the other: it asks, once or several times without waiting for
# the answer between, waits for so many milliseconds, or for what it does to be over.
Script = Generator[Ask | list[Ask] | int | Doing, Any, T]


@dataclass(frozen=True, slots=True)
class Who:
    """One client's place in the world."""

    number: int  # in the network
    brokers: int
    streams: Streams
    rng: Random
    invariants: ClusterInvariants


class Client:
    """Requests to each broker in order; a connection that is late is left for another."""

    def __init__(self, who: Who) -> None:
        self.number = who.number
        self.rng = who.rng
        self.schedule = who.streams.schedule
        self.invariants = who.invariants
        self._brokers = who.brokers
        self._streams = who.streams
        self._connections: dict[int, Connection] = {}
        self._waiting: dict[int, deque[tuple[int, OnResponse]]] = {}
        self._correlation_id = 0
        self.leaders: dict[Place, tuple[int, int]] = {}  # (leader, epoch)
        self._epochs: dict[Place, int] = {}  # the newest known; who tells of an older one is late

    @property
    def now_ms(self) -> int:
        return EPOCH_MS + self.schedule.now_ms

    def some_broker(self) -> int:
        return self.rng.randrange(self._brokers)

    def later(self, act: Callable[[], None], ms: int = BACKOFF_MS) -> None:
        self.schedule.after(ms + self.rng.randrange(20), act)

    def ask(
        self, broker: int, request: object, on_response: OnResponse, version: int | None = None
    ) -> None:
        self._correlation_id += 1
        number = self._correlation_id
        key = info_of(type(request)).api_key
        version = VERSIONS[key] if version is None else version
        head = encode_request_header(RequestHeader(key, version, number, f"client {self.number}"))
        connection = self._connections.get(broker)
        if connection is None:
            connection = self._connections[broker] = self._streams.connect(
                self.number, broker, lambda frame: self._take(broker, frame)
            )
        waiting = self._waiting.setdefault(broker, deque())
        waiting.append((number, lambda body: on_response(self._decoded(key, version, body))))
        connection.ask(head + bytes(encode(request, version)))
        self.schedule.after(PATIENCE_MS, lambda: self._give_up(broker, number))

    def _decoded(self, key: int, version: int, frame: bytes | None) -> Any:
        if frame is None:
            return None
        _, at = read_response_header(key, version, frame)
        return decode(API_KEYS[key].response, version, frame, at)

    def _take(self, broker: int, frame: bytes | None) -> None:
        """None: the connection is gone, and with it every answer that was to come."""
        waiting = self._waiting.get(broker, deque())
        if frame is not None:
            waiting.popleft()[1](frame)
            return
        self._connections.pop(broker, None)
        self._waiting[broker] = deque()
        for _, on_response in waiting:
            on_response(None)

    def _give_up(self, broker: int, number: int) -> None:
        if any(asked == number for asked, _ in self._waiting.get(broker, ())):
            self._connections[broker].hang_up()
            self._take(broker, None)

    def play(self, script: Script[None]) -> None:
        """Carry a script out, step by step."""

        def go_on(answer: Any) -> None:
            try:
                step = script.send(answer)
            except StopIteration:
                return
            if isinstance(step, Ask):
                self.ask(step.broker, step.request, go_on, step.version)
            elif isinstance(step, list):
                self._ask_all(step, go_on)
            elif callable(step):
                step(lambda: go_on(None))
            else:
                self.schedule.after(step, lambda: go_on(None))

        go_on(None)

    def _ask_all(self, asks: list[Ask], then: Callable[[list[Any]], None]) -> None:
        """Without waiting for one answer before the next request."""
        answers: dict[int, Any] = {}

        def told(at: int, answer: Any) -> None:
            answers[at] = answer
            if len(answers) == len(asks):
                then([answers[one] for one in range(len(asks))])

        for at, one in enumerate(asks):
            self.ask(one.broker, one.request, partial(told, at), one.version)

    def leader(self, place: Place) -> Script[int]:
        """Who leads a partition, as soon as anybody says so."""
        while place not in self.leaders:
            request = MetadataRequest(topics=[MetadataRequestTopic(name=place[0])])
            response = yield Ask(self.some_broker(), request, VERSIONS[3])
            self._take_leaders(place[0], response)
            yield 1 if place in self.leaders else self.backoff_ms()
        return self.leaders[place][0]

    def coordinator(self, key: str, key_type: int) -> Script[int]:
        """Who coordinates a group or a transactional id, as soon as anybody says so."""
        while True:
            request = FindCoordinatorRequest(key, key_type)
            response = yield Ask(self.some_broker(), request, 3)
            if response is not None and not response.error_code:
                return int(response.node_id)
            yield self.backoff_ms()

    def backoff_ms(self) -> int:
        return BACKOFF_MS + self.rng.randrange(20)

    def _take_leaders(self, topic: str, response: Any) -> None:
        for row in () if response is None else response.topics[0].partitions:
            place = (topic, row.partition_index)
            if row.leader_id != NOBODY and row.leader_epoch >= self._epochs.get(place, -1):
                self._epochs[place] = row.leader_epoch
                self.leaders[place] = (row.leader_id, row.leader_epoch)

    def find_leaders(self, then: Callable[[], None], topic: str = MAIN) -> None:
        """Ask any broker, until one knows; `then` looks at `leaders`."""

        def told(response: Any) -> None:
            self._take_leaders(topic, response)
            self.later(then, 1)

        request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)])
        self.ask(self.some_broker(), request, told)


class Worker(Client):
    """A client that has something to do all the time, until it is told to stop."""

    def __init__(self, who: Who) -> None:
        super().__init__(who)
        self.done = 0  # how much of it; grows
        self.is_stopping = False
        self.is_idle = False

    def start(self) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.number}: {self.done}, idle {self.is_idle}"


class Sent(NamedTuple):
    """A batch that was not acknowledged yet."""

    number: int  # of its producer's batches
    batch: bytes
    values: list[bytes]


class Producer(Worker):
    """Idempotent, acks=all, up to five batches under way, which are tried again in their order.

    What was acknowledged has to be there for good, once.
    """

    def __init__(self, who: Who, place: Place) -> None:
        super().__init__(who)
        self.place = place
        self.acknowledged = 0
        self.retried = 0
        self._producer_id = -1
        self._epoch = -1
        self._sequence = 0
        self._count = 0

    def start(self) -> None:
        self.play(self._live())

    def _live(self) -> Script[None]:
        yield from self._initialise()
        rest: list[Sent] = []
        while rest or not self.is_stopping:
            sent = rest or [self._next() for _ in range(self.rng.choice([1, 1, 1, 2, 5]))]
            leader = yield from self.leader(self.place)
            answers = yield [Ask(leader, self._request(one), VERSIONS[0]) for one in sent]
            rest = self._unacknowledged(sent, answers)
            if rest:
                self.retried += 1
                self.leaders.pop(self.place, None)
                yield self.backoff_ms()
            else:
                yield self.rng.choice([0, 200, 800])
        self.is_idle = True

    def _initialise(self) -> Script[None]:
        while self._producer_id < 0:
            response = yield Ask(self.some_broker(), InitProducerIdRequest(), VERSIONS[22])
            if response is None or response.error_code:
                yield self.backoff_ms()
            else:
                self._producer_id, self._epoch = response.producer_id, response.producer_epoch

    def _next(self) -> Sent:
        self._count += 1
        count = self.rng.choice([1, 1, 3])
        values = [b"%d-%d-%d" % (self.number, self._count, one) for one in range(count)]
        batch = encode_batch(
            [Record(at, 0, b"key", value) for at, value in enumerate(values)],
            base_timestamp_ms=self.now_ms,
            producer_id=self._producer_id,
            producer_epoch=self._epoch,
            base_sequence=self._sequence,
        )
        self._sequence += count
        return Sent(self._count, batch, values)

    def _request(self, sent: Sent) -> ProduceRequest:
        name, index = self.place
        rows = [ProduceRequestPartition(index, sent.batch)]
        topic = ProduceRequestTopic(name, partition_data=rows)
        return ProduceRequest(acks=-1, timeout_ms=2_000, topic_data=[topic])

    def _unacknowledged(
        self, sent: list[Sent], answers: list[Any], *, is_first: bool = True
    ) -> list[Sent]:
        """is_first: nothing is under way before these."""
        rest: list[Sent] = []
        for one, response in zip(sent, answers, strict=True):
            row = None if response is None else response.responses[0].partition_responses[0]
            if row is not None and row.error_code == ErrorCode.NONE:
                self.acknowledged += len(one.values)
                self.done += 1
                self.invariants.acknowledged(self.place, row.base_offset, one.values)
                continue
            if row is not None:
                self._check(ErrorCode(row.error_code), is_first=is_first and not rest)
            rest.append(one)
        return rest

    def _check(self, code: ErrorCode, *, is_first: bool) -> None:
        """Behind one that failed the next is out of order; nothing else may be."""
        is_fatal = code in (ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.UNKNOWN_PRODUCER_ID)
        if is_fatal or (is_first and code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER):
            raise Violation(f"producer {self.number} keeps the rules and is told {code.name}")


class FullWindowProducer(Producer):
    """As a producer under load: as much under way as may be, and with each answer one more.

    Once something fails it waits for all that is under way, then all that is left goes again.
    """

    def __init__(self, who: Who, place: Place) -> None:
        super().__init__(who, place)
        self._window: list[Sent] = []  # not acknowledged, in order
        self._to_come = 0  # of what it has to write now
        self._under_way = 0
        self._has_failed = False

    def _live(self) -> Script[None]:
        yield from self._initialise()
        while self._window or not self.is_stopping:
            if not self._window and not self._to_come:
                self._to_come = self.rng.choice([5, 8, 20])
            leader = yield from self.leader(self.place)
            yield partial(self._write, leader)
            if self._window:
                self.retried += 1
                self.leaders.pop(self.place, None)
                yield self.backoff_ms()
            else:
                yield self.rng.choice([100, 600, 1_500])
        self.is_idle = True

    def _write(self, leader: int, then: Callable[[], None]) -> None:
        self._has_failed = False
        for sent in self._window:
            self._send(leader, sent, then)
        self._fill(leader, then)

    def _fill(self, leader: int, then: Callable[[], None]) -> None:
        while self._to_come and self._has_room and not self._has_failed:
            self._to_come -= 1
            self._window.append(self._next())
            self._send(leader, self._window[-1], then)

    @property
    def _has_room(self) -> bool:
        """Brokers remember the newest batches: the oldest one not acknowledged is to be of them."""
        return not self._window or self._count + 1 - self._window[0].number < WINDOW_BATCHES

    def _send(self, leader: int, sent: Sent, then: Callable[[], None]) -> None:
        self._under_way += 1

        def told(response: Any) -> None:
            self._under_way -= 1
            if self._unacknowledged([sent], [response], is_first=sent is self._window[0]):
                self._has_failed = True
            else:
                self._window.remove(sent)
            self._fill(leader, then)
            if not self._under_way:
                then()

        self.ask(leader, self._request(sent), told)


class ImpatientProducer(Producer):
    """Gives up what has no answer, and goes on in its next epoch, as clients do whose time for a
    delivery is over (KIP-360). What it gave up may be there, but not behind what came later.
    """

    def _live(self) -> Script[None]:
        yield from self._initialise()
        while not self.is_stopping:
            sent = [self._next() for _ in range(self.rng.choice([1, 1, 2]))]
            leader = yield from self.leader(self.place)
            answers = yield [Ask(leader, self._request(one), VERSIONS[0]) for one in sent]
            if self._unacknowledged(sent, answers):
                self.retried += 1
                self._epoch, self._sequence = self._epoch + 1, 0
                self.leaders.pop(self.place, None)
                yield self.backoff_ms()
            else:
                yield self.rng.choice([0, 200, 400])
        self.is_idle = True


class CarelessProducer(Worker):
    """acks=1, nothing is tried again: what it writes may be lost, and no replica may disagree."""

    def __init__(self, who: Who, place: Place) -> None:
        super().__init__(who)
        self.place = place

    def start(self) -> None:
        self.play(self._live())

    def _live(self) -> Script[None]:
        while not self.is_stopping:
            leader = yield from self.leader(self.place)
            batch = encode_batch([Record(0, 0, b"k", b"v")], base_timestamp_ms=self.now_ms)
            rows = [ProduceRequestPartition(self.place[1], batch)]
            request = ProduceRequest(
                acks=1,
                timeout_ms=2_000,
                topic_data=[ProduceRequestTopic(self.place[0], partition_data=rows)],
            )
            response = yield Ask(leader, request, VERSIONS[0])
            if response and not response.responses[0].partition_responses[0].error_code:
                self.done += 1
            else:
                self.leaders.pop(self.place, None)
            yield self.rng.choice([30, 100, 500])
        self.is_idle = True


class Reader(Client):
    """Reads a partition to its end again and again; whatever it sees must be what is committed."""

    def __init__(self, who: Who, place: Place) -> None:
        super().__init__(who)
        self.place = place
        self.read = 0
        self._offset = 0

    def start(self) -> None:
        leader, epoch = self.leaders.get(self.place, (NOBODY, -1))
        name, index = self.place
        if leader == NOBODY:
            self.find_leaders(lambda: self.later(self.start), name)
            return
        row = FetchRequestPartition(index, current_leader_epoch=epoch, fetch_offset=self._offset)
        topic = FetchRequestTopic(name, partitions=[row])
        request = FetchRequest(max_wait_ms=300, min_bytes=1, topics=[topic])
        self.ask(leader, request, self._told)

    def _told(self, response: Any) -> None:
        if response is not None and not response.error_code and response.responses:
            row = response.responses[0].partitions[0]
            deleted_to = self.invariants.oracle(*self.place).deleted_to
            if row.error_code == ErrorCode.OFFSET_OUT_OF_RANGE and self._offset < deleted_to:
                self._offset = deleted_to
                self.later(self.start)
                return
            if row.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
                raise Violation(f"a reader is told that offset {self._offset} is nowhere")
            if not row.error_code:
                self._offset = self.invariants.was_read(
                    self.place, self._offset, bytes(row.records or b"")
                )
                self.read += 1
                if self.rng.random() < 0.02:
                    self._offset = 0
                self.later(self.start, 200)
                return
        self.leaders.pop(self.place, None)
        self.later(self.start)
