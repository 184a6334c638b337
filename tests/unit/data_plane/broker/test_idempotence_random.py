"""Random histories of an idempotent producer on three brokers that fail, as in
`test_replication_random`; its promises are checked too.

Invariants (KIP-98): in no replica's log, committed or not, has the producer's sequence a gap or a
repeat; what a log remembers of its producers is what a replay of it from its start gives; the
batch that is next never meets OUT_OF_ORDER_SEQUENCE_NUMBER, upon which clients give up.
One case: -k "[<mode>-<seed>]".
"""

import itertools
from typing import NamedTuple

import pytest

from data_plane.log.partition_log import PartitionLog
from data_plane.log.producer_state import ProducerStates
from data_plane.metadata.records import CommitMode
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.records.batch import iter_batches
from tests.unit.data_plane.broker.cluster_world import TOPIC, Sent, outcome
from tests.unit.data_plane.broker.test_replication_random import RandomCluster, bytes_of, live
from tests.unit.data_plane.broker.world import batch_of

SEEDS = range(10)
PRODUCER_ID = 7
IN_FLIGHT_MAX = 5  # as many as a broker remembers


class Flight(NamedTuple):
    """One request under way: which batch, to which process."""

    number: int
    sent: Sent
    broker_id: int
    life: int


class IdempotentCluster(RandomCluster):
    """One producer beside the others; like librdkafka it repeats a batch until it is told of it.

    After a failure it sends nothing before all that is under way has been answered, and then
    begins again with the first batch that it was not told of.
    """

    def __init__(self, seed: int, mode: CommitMode) -> None:
        super().__init__(seed, mode)
        self.under_way_to: list[Flight] = []
        self.told: set[int] = set()
        self.next_number = 0  # of the batch to be sent next
        self.epoch = -1  # the newest leader epoch that the client has heard of
        self.has_failed = False
        self.seen: dict[int, tuple[PartitionLog, int]] = {}

    def create_topic(
        self, partitions: int = 1, *, mode: CommitMode = CommitMode.SPREAD, **configs: str
    ) -> None:
        """Segments of a few batches, so that snapshots are written, used and removed."""
        super().create_topic(partitions, mode=mode, segment_bytes="700", **configs)

    def produce_one(self) -> None:
        for _ in range(self.rng.randrange(1, 4)):
            self.send_next()

    def send_next(self) -> None:
        self.take_answers()
        if self.has_failed and self.under_way_to:
            return
        if self.has_failed:
            self.has_failed = False
            self.next_number = 0
        while self.next_number in self.told:
            self.next_number += 1
        leader = self.leader_to_ask()
        first_untold = next(one for one in itertools.count() if one not in self.told)
        if leader is None or self.next_number - first_untold >= IN_FLIGHT_MAX:
            return
        number = self.next_number
        batch = batch_of(
            b"idempotent %d;" % number,
            producer_id=PRODUCER_ID,
            producer_epoch=0,
            base_sequence=number,
        )
        sent = self.produce(leader, batch)
        self.under_way_to.append(Flight(number, sent, leader, self.nodes[leader].life))
        self.next_number += 1

    def leader_to_ask(self) -> int | None:
        """Who says that it leads, in an epoch that is not older than the client knows."""
        if self.under_way_to:
            return self.under_way_to[-1].broker_id
        found = []
        for node in self.nodes:
            if node.broker is not None:
                row = node.broker.image.topics[TOPIC].partitions[0]
                if row.leader == node.broker_id and row.leader_epoch >= self.epoch:
                    found.append((node.broker_id, row.leader_epoch))
        if not found:
            return None
        broker_id, self.epoch = self.rng.choice(found)
        return broker_id

    def take_answers(self) -> None:
        left = []
        for flight in self.under_way_to:
            node = self.nodes[flight.broker_id]
            if flight.sent.is_answered:
                code = outcome(flight.sent)
                if code == ErrorCode.NONE:
                    self.told.add(flight.number)
                    continue
                is_first = all(one in self.told for one in range(flight.number))
                assert not (is_first and code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER), flight
                self.has_failed = True
            elif node.broker is None or node.life != flight.life or self.rng.random() < 0.02:
                self.has_failed = True  # The connection was lost.
            else:
                left.append(flight)
        self.under_way_to = left

    def check(self) -> None:
        super().check()
        for node in self.nodes:
            log = self.log_of(node.broker_id)
            if log is not None and self.seen.get(node.broker_id) != (log, log.log_end_offset):
                self.seen[node.broker_id] = log, log.log_end_offset
                self.check_producers(node.broker_id, log)

    def check_producers(self, broker_id: int, log: PartitionLog) -> None:
        replayed, expected = ProducerStates(), 0
        for _, header in iter_batches(memoryview(bytes_of(log, log.log_end_offset))):
            replayed.replay(header, self.now_ms, None)
            if header.producer_id == PRODUCER_ID:
                assert header.base_sequence == expected, f"broker {broker_id}, {header}"
                expected += 1
        known = {one: state._replace(seen_ms=0) for one, state in log.producers.items()}
        wanted = {one: state._replace(seen_ms=0) for one, state in replayed.items()}
        assert known == wanted, f"broker {broker_id}"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mode", [CommitMode.SYNCED, CommitMode.SPREAD], ids=["synced", "spread"])
def test_a_retried_batch_is_in_no_log_twice(mode: CommitMode, seed: int) -> None:
    world = IdempotentCluster(seed, mode)
    live(world)
    before = max(world.told, default=0)
    for _ in range(20):
        world.produce_one()
        world.settle(ms=500)
        world.check()
    assert max(world.told) > before, "the producer does not get on"
