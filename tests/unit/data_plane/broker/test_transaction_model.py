"""Many producers, aborts, timeouts, fences and crashes: what read_committed readers then see.

Method: a whole broker over an in-memory disk; seeded clients that do what clients do and a few
things they should not. The model knows of each transaction only what its client was told: committed
for sure, never, or (no answer to its commit) perhaps. Readers must see each transaction whole or
not at all, once, in order, and never one that nobody decided to commit.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from tests.unit.data_plane.broker.transaction_clients import (
    GROUP,
    TIMEOUT_MS,
    TransactionalClient,
    committed_offset,
    read_committed,
)
from tests.unit.data_plane.broker.world import World

PARTITIONS = 3
NONE = ErrorCode.NONE


@dataclass
class Attempt:
    """One transaction as its client knows it: values by partition, and the group's offset."""

    values: dict[int, list[bytes]] = field(default_factory=dict)
    offset: int | None = None
    fate: str = "never"  # committed, never, perhaps
    partitions: set[int] = field(default_factory=set)


class Worker:
    """One transactional id, whose processes come and go."""

    def __init__(self, model: "Model", name: str, *, is_v2: bool) -> None:
        self.model = model
        self.client = TransactionalClient(model.world, name, is_v2=is_v2)
        self.attempt: Attempt | None = None
        self.is_ready = False

    def step(self, rng: random.Random) -> None:
        if not self.is_ready:
            self.attempt = None
            self.is_ready = self.client.init() is NONE
        elif self.attempt is None:
            self.attempt = Attempt()
            self.model.attempts.append(self.attempt)
        elif rng.random() < 0.55:
            self.write(rng, self.attempt)
        elif rng.random() < 0.25:
            self.write_offset(rng, self.attempt)
        else:
            self.end(rng, self.attempt)

    def write(self, rng: random.Random, attempt: Attempt) -> None:
        partition = rng.randrange(PARTITIONS)
        if partition not in attempt.partitions:
            if self.client.add(partition) is not NONE:
                self.is_ready = False
                return
            attempt.partitions.add(partition)
        values = [self.model.new_value() for _ in range(rng.randint(1, 3))]
        if self.client.produce(partition, *values) is not NONE:
            self.is_ready = False  # It may be in the log all the same: this one never commits.
            return
        attempt.values.setdefault(partition, []).extend(values)

    def write_offset(self, rng: random.Random, attempt: Attempt) -> None:
        offset = rng.randrange(1_000)
        self.is_ready = (
            self.client.add_offsets() is NONE and self.client.commit_offset(offset) is NONE
        )
        if self.is_ready:
            attempt.offset = offset

    def end(self, rng: random.Random, attempt: Attempt) -> None:
        is_commit = rng.random() < 0.6
        is_written = bool(attempt.partitions) or attempt.offset is not None
        self.attempt = None
        if not is_written:
            return
        if rng.random() < 0.1:
            self.end_and_crash(rng, attempt, is_commit=is_commit)
            return
        code = self.client.end(is_commit=is_commit)
        if code is not NONE:
            self.is_ready = False
        if is_commit and code is NONE:
            attempt.fate = "committed"
        elif is_commit and code is None:
            attempt.fate = "perhaps"

    def end_and_crash(self, rng: random.Random, attempt: Attempt, *, is_commit: bool) -> None:
        """The power goes somewhere between the request and the last marker."""
        world = self.model.world
        world.executor.is_held = True
        asked = self.client.ask_end(is_commit=is_commit)
        for _ in range(rng.randrange(4)):  # Each sync lets the commit go one step on.
            waiting, world.executor.waiting = world.executor.waiting[:1], []
            for work, done in waiting:
                for one in work:
                    one()
                done(None)
            world.broker.end_turn(world.now_ms)
        code = self.client.ended(asked)
        if is_commit and code in (NONE, None):
            attempt.fate = "committed" if code is NONE else "perhaps"
        self.is_ready = code is NONE  # Else nobody knows what the next write would join.
        self.model.crash(rng)


