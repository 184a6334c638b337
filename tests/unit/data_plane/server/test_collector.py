"""Full collections: when idle, behind work, and now and then where a process is never idle."""

import gc
from collections.abc import Iterator

import pytest

from data_plane.server.collector import BUSY_S_MAX, NEVER, FullCollections, begin, freeze


class Process:
    """A clock, a processor, and how often everything was collected."""

    def __init__(self) -> None:
        self.now_s = self.worked_s = 0.0
        self.collected = 0
        self.full = FullCollections(lambda: self.now_s, lambda: self.worked_s, self.collect)

    def collect(self) -> None:
        self.collected += 1

    def live(self, seconds: float, *, share: float) -> bool:
        self.now_s += seconds
        self.worked_s += seconds * share
        return self.full.look()


def test_an_idle_process_is_left_alone() -> None:
    process = Process()
    for _ in range(100):
        assert not process.live(2.5, share=0.01)
    assert not process.collected


def test_behind_work_one_collection_when_it_is_idle() -> None:
    process = Process()
    for _ in range(20):
        assert not process.live(2.5, share=0.8)
    assert process.live(2.5, share=0.01)
    assert not process.live(2.5, share=0.01)
    assert process.collected == 1


def test_one_that_is_never_idle_collects_now_and_then() -> None:
    process = Process()
    for _ in range(4 * int(BUSY_S_MAX / 2.5)):
        process.live(2.5, share=0.9)
    assert process.collected == 4


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("collector")
def test_a_process_collects_nothing_whole_by_itself_and_does_not_walk_what_is_frozen() -> None:
    begin()
    assert gc.get_threshold()[2] == NEVER
    gc.enable()
    kept: list[list[int]] = [[] for _ in range(1_000)]
    freeze()
    assert gc.get_freeze_count() >= len(kept)
    full = gc.get_stats()[2]["collections"]
    rows = [[number] for number in range(300_000)]  # Six young collections and more.
    assert gc.get_stats()[2]["collections"] == full
    assert gc.get_stats()[0]["collections"] > 0
    assert len(rows) == 300_000
