"""What one client process is told to do, and what every workload needs."""

import itertools
import json
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Any

from tests.chaos.clients import LIBRARIES, Library
from tests.chaos.clients.base import CLASSIC, REQUEST_MS, Got, Place
from tests.chaos.payload import decode
from tests.chaos.recorder import Recorder

VALUE_BITS = 32  # of a value are its process's own; the rest is the process's number
KEYS = 64
EXIT_DOUBT = 3  # a successor should take over
STANDSTILL_SECONDS_MAX = 45.0  # longer than any fault and a session
STANDSTILL = "standstill"


@dataclass(frozen=True, slots=True)
class Order:
    """A client process, as it is started: JSON on its command line."""

    process: str
    number: int  # unique in the run: its values begin with it
    workload: str
    library: str
    bootstrap: str
    folder: str  # where its lines go
    topics: dict[str, int]  # name -> partitions
    seed: int = 0
    rate: float = 100.0  # records per second
    isolation: str = "read_uncommitted"
    group: str = ""
    protocol: str = CLASSIC  # of the group
    transactional_id: str = ""
    output: str = ""  # the copier's
    records_max: int = 0  # of a producer; 0: until it is told to stop
    transaction_max: int = 8  # records of a transaction
    request_ms: int = REQUEST_MS  # how long a plain producer waits for an answer

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Task:
    """An order being carried out; SIGTERM asks it to come to its end."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.rng = random.Random(order.seed)
        self.library: Library = LIBRARIES[order.library]
        self.record = Recorder(Path(order.folder) / f"{order.process}.jsonl", order.process)
        self.places = [
            Place(topic, index) for topic, count in order.topics.items() for index in range(count)
        ]
        self.is_stopped = False
        self._values = itertools.count(order.number << VALUE_BITS)
        self._parent = os.getppid()
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # The harness ends its clients itself.
        self.record.note(
            "client",
            "info",
            library=order.library,
            version=self.library.version(),
            role=order.workload,
            isolation=order.isolation,
        )

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.is_stopped = True

    @property
    def goes_on(self) -> bool:
        """False once it was told to stop, or whoever started it is gone."""
        return not self.is_stopped and os.getppid() == self._parent

    def watch(self) -> None:
        """End the process in doubt if its library stands still; `beat` says that it does not.

        librdkafka 2.16 gives up a broker that has left the metadata, but not where it remembers it
        as the coordinator of the group whose offsets a transaction sends: that request waits for
        ever. An application would be restarted, and so is this; the report counts how often.
        """
        self.beat()
        Thread(target=self._watch, daemon=True).start()

    def beat(self) -> None:
        self._beaten_s = time.monotonic()

    def _watch(self) -> None:
        while time.monotonic() - self._beaten_s < STANDSTILL_SECONDS_MAX:
            time.sleep(1)
        self.record.note("admin", "info", name=STANDSTILL)
        os._exit(EXIT_DOUBT)

    def value(self) -> int:
        return next(self._values)

    def place_for(self, value: int) -> tuple[Place, int]:
        """A record's key, and the partition that all records of this key go to."""
        key = value % KEYS
        return self.places[key % len(self.places)], key

    def note_poll(self, t0: int, got: Sequence[Got], **fields: Any) -> None:
        """Record what a poll returned, with its times."""
        reads: dict[str, list[list[int]]] = {}
        for one in got:
            columns = reads.setdefault(one.place.name, [[], [], []])
            columns[0].append(one.offset)
            columns[1].append(decode(one.value))
            columns[2].append(one.timestamp_ms)
        self.record.note("poll", "ok", t0=t0, reads=reads, **fields)


def now_ms() -> int:
    return int(time.time() * 1000)
