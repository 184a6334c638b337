"""Transactional producers and read_committed readers, and what they may see.

A producer knows of each of its transactions only what it was told: committed for sure, never, or
(no answer to its commit) perhaps. The truth is in the markers that were committed.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from data_plane.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnRequestTopic,
)
from data_plane.protocol.messages.end_txn import EndTxnRequest
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from data_plane.protocol.messages.find_coordinator import GROUP, TRANSACTION
from data_plane.protocol.messages.init_producer_id import InitProducerIdRequest
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from data_plane.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from data_plane.protocol.records.record import Record, encode_batch
from tests.simulation.clients import WINDOW_BATCHES, Ask, Client, Script, Who, Worker
from tests.simulation.cluster_invariants import Place, Violation
from tests.simulation.oracle import Batch, Oracle, batches_of
from tests.simulation.plan import MAIN

TIMEOUT_MS = 8_000
NONE = ErrorCode.NONE
OUT_OF_ORDER = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
# What says that the same request may do at another time, or at another broker.
PASSING = frozenset(
    {
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.CONCURRENT_TRANSACTIONS,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.NOT_CONTROLLER,
    }
)


@dataclass(slots=True)
class Attempt:
    """One transaction as its producer knows it. fate: committed, never, or perhaps."""

    values: dict[Place, list[bytes]] = field(default_factory=dict)
    offset: int = -1
    fate: str = "never"


class Unwritten(NamedTuple):
    """A batch of a transaction that is not known to be there."""

    place: Place
    request: ProduceRequest


class GivenUp(Exception):
    """The producer was told what no retry changes: it begins anew, as a new process does."""


class TransactionalProducer(Worker):
    """One transactional id. is_v2: nothing is added before it is written (KIP-890)."""

    def __init__(self, who: Who, partitions: int, *, is_v2: bool) -> None:
        super().__init__(who)
        self.transactional_id = f"x-{who.number}"
        self.group_id = f"xg-{who.number}"
        self.attempts: list[Attempt] = []
        self.given_up = 0
        self._partitions = partitions
        self._is_v2 = is_v2
        self._producer_id = self._epoch = -1
        self._sequences: dict[Place, int] = {}
        self._coordinators: dict[int, int] = {}  # key type: broker

    def start(self) -> None:
        self.play(self._live())

    def _live(self) -> Script[None]:
        while not self.is_stopping:
            try:
                yield from self._initialise()
                while not self.is_stopping:
                    yield from self._transaction()
                    yield self.rng.choice([100, 900, 2_000])
                    if self.rng.random() < 0.05:
                        break  # Another process takes its id.
            except GivenUp:
                self.given_up += 1
                yield self.backoff_ms()
        self.is_idle = True

    def _initialise(self) -> Script[None]:
        self.invariants.time_outs.is_to_end(self.transactional_id)
        request = InitProducerIdRequest(self.transactional_id, TIMEOUT_MS)
        response = yield from self._at_coordinator(TRANSACTION, request, 4, top_code)
        self._producer_id, self._epoch = response.producer_id, response.producer_epoch
        self._sequences.clear()

    def _transaction(self) -> Script[None]:
        attempt = Attempt()
        self.attempts.append(attempt)
        self.invariants.time_outs.begins(self.transactional_id)
        added: set[Place] = set()
        for number in range(self.rng.choice([1, 2, 3])):
            places = [(MAIN, at) for at in self._some_partitions()]
            for place in places if not self._is_v2 else ():
                if place not in added:
                    yield from self._add(place)
                added.add(place)
            each = self.rng.choice([1, 1, 2, WINDOW_BATCHES])
            yield from self._write(
                [self._next(place, attempt, (number, at)) for place in places for at in range(each)]
            )
            yield self.rng.choice([0, 0, 20, 300])
            if self.rng.random() < 0.03:
                raise GivenUp  # The process is killed with its transaction open.
        if self.rng.random() < 0.4:
            yield from self._write_offset(attempt)
        yield from self._end(attempt, is_commit=self.rng.random() < 0.7)

    def _add(self, place: Place) -> Script[None]:
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.transactional_id,
            v3_and_below_producer_id=self._producer_id,
            v3_and_below_producer_epoch=self._epoch,
            v3_and_below_topics=[AddPartitionsToTxnRequestTopic(place[0], [place[1]])],
        )
        yield from self._at_coordinator(TRANSACTION, request, 3, added_code)

    def _some_partitions(self) -> list[int]:
        """Mostly one; several are written to at once."""
        count = min(self._partitions, self.rng.choice([1, 1, 2]))
        return self.rng.sample(range(self._partitions), count)

    def _next(self, place: Place, attempt: Attempt, number: tuple[int, int]) -> Unwritten:
        count = self.rng.choice([1, 1, 2])
        prefix = b"%d-%d-%d-%d-%d" % (self.number, len(self.attempts), place[1], *number)
        values = [b"%b-%d" % (prefix, at) for at in range(count)]
        attempt.values.setdefault(place, []).extend(values)
        batch = encode_batch(
            [Record(at, 0, b"key", value) for at, value in enumerate(values)],
            base_timestamp_ms=self.now_ms,
            producer_id=self._producer_id,
            producer_epoch=self._epoch,
            base_sequence=self._sequences.get(place, 0),
            is_transactional=True,
        )
        topic = ProduceRequestTopic(
            place[0], partition_data=[ProduceRequestPartition(place[1], batch)]
        )
        self._sequences[place] = self._sequences.get(place, 0) + count
        return Unwritten(place, ProduceRequest(self.transactional_id, -1, 2_000, [topic]))

    def _write(self, rest: list[Unwritten]) -> Script[None]:
        """All at once, and what is left in its order again, until it is there or cannot be."""
        version = 12 if self._is_v2 else 9
        while rest:
            asks: list[Ask] = []
            for one in rest:
                leader = yield from self.leader(one.place)
                asks.append(Ask(leader, one.request, version))
            answers = yield asks
            rest = self._unwritten(rest, answers)
            for one in rest:
                self.leaders.pop(one.place, None)
            if rest:
                yield self.backoff_ms()

    def _unwritten(self, sent: list[Unwritten], answers: list[Any]) -> list[Unwritten]:
        """Raises GivenUp. Behind one that failed the next of its partition is out of order."""
        rest: list[Unwritten] = []
        for one, response in zip(sent, answers, strict=True):
            code = None if response is None else produced_code(response)
            if code is NONE:
                continue
            if code is None and self.rng.random() < 0.2:
                raise GivenUp  # The process is killed with the batch under way.
            is_first = all(other.place != one.place for other in rest)
            if code is OUT_OF_ORDER and is_first:
                if self._is_v2 and self.invariants.oracle(*one.place).deleted_to:
                    raise GivenUp  # What it wrote before is gone, as anybody asked for.
                raise Violation(f"producer {self.number} keeps the rules and is out of order")
            if code is not None and code not in PASSING and code is not OUT_OF_ORDER:
                raise GivenUp
            rest.append(one)
        return rest

    def _write_offset(self, attempt: Attempt) -> Script[None]:
        if not self._is_v2:
            added = AddOffsetsToTxnRequest(
                self.transactional_id, self._producer_id, self._epoch, self.group_id
            )
            yield from self._at_coordinator(TRANSACTION, added, 3, top_code)
        attempt.offset = len(self.attempts)
        row = TxnOffsetCommitRequestPartition(0, committed_offset=attempt.offset)
        request = TxnOffsetCommitRequest(
            self.transactional_id,
            self.group_id,
            self._producer_id,
            self._epoch,
            topics=[TxnOffsetCommitRequestTopic(MAIN, partitions=[row])],
        )
        yield from self._at_coordinator(GROUP, request, 5 if self._is_v2 else 3, offset_code)

    def _end(self, attempt: Attempt, *, is_commit: bool) -> Script[None]:
        if is_commit:
            attempt.fate = "perhaps"
        else:
            self.invariants.time_outs.is_to_end(self.transactional_id)
        request = EndTxnRequest(self.transactional_id, self._producer_id, self._epoch, is_commit)
        response = yield from self._at_coordinator(
            TRANSACTION, request, 5 if self._is_v2 else 3, top_code
        )
        if is_commit:
            attempt.fate = "committed"
        self.done += 1
        if self._is_v2:
            self._producer_id, self._epoch = response.producer_id, response.producer_epoch
            self._sequences.clear()

    def _at_coordinator(
        self, key_type: int, request: object, version: int, code_of: Any
    ) -> Script[Any]:
        """Until it is done. Raises GivenUp."""
        key = self.transactional_id if key_type == TRANSACTION else self.group_id
        while True:
            if key_type not in self._coordinators:
                self._coordinators[key_type] = yield from self.coordinator(key, key_type)
            response = yield Ask(self._coordinators[key_type], request, version)
            code = None if response is None else code_of(response)
            if code is None:
                self.invariants.time_outs.has_no_answer(self.transactional_id)
            if code is NONE:
                return response
            if code is not None and code not in PASSING:
                raise GivenUp
            if code is not ErrorCode.CONCURRENT_TRANSACTIONS:
                self._coordinators.pop(key_type, None)
            yield self.backoff_ms()


def top_code(response: Any) -> ErrorCode:
    return ErrorCode(response.error_code)


def added_code(response: Any) -> ErrorCode:
    rows = response.results_by_topic_v3_and_below[0].results_by_partition
    return ErrorCode(rows[0].partition_error_code)


def offset_code(response: Any) -> ErrorCode:
    return ErrorCode(response.topics[0].partitions[0].error_code)


def produced_code(response: Any) -> ErrorCode:
    return ErrorCode(response.responses[0].partition_responses[0].error_code)


class CommittedReader(Client):
    """read_committed, by the rules of Kafka's own consumer; judged batch by batch."""

    def __init__(self, who: Who, place: Place) -> None:
        super().__init__(who)
        self.place = place
        self.read = 0
        self._offset = 0

    def start(self) -> None:
        self.play(self._live())

    def _live(self) -> Script[None]:
        while True:
            leader = yield from self.leader(self.place)
            row = FetchRequestPartition(
                self.place[1],
                current_leader_epoch=self.leaders[self.place][1],
                fetch_offset=self._offset,
                partition_max_bytes=self.rng.choice([1, 300, 1 << 20]),
            )
            topic = FetchRequestTopic(self.place[0], partitions=[row])
            request = FetchRequest(max_wait_ms=500, isolation_level=1, topics=[topic])
            response = yield Ask(leader, request, 12)
            if response is None or response.error_code or not response.responses:
                self.leaders.pop(self.place, None)
                yield self.backoff_ms()
            elif not self._taken(response.responses[0].partitions[0]):
                yield self.backoff_ms()
            else:
                yield 250

    def _taken(self, row: Any) -> bool:
        """False if it is to ask again, perhaps elsewhere."""
        oracle = self.invariants.oracle(*self.place)
        if row.error_code == ErrorCode.OFFSET_OUT_OF_RANGE and self._offset < oracle.deleted_to:
            self._offset = oracle.deleted_to
            return True
        if row.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
            raise Violation(f"a reader is told that offset {self._offset} is nowhere")
        if row.error_code:
            self.leaders.pop(self.place, None)
            return False
        if row.last_stable_offset > row.high_watermark:
            raise Violation(f"the last stable offset of {self.place} is above its high watermark")
        self._judge(oracle, row)
        self.read += 1
        if self.rng.random() < 0.03:
            self._offset = 0
        return True

    def _judge(self, oracle: Oracle, row: Any) -> None:
        to_come = [(one.first_offset, one.producer_id) for one in row.aborted_transactions or ()]
        to_come.sort(reverse=True)
        aborting: set[int] = set()
        for batch in batches_of(bytes(row.records or b"")):
            while to_come and to_come[-1][0] < batch.next_offset:
                aborting.add(to_come.pop()[1])
            if batch.is_control:
                aborting.discard(batch.producer_id)
            is_hidden = batch.is_transactional and batch.producer_id in aborting
            if batch.next_offset > self._offset:
                self._judge_batch(oracle, batch, is_hidden=is_hidden)
                self._offset = batch.next_offset

    def _judge_batch(self, oracle: Oracle, batch: Batch, *, is_hidden: bool) -> None:
        oracle.check(batch, "read_committed")
        if batch.next_offset > oracle.stable_end:
            raise Violation(f"{self.place}: {batch.base_offset} was read, and is not decided")
        if not batch.is_control and is_hidden != (batch.base_offset in oracle.aborted):
            raise Violation(f"{self.place}: {batch.base_offset} was read hidden: {is_hidden}")


