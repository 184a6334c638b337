"""Random histories of one partition on three brokers; after each step the promises are compared.

Invariants (durability.md 1): the committed prefix never changes; (a) every member of E holds it;
(b) under `synced` every member has it on disk; (c) under `spread`, whenever the high watermark
moves, E covers two nodes. What was acknowledged is in the committed prefix, for good. At the end
faults stop, and everything must come together.
One case: -k "[<mode>-<seed>]".
"""

import random
from collections.abc import Callable, Sequence

import pytest

from data_plane.log.partition_log import PartitionLog
from data_plane.metadata.commit_rules import Judges
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import TOPIC_RESOURCE, preview
from data_plane.metadata.leadership import NO_LEADER, eligible, led_by, ruled_by
from data_plane.metadata.records import CommitMode, ConfigRecord
from data_plane.protocol.errors import ErrorCode
from tests.unit.data_plane.broker.cluster_world import (
    TOPIC,
    TOPIC_ID,
    ClusterWorld,
    Message,
    Sent,
    outcome,
)
from tests.unit.data_plane.broker.world import batch_of

STEPS = 800
SEEDS = range(10)
KEY = (TOPIC, 0)


class RandomCluster(ClusterWorld):
    """One seed, one history."""

    def __init__(self, seed: int, mode: CommitMode, *, changes_mode: bool = False) -> None:
        super().__init__(replica_lag_time_max_ms="2000", min_insync_replicas="2")
        self.rng = random.Random(seed)
        self.mode = mode
        self.changes_mode = changes_mode
        self.sent: list[tuple[bytes, Sent]] = []
        self.committed = b""
        self.end = 0  # the offset at which `committed` ends
        self.unsure: set[int] = set()  # brokers that lost power and have not registered since
        self.log: list[str] = []
        self.create_topic(mode=mode)
        for node in self.nodes:
            node.executor.is_held = True

    # --- steps ---------------------------------------------------------------------------------

    def step(self) -> None:
        steps: Sequence[tuple[Callable[[], None], int]] = (
            (self.deliver_one, 120),
            (self.run_one, 60),
            (self.tick_one, 30),
            (self.learn_one, 40),
            (self.produce_one, 15),
            (self.fence_one, 1),
            (self.unfence_one, 6),
            (self.kill_one, 2),
            (self.restart_one, 6),
            (self.cut_one, 1),
            (self.mend_all, 4),
            (self.move_leader, 1),
            (self.change_mode, int(self.changes_mode)),
        )
        (act,) = self.rng.choices([one for one, _ in steps], [weight for _, weight in steps])
        self.log.append(act.__name__)
        act()
        self.check()

    def deliver_one(self) -> None:
        """Messages between two brokers keep their order; all else is open."""
        channels: dict[tuple[int, int], Message] = {}
        for message in self.queue:
            channels.setdefault((message.source, message.target), message)
        if channels:
            chosen = self.rng.choice(list(channels.values()))
            self.queue.remove(chosen)
            chosen.deliver()

    def run_one(self) -> None:
        node = self.rng.choice(self.nodes)
        if node.broker is not None:
            node.executor.run()

    def tick_one(self) -> None:
        self.now_ms += self.rng.randrange(300)
        self.rng.choice(self.nodes).turn()

    def learn_one(self) -> None:
        self.rng.choice(self.nodes).learn()

    def produce_one(self) -> None:
        node = self.rng.choice(self.nodes)
        if node.broker is not None:
            value = b"value %d;" % len(self.sent)
            self.sent.append((value, self.produce(node.broker_id, batch_of(value))))

    def fence_one(self) -> None:
        self.fence(self.rng.randrange(len(self.nodes)))

    def unfence_one(self) -> None:
        for node in self.nodes:
            registered = self.image.brokers[node.broker_id]
            is_current = (
                registered.incarnation_id == self.registration(node.broker_id).incarnation_id
            )
            if node.broker is not None and registered.is_fenced and is_current:
                self.unfence(node.broker_id)

    def kill_one(self) -> None:
        """Under `spread` one power loss at a time is survived, under `synced` any number."""
        node = self.rng.choice(self.nodes)
        if node.broker is None:
            return
        is_synced = self.mode == CommitMode.SYNCED and not self.changes_mode
        may_lose_power = is_synced or not self.unsure
        power = may_lose_power and self.covers() and self.rng.random() < 0.5
        self.log.append(f"kill {node.broker_id} {power}")
        self.kill(node.broker_id, power=power, rng=self.rng)
        if power:
            self.unsure.add(node.broker_id)

    def covers(self) -> bool:
        """E covers two nodes that have not lost anything: another one may be lost."""
        if self.mode == CommitMode.SYNCED and not self.changes_mode:
            return True
        return len(set(eligible(self.rows[0]))) >= 2

    def restart_one(self) -> None:
        down = [node.broker_id for node in self.nodes if node.broker is None]
        if down:
            broker_id = self.rng.choice(down)
            self.restart(broker_id)
            self.unsure.discard(broker_id)
            self.nodes[broker_id].executor.is_held = True

    def cut_one(self) -> None:
        source, target = self.rng.sample(range(len(self.nodes)), 2)
        self.cut.add((source, target))

    def mend_all(self) -> None:
        self.cut.clear()

    def move_leader(self) -> None:
        row = self.rows[0]
        others = [
            one for one in row.isr if one != row.leader and one in self.image.active_brokers()
        ]
        if row.leader != NO_LEADER and others:
            judge = Judges(ConfigScope(self.image, -1, self.static)).of(TOPIC)
            self.decide([led_by(row, self.rng.choice(others), judge)])

    def change_mode(self) -> None:
        """Another flush.messages, and what follows from it, in one transaction."""
        flush = self.rng.choice(("1", None))
        config = ConfigRecord(TOPIC_RESOURCE, TOPIC, "flush.messages", flush)
        after = preview(self.image, [config])
        judge = Judges(ConfigScope(after, -1, self.static)).of(TOPIC)
        self.decide([config, ruled_by(self.rows[0], judge)])

    def altered(self, records: Sequence[object]) -> None:
        self.decide(records)

    # --- promises ------------------------------------------------------------------------------

    def check(self) -> None:
        for node in self.nodes:
            assert not node.failures, node.failures
            if node.broker is not None:
                partition = node.broker._partitions._open.get(KEY)
                if partition is not None:
                    self.check_watermark(node.broker_id, partition.log, partition.high_watermark)
        self.check_members()
        for value, sent in self.sent:
            if sent.is_answered and outcome(sent) == ErrorCode.NONE:
                assert self.committed.count(value) == 1, value

    def check_watermark(self, broker_id: int, log: PartitionLog, high_watermark: int) -> None:
        """Whatever any leader has told is the same prefix of the same log."""
        told = bytes_of(log, high_watermark)
        shorter = min(len(told), len(self.committed))
        assert told[:shorter] == self.committed[:shorter], f"broker {broker_id} tells otherwise"
        if high_watermark > self.end:
            self.committed, self.end = told, high_watermark

    def check_members(self) -> None:
        """(a) and (b), for those that are up; the others are looked at when they are back."""
        row = self.rows[0]
        for broker_id in eligible(row):
            log = self.log_of(broker_id)
            if log is None or broker_id in self.unsure:
                continue
            held = bytes_of(log, self.end)
            assert held == self.committed, f"broker {broker_id} of E lacks what is committed"
            if row.commit_mode == CommitMode.SYNCED:
                assert log.synced_offset >= self.end, f"broker {broker_id} has not synced it"

    def log_of(self, broker_id: int) -> PartitionLog | None:
        broker = self.nodes[broker_id].broker
        if broker is None:
            return None
        logs = broker.log_dir.open_logs()
        return next((log for key, log in logs.items() if key.topic_id == TOPIC_ID), None)

    # --- the end -------------------------------------------------------------------------------

    def heal(self) -> None:
        self.cut.clear()
        for node in self.nodes:
            if node.broker is None:
                self.restart(node.broker_id)
            node.executor.is_held = False
        self.unsure.clear()
        for _ in range(40):
            self.unfence_one()
            for node in self.nodes:
                self.learn_all(node.broker_id)
            self.settle(ms=500)
            self.check()


