"""kafka-verifiable-producer and -consumer at work, judged by themselves and by our checker.

Two producers (one idempotent, one as the tool is by itself: no retries, so that a failed send may
have happened) and two members of a group, while brokers die, if they do. Both verdicts must be
good; and both must find a record that is taken out of what was read, or they would be no witness.
"""

import contextlib
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.checker.history import History
from tests.checker.report import result
from tests.checker.verdict import Demands, judge
from tests.conformance.client import Client
from tests.conformance.clients.kafka_python import KafkaPythonClient
from tests.conformance.place import Death
from tests.conformance.toolchains import java
from tests.conformance.verifiable import Consumed, Produced, complaints, events_of, without_value
from tests.conformance.verifiable_history import FinalRead, committed_line, history_of, without
from tests.conformance.world import settle

TOOL: Final = "org.apache.kafka.tools.Verifiable"
PARTITIONS: Final = 3
PER_SECOND: Final = 60  # of each producer: the machine has better things to do
QUIET_SECONDS: Final = 5.0
KILLS_MIN: Final = 3
KILLS_SECONDS_MAX: Final = 300.0
END_SECONDS_MAX: Final = 120.0
IDEMPOTENT: Final = "enable.idempotence=true\nretries=2147483647\ndelivery.timeout.ms=120000\n"