def judge_transactions(
    producers: list[TransactionalProducer], oracles: dict[Place, Oracle]
) -> None:
    """Each whole or not at all, once; nothing stays open."""
    fates: dict[bytes, list[bool]] = {}  # value: committed, at each place where it is
    for place, oracle in oracles.items():
        if oracle.open:
            raise Violation(f"{place}: transactions are stuck since {oracle.open}")
        for batch in oracle.batches if place[0] == MAIN else ():
            if batch.is_transactional and not batch.is_control:
                for _, value in batch.records().values():
                    is_committed = batch.base_offset not in oracle.aborted
                    fates.setdefault(value or b"", []).append(is_committed)
    for producer in producers:
        for attempt in producer.attempts:
            judge_attempt(attempt, fates)


def judge_attempt(attempt: Attempt, fates: dict[bytes, list[bool]]) -> None:
    values = [value for some in attempt.values.values() for value in some]
    found = [fates.get(value, []) for value in values]
    shown = [any(one) for one in found]
    if any(len(one) > 1 for one in found):
        raise Violation(f"a transaction's record is there twice: {values} {found}")
    is_as_told = {
        "committed": all(shown),
        "never": not any(shown),
        "perhaps": all(shown) or not any(shown),
    }[attempt.fate]
    if not is_as_told:
        raise Violation(f"a transaction ({attempt.fate}) is torn: {values} {found}")
