"""Open transactions and the aborted index, whatever happens to a log.

Method: a model that keeps every batch that is in the log, and derives from it alone what is open,
undecided and aborted; seeded appends, rolls, reopenings, torn tails, cuts and damaged files.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.records.control import Marker, MarkerType, encode_marker
from tests.factories.record_batches import (
    DIRECTORY,
    NOW_MS,
    client_batch,
    memory_files,
    new_log,
    reopen,
    sync,
)

SMALL = LogConfig(segment_bytes=700, index_interval_bytes=150)
PRODUCERS = range(1, 5)


@dataclass
class Batch:
    """One batch of the model; marker: None for data."""

    base_offset: int
    last_offset: int
    producer_id: int = -1
    is_transactional: bool = False
    marker: MarkerType | None = None


def marker_batch(
    producer_id: int, kind: MarkerType, *, epoch: int = 0, coordinator: int = 0
) -> memoryview:
    batch = encode_marker(
        Marker(kind, coordinator),
        producer_id=producer_id,
        producer_epoch=epoch,
        timestamp_ms=NOW_MS,
    )
    return memoryview(bytearray(batch))


@dataclass
class World:
    """A log and its model."""

    files: MemoryFiles = field(default_factory=memory_files)
    batches: list[Batch] = field(default_factory=list)
    high_watermark: int = 0

    def __post_init__(self) -> None:
        self.log: PartitionLog = new_log(self.files, SMALL)

    def append(self, batch: memoryview, model: Batch, *, is_client: bool = True) -> None:
        staged = self.log.stage(
            batch, leader_epoch=0, now_ms=NOW_MS, is_client=is_client, is_verified=True
        )
        self.log.write()
        model.base_offset, model.last_offset = staged.base_offset, staged.last_offset
        self.batches.append(model)

    def data(self, producer_id: int, count: int, epoch: int = 0) -> None:
        known = self.log.producers.get(producer_id)
        sequence = known.batches[-1].last_sequence + 1 if known and known.batches else 0
        batch = client_batch(
            [b"x"] * count,
            producer_id=producer_id,
            producer_epoch=epoch,
            sequence=sequence,
            is_transactional=True,
        )
        self.append(batch, Batch(0, 0, producer_id, is_transactional=True))

    def plain(self, count: int) -> None:
        self.append(client_batch([b"y"] * count), Batch(0, 0))

    def end(self, producer_id: int, kind: MarkerType, epoch: int = 0) -> None:
        model = Batch(0, 0, producer_id, is_transactional=True, marker=kind)
        self.append(marker_batch(producer_id, kind, epoch=epoch), model, is_client=False)

    def commit_high_watermark(self) -> None:
        sync(self.log)
        self.high_watermark = self.log.log_end_offset
        self.log.forget_decided(self.high_watermark)

    def open_again(self, *, was_clean: bool) -> None:
        """What is there counts as committed no sooner than it did: other replicas may lack it.

        A start is told of the high watermark when there is one again.
        """
        self.log = reopen(self.files, SMALL, was_clean=was_clean)
        self.cut(self.log.log_end_offset)
        self.log.forget_decided(self.high_watermark)

    def cut(self, end: int) -> None:
        """The model follows what was lost."""
        self.batches = [batch for batch in self.batches if batch.last_offset < end]
        self.high_watermark = min(self.high_watermark, end)

    def transactions(self) -> tuple[dict[int, int], list[tuple[int, int, int, MarkerType]]]:
        """(open: producer -> first offset, ended: (producer, first, last, kind))."""
        begun: dict[int, int] = {}
        ended = []
        for batch in self.batches:
            if batch.marker is not None:
                first = begun.pop(batch.producer_id, None)
                if first is not None:
                    ended.append((batch.producer_id, first, batch.last_offset, batch.marker))
            elif batch.is_transactional:
                begun.setdefault(batch.producer_id, batch.base_offset)
        return begun, ended

    def check(self, rng: random.Random) -> None:
        begun, ended = self.transactions()
        assert dict(self.log.producers.open_transactions) == begun
        unstable = [*begun.values()]
        unstable += [first for _, first, last, _ in ended if last >= self.high_watermark]
        assert self.log.first_unstable_offset == min(unstable, default=None)
        self.check_aborted(rng, ended)

    def check_aborted(
        self, rng: random.Random, ended: list[tuple[int, int, int, MarkerType]]
    ) -> None:
        log = self.log
        limit = min([self.high_watermark, log.first_unstable_offset or self.high_watermark])
        offset = rng.randint(log.log_start_offset, max(log.log_start_offset, limit))
        part = log.read(
            offset, bytes_max=rng.choice([1, 200, 5000]), offset_limit=limit, at_least_one=True
        )
        found = log.aborted_transactions(offset, part, limit)
        if not part.size_bytes:
            assert found == []
            return
        read = self.batches_in(part.read_bytes())
        end = read[-1].last_offset + 1
        expected = [
            (producer_id, first)
            for producer_id, first, last, kind in ended
            if kind is MarkerType.ABORT and last >= offset and first < end
        ]
        assert [(one.producer_id, one.first_offset) for one in found] == expected

    def batches_in(self, data: bytes) -> list[Batch]:
        start = int.from_bytes(data[:8], "big")
        rest, found = len(data), []
        for batch in self.batches:
            if batch.base_offset >= start and rest > 0:
                found.append(batch)
                at = len(data) - rest
                rest -= int.from_bytes(data[at + 8 : at + 12], "big") + 12
        assert rest == 0
        return found


def tear(world: World, rng: random.Random) -> None:
    """A crash: unsynced bytes are lost from a random byte on."""
    world.files.crash(rng)
    world.open_again(was_clean=False)


def stop_cleanly(world: World, _: random.Random) -> None:
    world.log.close(is_clean=True)
    world.open_again(was_clean=True)


def damage(world: World, rng: random.Random) -> None:
    """A clean stop; then a transaction index has another byte, or is cut."""
    world.log.close(is_clean=True)
    names = [n for n in world.files.list_names(DIRECTORY) if n.endswith(".txnindex")]
    if names:
        file = world.files.open(DIRECTORY / rng.choice(names))
        size = file.size_bytes()
        content = bytearray(file.read(0, size))
        content[rng.randrange(size)] ^= 1 << rng.randrange(8)
        file.truncate(0)
        kept = content if rng.random() < 0.5 else content[: rng.randrange(size)]
        file.append([bytes(kept)], len(kept))
    world.open_again(was_clean=True)


def shorten(world: World, rng: random.Random) -> None:
    world.log.truncate_to(rng.randint(world.log.log_start_offset, world.log.log_end_offset))
    sync(world.log)  # Until then a crash brings back what was cut.
    world.cut(world.log.log_end_offset)


def step(world: World, rng: random.Random) -> None:
    producer_id = rng.choice(PRODUCERS)
    what = rng.random()
    if what < 0.45:
        world.data(producer_id, rng.randint(1, 4))
    elif what < 0.65:
        world.end(producer_id, rng.choice(list(MarkerType)))
    elif what < 0.75:
        world.plain(rng.randint(1, 3))
    elif what < 0.88:
        world.commit_high_watermark()
    elif what < 0.90:
        world.log.roll()
    else:
        rng.choice([tear, shorten, damage, stop_cleanly])(world, rng)


@pytest.mark.semantics("69a", "69c")
@pytest.mark.parametrize("seed", range(60))
def test_the_log_knows_what_its_batches_say(seed: int) -> None:
    """One case: -k "[<seed>]"."""
    rng = random.Random(seed)
    world = World()
    for _ in range(120):
        step(world, rng)
        world.check(rng)


@pytest.mark.semantics("69a")
@pytest.mark.parametrize("is_rolled", [False, True])
@pytest.mark.parametrize("was_clean", [False, True])
def test_a_marker_of_before_a_start_counts_once_it_is_committed(
    was_clean: bool, is_rolled: bool
) -> None:
    """Its broker has synced it and leads; whether the other replicas have it, it is yet to hear."""
    world = World()
    world.plain(3)
    world.commit_high_watermark()
    world.data(1, 2)
    world.end(1, MarkerType.COMMIT)
    if is_rolled:
        world.log.roll()
        world.plain(1)
    sync(world.log)
    if was_clean:
        world.log.close(is_clean=True)
    else:
        world.files.crash()
    world.open_again(was_clean=was_clean)
    assert world.log.first_unstable_offset == 3
    world.commit_high_watermark()
    assert world.log.first_unstable_offset is None


def code_of(action: Callable[[], object]) -> ErrorCode:
    try:
        action()
    except KafkaError as error:
        return error.code
    return ErrorCode.NONE


@pytest.mark.semantics("71a")
def test_nobody_opens_a_transaction_that_the_coordinator_does_not_know() -> None:
    log = new_log(memory_files())
    batch = client_batch(producer_id=1, producer_epoch=0, sequence=0, is_transactional=True)
    with pytest.raises(KafkaError) as refused:
        log.stage(batch, leader_epoch=0, now_ms=NOW_MS)
    assert refused.value.code is ErrorCode.INVALID_TXN_STATE
    log.stage(batch, leader_epoch=0, now_ms=NOW_MS, is_verified=True)
    more = client_batch(producer_id=1, producer_epoch=0, sequence=1, is_transactional=True)
    log.stage(more, leader_epoch=0, now_ms=NOW_MS)
    log.write()
    assert log.first_unstable_offset == 0


def test_a_transactional_batch_must_name_its_producer() -> None:
    log = new_log(memory_files())
    with pytest.raises(KafkaError) as refused:
        log.stage(client_batch(is_transactional=True), leader_epoch=0, now_ms=NOW_MS)
    assert refused.value.code is ErrorCode.INVALID_RECORD


def test_a_batch_outside_the_open_transaction_is_refused() -> None:
    world = World()
    world.data(1, 1)
    plain = client_batch(producer_id=1, producer_epoch=0, sequence=1)
    with pytest.raises(KafkaError) as refused:
        world.log.stage(plain, leader_epoch=0, now_ms=NOW_MS)
    assert refused.value.code is ErrorCode.INVALID_TXN_STATE


def test_a_producer_with_an_open_transaction_does_not_expire() -> None:
    world = World()
    world.data(1, 1)
    world.log.apply_retention(NOW_MS + 10 * SMALL.producer_id_expiration_ms)
    assert world.log.first_unstable_offset == 0
    world.end(1, MarkerType.COMMIT)
    world.log.apply_retention(NOW_MS + 10 * SMALL.producer_id_expiration_ms)
    assert len(world.log.producers) == 0


@pytest.mark.semantics("68c")
@pytest.mark.parametrize(
    ("epoch", "coordinator", "code"),
    [
        (4, 7, ErrorCode.INVALID_PRODUCER_EPOCH),
        (5, 6, ErrorCode.TRANSACTION_COORDINATOR_FENCED),
        (5, 7, ErrorCode.NONE),
        (6, 8, ErrorCode.NONE),
    ],
)
def test_late_markers_are_fenced(epoch: int, coordinator: int, code: ErrorCode) -> None:
    log = new_log(memory_files())
    first = marker_batch(1, MarkerType.ABORT, epoch=5, coordinator=7)
    log.stage(first, leader_epoch=0, now_ms=NOW_MS, is_client=False)
    log.write()
    assert code_of(lambda: log.producers.check_marker(1, epoch, coordinator)) is code


def test_a_late_copy_of_a_marker_does_not_end_the_next_transaction() -> None:
    """KIP-1228: under transaction.version 2 each end raises the epoch, and the next transaction
    is written at the epoch that the marker before it has brought."""
    world = World()
    world.data(1, 1, epoch=4)
    world.end(1, MarkerType.COMMIT, epoch=5)
    producers = world.log.producers
    again = code_of(lambda: producers.check_marker(1, 5, 0, is_bumping=True))
    assert again is ErrorCode.NONE, "there is nothing to end: the answer was lost, and it is done"
    world.data(1, 1, epoch=5)
    late = code_of(lambda: producers.check_marker(1, 5, 0, is_bumping=True))
    assert late is ErrorCode.INVALID_PRODUCER_EPOCH
    assert code_of(lambda: producers.check_marker(1, 6, 0, is_bumping=True)) is ErrorCode.NONE
    before_2 = code_of(lambda: producers.check_marker(1, 5, 0))
    assert before_2 is ErrorCode.NONE, "an end without a new epoch"


def test_a_marker_that_finds_no_room_ends_nothing() -> None:
    world = World()
    world.data(1, 1)
    world.commit_high_watermark()
    world.files.fail("append", 28, ".log")
    batch = marker_batch(1, MarkerType.ABORT)
    world.log.stage(batch, leader_epoch=0, now_ms=NOW_MS, is_client=False)
    with pytest.raises(KafkaError):
        world.log.write()
    assert world.log.first_unstable_offset == 0
    world.check(random.Random(0))
    world.end(1, MarkerType.ABORT)
    world.commit_high_watermark()
    world.check(random.Random(0))