def bytes_of(log: PartitionLog, end: int) -> bytes:
    """What a log holds below an offset."""
    found, offset = b"", log.log_start_offset
    while offset < min(end, log.log_end_offset):
        part = log.read(offset, bytes_max=1 << 20, offset_limit=end, at_least_one=True)
        if not part.size_bytes:
            break
        found += part.read_bytes()
        offset = log._end_of(part)
    return found


def live(world: RandomCluster) -> None:
    """One history to its end: everything comes together, and a last record is committed."""
    for _ in range(STEPS):
        world.step()
    world.heal()
    row = world.rows[0]
    assert set(row.isr) == {0, 1, 2}, row
    last = world.produce(row.leader, batch_of(b"the last"))
    world.settle(ms=1_000)
    world.settle(ms=1_000)
    assert outcome(last) == ErrorCode.NONE
    world.check()
    logs = [world.log_bytes(one) for one in range(3)]
    assert logs[0] == logs[1] == logs[2] == world.committed


@pytest.mark.semantics("35a", "35c")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mode", [CommitMode.SYNCED, CommitMode.SPREAD], ids=["synced", "spread"])
def test_what_is_committed_stays(mode: CommitMode, seed: int) -> None:
    live(RandomCluster(seed, mode))


@pytest.mark.parametrize("seed", SEEDS)
def test_it_stays_while_the_mode_changes(seed: int) -> None:
    """From `spread` to `synced` through the barrier, and back."""
    live(RandomCluster(seed, CommitMode.SPREAD, changes_mode=True))