class Model:
    """The world and everything that was attempted in it."""

    def __init__(self, versions: Sequence[bool]) -> None:
        self.world = World(segment_bytes="2000")
        self.world.create_topic("t", PARTITIONS, segment_bytes="2000")
        self.attempts: list[Attempt] = []
        self.written = 0
        self.workers = [
            Worker(self, f"id-{number}", is_v2=is_v2) for number, is_v2 in enumerate(versions)
        ]
        self.stable = [0] * PARTITIONS
        for worker in self.workers:
            worker.client.find()
        self.world.ask(FindCoordinatorRequest(GROUP), 3)
        self.world.settle()

    def new_value(self) -> bytes:
        self.written += 1
        return b"%d" % self.written

    def crash(self, rng: random.Random) -> None:
        self.world.restart(lambda old: old.files.crash(rng))
        for worker in self.workers:
            worker.is_ready = worker.is_ready and rng.random() < 0.7  # Some die with the broker.

    def stop(self) -> None:
        self.world.settle()
        self.world.restart(lambda old: old.broker.close())

    def step(self, rng: random.Random) -> None:
        what = rng.random()
        if what < 0.93:
            rng.choice(self.workers).step(rng)
        elif what < 0.95:
            self.world.sleep(rng.choice([10, TIMEOUT_MS // 2, TIMEOUT_MS + 1]))
            self.world.settle()
        elif what < 0.97:
            rng.choice(self.workers).is_ready = False  # The process dies; a new one fences it.
        elif what < 0.985:
            self.crash(rng)
        else:
            self.stop()
        self.check_watermarks()

    def check_watermarks(self) -> None:
        for index in range(PARTITIONS):
            partition = self.world.broker.partition("t", index)
            stable = partition.last_stable_offset
            assert self.stable[index] <= stable <= partition.high_watermark
            self.stable[index] = stable

    def check_end(self, rng: random.Random) -> None:
        """Every transaction is over by then; nothing holds readers back."""
        self.world.settle()
        self.world.sleep(TIMEOUT_MS + 1)
        for _ in range(5):
            self.world.settle()
            self.world.sleep(200)
        for index in range(PARTITIONS):
            partition = self.world.broker.partition("t", index)
            assert partition.last_stable_offset == partition.high_watermark
        seen = [read_committed(self.world, "t", index, rng) for index in range(PARTITIONS)]
        self.check_seen(seen)
        self.check_offset()

    def check_seen(self, seen: list[list[bytes]]) -> None:
        everything = [value for values in seen for value in values]
        assert len(everything) == len(set(everything)), "a record was delivered twice"
        allowed = set()
        for attempt in self.attempts:
            mine = {value for values in attempt.values.values() for value in values}
            shown = mine & set(everything)
            if attempt.fate == "committed":
                assert shown == mine, "a committed transaction is torn or lost"
            elif attempt.fate == "never":
                assert not shown, "records of an aborted transaction are seen"
            else:
                assert shown in (mine, set()), "a transaction is torn"
            allowed |= shown
        assert set(everything) == allowed, "records nobody committed are seen"
        for index, values in enumerate(seen):
            expected = [
                value
                for attempt in self.attempts
                for value in attempt.values.get(index, ())
                if value in allowed
            ]
            assert values == sorted(expected, key=int)

    def check_offset(self) -> None:
        code, offset = committed_offset(self.world, require_stable=True)
        assert code is NONE
        possible = {a.offset for a in self.attempts if a.fate != "never" and a.offset is not None}
        assert offset in possible | {-1}
        if any(a.fate == "committed" and a.offset is not None for a in self.attempts):
            assert offset != -1


@pytest.mark.semantics("28c", "69d")
@pytest.mark.parametrize(
    "versions",
    [(False, False, False), (True, True, True), (False, True, True)],
    ids=["v1", "v2", "mixed"],
)
@pytest.mark.parametrize("seed", range(10))
def test_readers_see_whole_committed_transactions_only(
    seed: int, versions: tuple[bool, ...]
) -> None:
    """versions: which clients follow transaction.version 2. One case: -k "[<seed>-v2]"."""
    rng = random.Random(seed)
    model = Model(versions)
    for _ in range(150):
        model.step(rng)
    model.check_end(rng)
