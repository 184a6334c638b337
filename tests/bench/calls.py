"""What a request costs in calls: of functions on the broker's loop, and of the system.

Times are the machine's as much as ours; calls are ours alone, and the same on every machine. So a
regression shows in them where the clock shows nothing.
"""

import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.broker import MeasuredBroker
from tests.bench.figures import Figure
from tests.bench.replay import Connection
from tests.bench.settings import Settings
from tests.bench.throughput import KB64, MIB, ONE
from tests.bench.wire import REPLICATED, batch_of_size, create_topic, fetch_frame, produce_frame

Counts = dict[str, int]

WARM_TURNS = 20  # a buffer that grows, a file that is opened, what is learnt of a producer
NO_STRACE = "not counted: strace is not installed"


@dataclass(frozen=True)
class Case:
    """One row: the same request again and again, so many of them at a time.

    data: what is produced, or, where `fetched_bytes` says how much, what is fetched.
    calls_max: of functions per request. It is held by a test, so that nobody adds to it unknowing.
    """

    name: str
    data: bytes
    calls_max: float
    at_once: int = 1
    fetched_bytes: int = 0
    turns: int = 300

    def frame(self, client: Connection, topic: str) -> bytes:
        """The request; its topic is made, and filled where it is to be read."""
        create_topic(client, topic, mode=REPLICATED)
        produce = produce_frame(topic, self.data)
        if not self.fetched_bytes:
            return produce
        client.replay(produce, self.fetched_bytes // len(self.data) + 4, 4)
        return fetch_frame(topic, bytes_max=self.fetched_bytes)


CASES = (
    Case("produce one record, 1 in flight", ONE, 158),
    Case("produce one record, 50 at once", ONE, 100, at_once=50, turns=60),
    Case("produce 64 KB, 1 in flight", KB64, 158, turns=100),
    Case("fetch one 170 B batch", ONE, 200, fetched_bytes=170),
    Case("fetch 64 KB", batch_of_size(16 * 1024), 200, fetched_bytes=64 * 1024 + 512),
    Case("fetch 1 MB", KB64, 200, fetched_bytes=MIB, turns=50),
)


class CountedBroker(MeasuredBroker):
    """A broker whose loop tells what it has called."""

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


def calls_of(broker: CountedBroker, case: Case, settings: Settings) -> list[Counts]:
    """Calls of functions in each round of `case.turns` turns."""
    topic = case.name.replace(" ", "-").replace(",", "")
    rounds = []
    with Connection(broker.host, broker.port) as client:
        frame = case.frame(client, topic)
        turns(client, frame, case.at_once, WARM_TURNS)
        for _ in range(settings.rounds):
            before = broker.counts()
            turns(client, frame, case.at_once, case.turns)
            after = broker.counts()
            rounds.append({name: n - before.get(name, 0) for name, n in after.items()})
    return rounds


def turns(client: Connection, frame: bytes, at_once: int, count: int) -> None:
    """Each turn's requests arrive together, and the next ones when all are answered."""
    for _ in range(count):
        client.send(frame * at_once)
        for _ in range(at_once):
            client.receive()


def per_request(case: Case, rounds: Sequence[Counts]) -> list[float]:
    return [sum(one.values()) / (case.turns * case.at_once) for one in rounds]


def system_calls(pid: int, act: Callable[[], None]) -> Counts:
    """What a process' first thread asks of the system while `act` runs. Needs strace."""
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
        _, told = tracer.communicate(timeout=60)
    rows = (row.split() for row in told.splitlines())
    return {row[1]: int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit()}


def traced(broker: MeasuredBroker, case: Case, number: int) -> Counts:
    """System calls of `case.turns` turns."""
    with Connection(broker.host, broker.port) as client:
        frame = case.frame(client, f"traced-{number}")
        turns(client, frame, case.at_once, WARM_TURNS)
        return system_calls(broker.pid, lambda: turns(client, frame, case.at_once, case.turns))


def run(settings: Settings) -> Iterator[Figure]:
    with CountedBroker() as counted:
        for case in CASES:
            samples = per_request(case, calls_of(counted, case, settings))
            yield Figure(case.name, "calls/request", case.calls_max, samples=samples)
    if shutil.which("strace") is None:
        yield Figure("system calls", "calls/request", note=NO_STRACE)
        return
    with MeasuredBroker() as broker:
        for number, case in enumerate(CASES):
            found = traced(broker, case, number)
            found.pop("total", None)
            requests = case.turns * case.at_once
            note = ", ".join(f"{n / requests:.2f} {name}" for name, n in found.items())
            samples = [sum(found.values()) / requests]
            yield Figure(
                f"{case.name}, of the system", "calls/request", None, samples=samples, note=note
            )
