"""Handshakes begin at once on an idle loop and take a quarter of a busy one."""

from collections.abc import Callable
from typing import Any

from data_plane.server.handshake_queue import BEGUN_MAX, HANDSHAKE_MS, INTERVAL_MS, HandshakeQueue
from data_plane.server.log_limit import LogLimit


class Loop:
    """Stands for the event loop: one timer, a clock, and how much its thread has computed."""

    def __init__(self) -> None:
        self.now_ms = 0.0
        self.thread_ms = 0.0
        self.due: Callable[[], None] | None = None

    def time(self) -> float:
        return self.now_ms / 1000

    def call_later(self, seconds: float, call: Callable[[], None]) -> Any:
        assert seconds == INTERVAL_MS / 1000
        self.due = call
        return self

    def cancel(self) -> None:
        self.due = None

    def pass_interval(self, *, busy_share: float) -> None:
        self.now_ms += INTERVAL_MS
        self.thread_ms += INTERVAL_MS * busy_share
        due, self.due = self.due, None
        if due is not None:
            due()


class Bench:
    def __init__(self, *, under_way_max: int = 1_000, waiting_max: int = 1_000) -> None:
        self.loop = Loop()
        self.begun = 0
        self.queue = HandshakeQueue(
            self.loop,  # type: ignore[arg-type]  # made up by the test
            under_way_max=under_way_max,
            waiting_max=waiting_max,
            thread_ms=lambda: self.loop.thread_ms,
        )

    def begin(self) -> None:
        self.begun += 1


def test_the_first_one_begins_at_once() -> None:
    bench = Bench()
    assert bench.queue.add(bench.begin)
    assert bench.begun == 1


def test_a_busy_loop_gives_a_quarter_of_itself() -> None:
    bench = Bench()
    for _ in range(500):
        bench.queue.add(bench.begin)
    before = bench.begun
    for _ in range(100):
        bench.loop.pass_interval(busy_share=1.0)
    assert (bench.begun - before) * HANDSHAKE_MS == 100 * INTERVAL_MS / 4


def test_an_idle_loop_gives_its_spare_time() -> None:
    bench = Bench()
    for _ in range(500):
        bench.queue.add(bench.begin)
    before = bench.begun
    for _ in range(10):
        bench.loop.pass_interval(busy_share=0.0)
    assert bench.begun - before == 10 * int(INTERVAL_MS / HANDSHAKE_MS)


def test_a_long_pause_does_not_bring_a_flood() -> None:
    bench = Bench()
    bench.loop.now_ms = 60_000.0
    for _ in range(100):
        bench.queue.add(bench.begin)
    assert bench.begun <= BEGUN_MAX


def test_those_under_way_are_limited() -> None:
    bench = Bench(under_way_max=2)
    for _ in range(5):
        bench.queue.add(bench.begin)
    for _ in range(5):
        bench.loop.pass_interval(busy_share=0.0)
    assert bench.begun == 2
    bench.queue.ended()
    bench.loop.pass_interval(busy_share=0.0)
    assert bench.begun == 3


def test_too_many_are_refused_and_close_forgets_the_rest() -> None:
    bench = Bench(waiting_max=3)
    taken = [bench.queue.add(bench.begin) for _ in range(6)]
    assert taken == [True, True, True, True, False, False], "one has begun, three wait"
    bench.queue.close()
    bench.loop.pass_interval(busy_share=0.0)
    assert bench.begun == 1


def test_a_flood_of_warnings_is_counted(caplog: Any) -> None:
    now_s = 0.0
    limit = LogLimit(lambda: now_s, lines_max=2, interval_s=10)
    for number in range(5):
        limit.warn("refused %d", number)
    now_s = 10.0
    limit.warn("refused %d", 9)
    assert caplog.messages == [
        "refused 0",
        "refused 1",
        "3 more warnings like the following were left out",
        "refused 9",
    ]
