"""What a request costs in calls: of functions on the broker's loop, and of the system.

Times are the machine's as much as ours; calls are ours alone, and the same on every machine. So a
regression shows in them where the clock shows nothing.
"""

import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from tests.bench.broker import MeasuredBroker
from tests.bench.figures import Figure, shown
from tests.bench.replay import Connection
from tests.bench.settings import Settings
from tests.bench.throughput import KB64, MIB, ONE
from tests.bench.wire import REPLICATED, batch_of_size, create_topic, fetch_frame, produce_frame

Counts = dict[str, int]

UNIT = "calls/request"
WARM_TURNS = 8  # a buffer that grows, a file that is opened, what is learnt of a producer
ROUNDS_EACH = 4  # of `Case.turns` for each of the bench's: the best one has met no tick
NO_STRACE = "system calls not counted: there is no strace"


@dataclass(frozen=True)
class Case:
    """One row: the same request again and again, so many of them at a time.

    data: what is produced, or, where `fetched_bytes` says how much, what is fetched.
    calls_max: of functions, Python's and C's, per request. A test holds it, so that nobody adds to
    the hot path unknowing; who has lowered it for good lowers it here.
    """

    name: str
    data: bytes
    calls_max: float
    at_once: int = 1
    fetched_bytes: int = 0
    turns: int = 25

    def frame(self, client: Connection, topic: str) -> bytes:
        """The request; its topic is made, and filled where it is to be read."""
        create_topic(client, topic, mode=REPLICATED)
        produce = produce_frame(topic, self.data)
        if not self.fetched_bytes:
            return produce
        client.replay(produce, self.fetched_bytes // len(self.data) + 4, 4)
        return fetch_frame(topic, bytes_max=self.fetched_bytes)


CASES = (
    Case("produce one record, 1 in flight", ONE, 105),
    Case("produce one record, 50 at once", ONE, 52, at_once=50, turns=8),
    Case("produce 64 KB, 1 in flight", KB64, 150),
    Case("fetch one 170 B batch", ONE, 285, fetched_bytes=170),
    Case("fetch 64 KB", batch_of_size(16 * 1024), 345, fetched_bytes=64 * 1024 + 512),
    Case("fetch 1 MB", KB64, 600, fetched_bytes=MIB),
)
_names = count()


class CountedBroker(MeasuredBroker):
    """A broker whose loop tells what it has called; it takes its time meanwhile."""

    def program(self) -> Sequence[str]:
        return ("tests.bench.counted_broker", str(self._socket))

    @property
    def _socket(self) -> Path:
        return self.folder / "counts"

    def counts(self) -> Counts:
        """Calls so far, by function."""
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(self._socket))
            told = b"".join(iter(lambda: asked.recv(1 << 16), b""))
        return dict(json.loads(told))


def calls_of(broker: CountedBroker, case: Case, rounds: int) -> list[Counts]:
    """Calls by function of each round of `case.turns` turns."""
    found = []
    with Connection(broker.host, broker.port) as client:
        frame = case.frame(client, f"counted-{next(_names)}")
        send_turns(client, frame, case.at_once, WARM_TURNS)
        for _ in range(rounds):
            before = broker.counts()
            send_turns(client, frame, case.at_once, case.turns)
            after = broker.counts()
            found.append({name: n - before.get(name, 0) for name, n in after.items()})
    return found


def send_turns(client: Connection, frame: bytes, at_once: int, count: int) -> None:
    """Each turn's requests arrive together, and the next ones when all are answered."""
    for _ in range(count):
        client.send(frame * at_once)
        for _ in range(at_once):
            client.receive()


def per_request(case: Case, rounds: Iterable[Counts]) -> list[float]:
    return [sum(one.values()) / (case.turns * case.at_once) for one in rounds]


def least(case: Case, rounds: Sequence[Counts]) -> float:
    """Per request, each function's fewest calls in any round: what timers call falls away."""
    names = {name for one in rounds for name in one}
    each = (min(one.get(name, 0) for one in rounds) for name in names)
    return sum(each) / (case.turns * case.at_once)


def system_calls(pid: int, act: Callable[[], None]) -> Counts:
    """What a process' first thread asks of the system while `act` runs, by name. Needs strace."""
    tracer = subprocess.Popen(
        ["strace", "-c", "-U", "calls,name", "-p", str(pid)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tracer.stderr is not None
    line = tracer.stderr.readline()
    assert "attached" in line, line
    try:
        act()
    finally:
        tracer.send_signal(signal.SIGINT)
        _, told = tracer.communicate()
    rows = (row.split() for row in told.splitlines())
    return {row[1]: int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit()}


def traced(broker: MeasuredBroker, case: Case) -> Counts:
    """System calls of `case.turns` turns."""
    with Connection(broker.host, broker.port) as client:
        frame = case.frame(client, f"traced-{next(_names)}")
        send_turns(client, frame, case.at_once, WARM_TURNS)
        found = system_calls(
            broker.pid, lambda: send_turns(client, frame, case.at_once, case.turns)
        )
    found.pop("total", None)
    return found


def run(settings: Settings) -> Iterator[Figure]:
    can_trace = shutil.which("strace") is not None
    with CountedBroker() as counted, MeasuredBroker() as plain:
        for whole in CASES:
            case = replace(whole, turns=min(whole.turns, settings.count(whole.turns)))
            rounds = calls_of(counted, case, settings.rounds * ROUNDS_EACH)
            samples = per_request(case, rounds)
            note = "" if can_trace else NO_STRACE
            yield Figure(case.name, UNIT, case.calls_max, samples=samples, note=note)
            if not can_trace:
                continue
            found = traced(plain, case)
            each = {name: n / (case.turns * case.at_once) for name, n in found.items()}
            note = ", ".join(f"{shown(n)} {name}" for name, n in each.items())
            name = f"{case.name}, of the system"
            yield Figure(name, UNIT, samples=[sum(each.values())], note=note)
