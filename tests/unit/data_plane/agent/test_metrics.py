"""Sample numbers never repeat; samples wait, bounded, until they are stored."""

from pathlib import Path

from data_plane.agent.engines.base import Reading
from data_plane.agent.metrics import RESERVED_AHEAD, SampleNumbers, SampleQueue
from data_plane.agent.storage import Storage

T = 1_800_000_000_000


def test_numbers_grow_across_restarts_and_clock_steps(tmp_path: Path) -> None:
    first = SampleNumbers(Storage(tmp_path), T)
    taken = [first.take() for _ in range(3)]
    assert taken == [T, T + 1, T + 2]
    set_back = SampleNumbers(Storage(tmp_path), T - 10**9)
    assert set_back.take() == T + RESERVED_AHEAD
    later = SampleNumbers(Storage(tmp_path), T + 10**9)
    assert later.take() == T + 10**9


def test_a_reservation_is_written_before_it_is_used_up(tmp_path: Path) -> None:
    numbers = SampleNumbers(Storage(tmp_path), T)
    for _ in range(RESERVED_AHEAD + 1):
        last = numbers.take()
    assert int((tmp_path / "sequence").read_text()) > last


def test_a_damaged_file_falls_back_to_the_clock(tmp_path: Path) -> None:
    (tmp_path / "sequence").write_text("?")
    assert SampleNumbers(Storage(tmp_path), T).take() == T


def test_samples_stay_until_stored(tmp_path: Path) -> None:
    queue = SampleQueue(SampleNumbers(Storage(tmp_path), T), 10)
    queue.add("c", 0, T, [Reading("topics", 1.0), Reading("bytes_in_total", 2.0, "flights")])
    (first,) = queue.first(1)
    assert (first.name, first.value, first.topic, first.sequence) == ("topics", 1.0, None, T)
    assert queue.first(1) == [first]
    queue.stored([first])
    assert [sample.topic for sample in queue.first(5)] == ["flights"]
    queue.stored([])
    assert len(queue) == 1


def test_the_oldest_go_when_the_queue_is_full(tmp_path: Path) -> None:
    queue = SampleQueue(SampleNumbers(Storage(tmp_path), T), 2)
    queue.add("c", 0, T, [Reading("topics", float(value)) for value in range(3)])
    assert [sample.value for sample in queue.first(5)] == [1.0, 2.0]
    dropped_meanwhile = queue.first(2)
    queue.add("c", 0, T, [Reading("topics", 3.0)])
    queue.stored(dropped_meanwhile)
    assert [sample.value for sample in queue.first(5)] == [3.0]