@dataclass(slots=True)
class Witnesses:
    """What one run left: the tools' output, the ends of the log, final reads, deaths."""

    topic: str
    group: str
    produced: list[Produced] = field(default_factory=list)
    consumed: list[Consumed] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)
    reads: list[FinalRead] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    committed: dict[int, int] = field(default_factory=dict)

    def check(self) -> str:
        """One line of what was seen. Raises AssertionError: a verdict is bad, or they differ."""
        acknowledged = [value for one in self.produced for value in one.acknowledged]
        demands = Demands(ok_sends_min=100, faults_min=len(self.deaths))
        told = complaints(self.produced, self.consumed, self.ends)
        lines = [
            *history_of(
                self.topic, self.produced, self.consumed, self.group, self.deaths, self.reads
            ),
            committed_line(self.topic, self.group, self.committed, self.reads[0].t0),
        ]
        verdict = judge(History.of(lines), demands)
        judged = json.dumps({**result(verdict), "gaps": {}, "n": {}})
        assert verdict.valid is True, f"the checker: {judged}; the tools: {told[:3]}"
        assert not told, f"the tools: {told[:3]}; the checker finds nothing"
        assert self.committed == self.ends, f"committed {self.committed}, ends {self.ends}"
        lost = acknowledged[len(acknowledged) // 2]
        planted = judge(History.of(without(lines, lost)), demands)
        assert planted.valid is False, "the checker does not see a lost record"
        assert complaints(self.produced, without_value(self.consumed, lost), self.ends), (
            "the tools do not see a lost record"
        )
        failed = sum(len(one.failed) for one in self.produced)
        return (
            f"{len(acknowledged)} acknowledged, {failed} failed, {len(self.deaths)} kills: "
            "both verdicts good, and bad with one record planted as lost"
        )


def witness(
    address: str,
    reference: Client,
    deaths: Callable[[], Sequence[Death]],
    *,
    is_killing: bool,
) -> Witnesses:
    """Let the tools work until enough has happened, and read everything back."""
    topic = f"witnessed-{time.time_ns()}"
    found = Witnesses(topic, f"{topic}-group")
    reference.create_topic(topic, PARTITIONS, {})
    before = len(deaths())
    with tempfile.TemporaryDirectory(prefix="ottla-verifiable-") as name:
        folder = Path(name)
        with contextlib.ExitStack() as stack:
            members = [
                stack.enter_context(_consumer(folder, address, found, f"member-{at}"))
                for at in range(2)
            ]
            producers = [
                stack.enter_context(_producer(folder, address, found, prefix)) for prefix in (1, 2)
            ]
            _await_acknowledgements(producers)
            _await_kills(deaths, before, is_killing=is_killing)
            for producer in producers:
                producer.end()
            found.ends = _ends(reference, topic)
            settle(
                lambda: reference.committed(found.group, topic, PARTITIONS) == found.ends,
                lambda: f"the members do not commit {found.ends}",
                END_SECONDS_MAX,
            )
            for member in members:
                member.end()
        found.produced = [
            Produced(f"producer-{at}", at, at == 1, events_of(one.told()))
            for at, one in enumerate(producers, start=1)
        ]
        found.consumed = [Consumed(one.name, events_of(one.told())) for one in members]
    found.committed = reference.committed(found.group, topic, PARTITIONS)
    found.reads = list(_final_reads(address, reference, topic, sum(found.ends.values())))
    found.deaths = list(deaths())[before:]
    return found


class Tool:
    """One process of a tool; what it prints goes to files, which live as long as the folder."""

    def __init__(self, folder: Path, name: str, argv: Sequence[str]) -> None:
        self.name = name
        self._out = folder / name
        self._errors = folder / f"{name}.err"
        with self._out.open("wb") as out, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(argv, stdout=out, stderr=errors)
        self._told = ""

    def told(self) -> str:
        return self._told or self._out.read_text()

    def end(self) -> None:
        """SIGTERM: it finishes what it has begun, and says so."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(END_SECONDS_MAX)
        self._told = self._out.read_text()
        assert '"shutdown_complete"' in self._told, (
            f"{self.name}: {self._errors.read_text()[-300:]}"
        )

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def _running(folder: Path, name: str, argv: Sequence[str]) -> Iterator[Tool]:
    tool = Tool(folder, name, argv)
    try:
        yield tool
    finally:
        tool.kill()


def _producer(
    folder: Path, address: str, found: Witnesses, prefix: int
) -> contextlib.AbstractContextManager[Tool]:
    """The first is idempotent."""
    argv = [*java.command(TOOL + "Producer"), "--bootstrap-server", address, "--topic", found.topic]
    argv += ["--throughput", str(PER_SECOND), "--value-prefix", str(prefix)]
    if prefix == 1:
        settings = folder / "idempotent.properties"
        settings.write_text(IDEMPOTENT)
        argv += ["--command-config", str(settings)]
    return _running(folder, f"producer-{prefix}", argv)


def _consumer(
    folder: Path, address: str, found: Witnesses, name: str
) -> contextlib.AbstractContextManager[Tool]:
    argv = [*java.command(TOOL + "Consumer"), "--bootstrap-server", address, "--topic", found.topic]
    argv += ["--group-id", found.group, "--verbose", "--reset-policy", "earliest"]
    return _running(folder, name, argv)


def _ends(reference: Client, topic: str) -> dict[int, int]:
    """Of the partitions that hold anything: nothing is committed of the others."""
    ends = {index: reference.offset_at(topic, index, -1) for index in range(PARTITIONS)}
    return {index: end for index, end in ends.items() if end}


def _await_acknowledgements(producers: Sequence[Tool]) -> None:
    settle(
        lambda: all('"producer_send_success"' in one.told() for one in producers),
        lambda: "a producer is told nothing",
        END_SECONDS_MAX,
    )


def _await_kills(deaths: Callable[[], Sequence[Death]], before: int, *, is_killing: bool) -> None:
    if is_killing:
        settle(
            lambda: len(deaths()) >= before + KILLS_MIN,
            lambda: f"only {len(deaths()) - before} kills",
            KILLS_SECONDS_MAX,
        )
    time.sleep(QUIET_SECONDS)  # Load is what this time is for.


def _final_reads(address: str, reference: Client, topic: str, count: int) -> Iterator[FinalRead]:
    """Two libraries, two isolation levels, everything from the beginning."""
    other = KafkaPythonClient(address)
    for client in (reference, other):
        for is_committed in (False, True):
            t0 = time.time_ns()
            records = client.read(topic, PARTITIONS, count, committed_only=is_committed)
            yield FinalRead(client.name, is_committed, t0, time.time_ns(), records)
    other.close()
