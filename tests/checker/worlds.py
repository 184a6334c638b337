"""Valid histories, made up from a seed: clients of a model Kafka, interleaved at random.

Retries, unknown outcomes that happened or did not, aborts, dead processes, rebalances, commits that
cross them, compaction and retention all occur, so that the checker meets every excuse there is.
"""

import random
from collections.abc import Generator
from typing import Any

from tests.checker.lines import Line
from tests.checker.model import Model

PLAIN = ["plain-0", "plain-1", "plain-2"]
TRANSACTIONAL = ["txns-0", "txns-1"]
INPUT = ["in-0", "in-1"]
OUTPUT = "out-0"
COMPACTED, SHORT = "compacted-0", "short-0"
EPOCH_MS = 1_700_000_000_000
RETENTION_MS = 8_000
TAIL_NS_MAX = 1_000_000_000
FAULTS = ("kill", "pause", "cut", "power-loss", "clock")

Steps = Generator[None, None, None]  # a client: between two steps others may act


class World:
    """One run; `lines` is its history."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.model = Model()
        self.lines: list[Line] = []
        self.t = 1_000_000_000
        self._numbers: dict[str, int] = {}
        self._value = 0
        self._processes = 0
        self.is_over = False

    # Writing lines.

    def emit(self, process: str, op: str, kind: str, **fields: Any) -> Line:
        self.t += self.rng.randrange(1_000_000, 24_000_000)
        line: Line = {"p": process, "t": self.t, "op": op, "type": kind, **fields}
        self.lines.append(line)
        return line

    def invoke(self, process: str, op: str, **fields: Any) -> int:
        number = self._numbers[process] = self._numbers.get(process, 0) + 1
        self.emit(process, op, "invoke", n=number, **fields)
        return number

    def process(self, role: str, isolation: str = "read_uncommitted", library: str = "") -> str:
        self._processes += 1
        name = f"{role}-{self._processes}"
        chosen = library or self.rng.choice(["confluent-kafka", "kafka-python"])
        self.emit(
            name, "client", "info", library=chosen, version="1", role=role, isolation=isolation
        )
        return name

    def value(self) -> int:
        self._value += 1
        return self._value

    def now_ms(self) -> int:
        return EPOCH_MS + self.t // 1_000_000

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    # Parts of clients.

    def send(self, process: str, partitions: list[str], **fields: Any) -> dict[str, Any]:
        value = self.value()
        sent = {
            "tp": self.rng.choice(partitions),
            "v": value,
            "k": value % 5,
            "ts": self.now_ms(),
            **fields,
        }
        sent["n"] = self.invoke(process, "send", **sent)
        return sent

    def append(self, sent: dict[str, Any]) -> int:
        return self.model.log(sent["tp"]).append(sent["v"], sent["k"], sent["ts"], sent.get("x"))

    def poll(
        self,
        process: str,
        positions: dict[str, int],
        records_max: int,
        *,
        is_committed: bool,
        **fields: Any,
    ) -> dict[str, list[int]]:
        """Read on from `positions`, which move; returns the values by partition."""
        t0 = self.t
        reads: dict[str, list[list[int]]] = {}
        for partition, position in positions.items():
            got = list(self.model.read(partition, position, records_max, is_committed=is_committed))
            if got:
                positions[partition] = got[-1][0] + 1
            if got or "is_final" in fields:  # A final reader also tells what it found empty.
                reads[partition] = [
                    [offset for offset, _ in got],
                    [entry.value or 0 for _, entry in got],
                    [entry.timestamp for _, entry in got],
                ]
        self.emit(process, "poll", "ok", t0=t0, reads=reads, **fields)
        return {partition: columns[1] for partition, columns in reads.items() if columns[1]}

    # Clients.

    def producer(self, partitions: list[str], bursts: int) -> Steps:
        process = self.process("producer")
        for _ in range(bursts):
            burst = [self.send(process, partitions) for _ in range(self.rng.randrange(1, 7))]
            yield
            outcomes = [
                self.rng.choices(["ok", "info", "fail"], [16, 2, 1])[0] for _ in range(len(burst))
            ]
            offsets = [
                self.append(sent)
                if outcome == "ok" or (outcome == "info" and self.chance(0.5))
                else 0
                for sent, outcome in zip(burst, outcomes, strict=True)
            ]
            yield
            for sent, outcome, offset in zip(burst, outcomes, offsets, strict=True):
                if outcome == "ok":
                    told = None if self.chance(0.05) else offset  # a duplicate's answer has none
                    self.emit(process, "send", "ok", n=sent["n"], o=told)
                elif outcome == "fail":
                    self.emit(process, "send", "fail", n=sent["n"], error="MESSAGE_TOO_LARGE")
                elif self.chance(0.8):
                    self.emit(process, "send", "info", n=sent["n"], error="REQUEST_TIMED_OUT")
            yield

    def transactional_producer(self, partitions: list[str], count: int) -> Steps:
        process = self.process("transactional")
        for number in range(count):
            name = f"{process}/{number}"
            self.model.transactions[name] = "open"
            self.emit(process, "txn", "ok", n=self.invoke(process, "txn", x=name, stage="begin"))
            for _ in range(self.rng.randrange(1, 5)):
                sent = self.send(process, partitions, x=name)
                yield
                self.emit(process, "send", "ok", n=sent["n"], o=self.append(sent))
            yield
            if self.chance(0.1):
                self.emit("nemesis", "died", "info", who=process)
                self.model.end_transaction(name, "aborted", {})
                process = self.process("transactional")
            else:
                yield from self.end(process, name, {}, abort_share=0.2)

    def end(
        self,
        process: str,
        name: str,
        offsets: dict[tuple[str, str], int],
        *,
        abort_share: float,
    ) -> Steps:
        """Commit or abort; a commit whose answer is lost may have gone either way."""
        is_abort = self.chance(abort_share)
        stage = "abort" if is_abort else "commit"
        n = self.invoke(process, "txn", x=name, stage=stage)
        yield
        answer = self.rng.choices(["ok", "info", "fail"], [8, 2, 0 if is_abort else 1])[0]
        is_done = not is_abort and (answer == "ok" or (answer == "info" and self.chance(0.5)))
        self.model.end_transaction(name, "committed" if is_done else "aborted", offsets)
        yield
        error = {} if answer == "ok" else {"error": "REQUEST_TIMED_OUT"}
        self.emit(process, "txn", answer, n=n, **error)

    def reader(self, partitions: list[str], isolation: str, polls: int) -> Steps:
        process = self.process("reader", isolation)
        positions = dict.fromkeys(partitions, 0)
        self.emit(process, "assign", "ok", positions=dict(positions))
        for _ in range(polls):
            if self.chance(0.08):
                partition = self.rng.choice(partitions)
                positions[partition] = self.rng.randrange(positions[partition] + 1)
                self.emit(process, "seek", "ok", tp=partition, o=positions[partition])
            self.poll(
                process,
                positions,
                self.rng.randrange(1, 20),
                is_committed=isolation == "read_committed",
            )
            yield

    def tail(self, partitions: list[str]) -> Steps:
        process = self.process("tail")
        positions = dict.fromkeys(partitions, 0)
        self.emit(process, "assign", "ok", positions=dict(positions))
        while not self.is_over:
            self.poll(process, positions, 1 << 30, is_committed=False)
            yield

    def group(self, name: str, partitions: list[str], rounds: int) -> Steps:
        """Three members; what one commits, its successor begins with."""
        members = [self.process("member") for _ in range(3)]
        generation = 0
        owned: dict[str, dict[str, int]] = {}
        for _ in range(rounds):
            if generation == 0 or self.chance(0.15):
                crossing = self.begin_commit(name, generation, owned) if owned else None
                generation += 1
                owned = self.rebalance(name, generation, members, partitions)
                if crossing is not None:
                    self.emit(crossing[0], "commit", "ok", n=crossing[1])
                yield
            member = self.rng.choice(list(owned))
            self.poll(member, owned[member], self.rng.randrange(1, 12), is_committed=False)
            yield
            if self.chance(0.5) and owned[member]:
                yield from self.commit(name, generation, member, owned[member])
            if self.chance(0.1) and generation > 1:
                n = self.invoke(
                    member,
                    "commit",
                    group=name,
                    generation=generation - 1,
                    offsets={partitions[0]: 0},
                )
                self.emit(member, "commit", "fail", n=n, error="ILLEGAL_GENERATION")

    def begin_commit(
        self, group: str, generation: int, owned: dict[str, dict[str, int]]
    ) -> tuple[str, int]:
        """A commit that is stored before a rebalance and answered after it."""
        member = self.rng.choice(list(owned))
        offsets = dict(owned[member])
        n = self.invoke(member, "commit", group=group, generation=generation, offsets=offsets)
        self.model.committed |= {(group, p): offset for p, offset in offsets.items()}
        return member, n

    def rebalance(
        self, group: str, generation: int, members: list[str], partitions: list[str]
    ) -> dict[str, dict[str, int]]:
        present = self.rng.sample(members, self.rng.randrange(1, len(members) + 1))
        owned: dict[str, dict[str, int]] = {member: {} for member in present}
        for number, partition in enumerate(partitions):
            position = self.model.committed.get((group, partition), 0)
            owned[present[number % len(present)]][partition] = position
        for member, positions in owned.items():
            self.emit(
                member,
                "rebalance",
                "ok",
                t0=self.t,
                event="assigned",
                group=group,
                generation=generation,
                member=member,
                positions=dict(positions),
            )
        return owned

    def commit(self, group: str, generation: int, member: str, offsets: dict[str, int]) -> Steps:
        told = dict(offsets)
        n = self.invoke(member, "commit", group=group, generation=generation, offsets=told)
        outcome = self.rng.choices(["ok", "info"], [8, 1])[0]
        if outcome == "ok" or self.chance(0.5):
            self.model.committed |= {(group, p): offset for p, offset in told.items()}
        yield
        self.emit(member, "commit", outcome, n=n)

    def copier(self, rounds: int) -> Steps:
        """Consume, transform, produce; after each doubt a new process from its commits."""
        process, positions = self.begin_copier()
        for number in range(rounds):
            name = f"{process}/{number}"
            self.model.transactions[name] = "open"
            self.emit(process, "txn", "ok", n=self.invoke(process, "txn", x=name, stage="begin"))
            reads = self.poll(process, positions, 4, is_committed=True, x=name)
            yield
            for source in (value for values in reads.values() for value in values):
                sent = self.send(process, [OUTPUT], x=name, source=source)
                self.emit(process, "send", "ok", n=sent["n"], o=self.append(sent))
            offsets = dict(positions)
            n = self.invoke(
                process, "commit", group="copier", generation=-1, offsets=offsets, x=name
            )
            self.emit(process, "commit", "ok", n=n)
            yield
            counted = {("copier", p): offset for p, offset in offsets.items()}
            yield from self.end(process, name, counted, abort_share=0.1)
            if self.lines[-1]["type"] != "ok" or self.model.transactions[name] == "aborted":
                process, positions = self.begin_copier()

    def begin_copier(self) -> tuple[str, dict[str, int]]:
        process = self.process("copier", "read_committed")
        positions = {p: self.model.committed.get(("copier", p), 0) for p in INPUT}
        self.emit(
            process,
            "rebalance",
            "ok",
            t0=self.t,
            event="assigned",
            group="copier",
            positions=dict(positions),
        )
        return process, positions

    def nemesis(self, count: int) -> Steps:
        """Faults after twelve quiet seconds; what they do is in the other clients' bad luck."""
        while self.t < 13_000_000_000:
            yield
        self.emit("nemesis", "phase", "info", name="faults")
        for _ in range(count):
            n = self.invoke("nemesis", "nemesis", fault=self.rng.choice(FAULTS))
            for _ in range(self.rng.randrange(8)):
                yield
            self.emit("nemesis", "nemesis", "ok", n=n)
            yield

    # The whole run.

    def run(self) -> list[Line]:
        faults = self.rng.randrange(2, 6)
        self.emit("nemesis", "run", "info", meta=self.meta(faults))
        self.emit("nemesis", "phase", "info", name="warm-up")
        tail = self.tail(PLAIN)
        clients = [
            self.producer(PLAIN, self.rng.randrange(30, 50)),
            self.producer([*PLAIN, *INPUT], self.rng.randrange(30, 50)),
            self.producer([COMPACTED], 12),
            self.producer([SHORT], 20),
            self.transactional_producer(TRANSACTIONAL, self.rng.randrange(8, 16)),
            self.transactional_producer([*TRANSACTIONAL, *INPUT], self.rng.randrange(8, 16)),
            self.reader(PLAIN, "read_uncommitted", self.rng.randrange(30, 60)),
            self.reader(TRANSACTIONAL, "read_committed", self.rng.randrange(30, 60)),
            self.group("readers", PLAIN, self.rng.randrange(30, 60)),
            self.copier(self.rng.randrange(12, 24)),
            self.nemesis(faults),
        ]
        self.interleave(clients, tail)
        self.clean()
        self.finish()
        return self.lines

    def meta(self, faults: int) -> dict[str, Any]:
        return {
            "topics": {
                "compacted": {"cleanup": "compact"},
                "short": {"cleanup": "delete", "retention_ms": RETENTION_MS},
            },
            "copies": [{"input": "in", "output": "out", "group": "copier"}],
            "faults_planned": faults,
            "command": "generated",
        }

    def interleave(self, clients: list[Steps], tail: Steps) -> None:
        tailed = 0
        while clients:
            if self.t - tailed > TAIL_NS_MAX:
                next(tail)
                tailed = self.t
            chosen = self.rng.choice(clients)
            try:
                next(chosen)
            except StopIteration:
                clients.remove(chosen)
        next(tail)

    def clean(self) -> None:
        """Retention and compaction, never too much."""
        compacted = len(self.model.log(COMPACTED).entries)
        removable = {offset for offset in range(compacted) if self.chance(0.6)}
        self.model.compact(COMPACTED, removable)
        self.model.expire(SHORT, self.now_ms() - RETENTION_MS)

    def finish(self) -> None:
        self.emit("nemesis", "phase", "info", name="heal")
        self.emit("nemesis", "phase", "info", name="final")
        partitions = sorted(self.model.logs)
        for library in ("confluent-kafka", "kafka-python"):
            for isolation in ("read_uncommitted", "read_committed"):
                process = self.process("final", isolation, library)
                positions = dict.fromkeys(partitions, 0)
                self.emit(process, "assign", "ok", positions=dict(positions))
                is_committed = isolation == "read_committed"
                while self.poll(process, positions, 40, is_committed=is_committed, is_final=True):
                    pass
        self.clean()  # Cleaners do not wait until everything is asked.
        self.ask_offsets(partitions)
        for partition in partitions:
            got = list(self.model.read(partition, 0, 1 << 30, is_committed=False))
            columns = [[offset for offset, _ in got], [entry.value or 0 for _, entry in got]]
            self.emit("disks", "replica", "ok", broker=0, reads={partition: columns})
        self.emit("nemesis", "run", "info", meta={"ended_ms": self.now_ms()})

    def ask_offsets(self, partitions: list[str]) -> None:
        process = self.process("asker")
        for partition in partitions:
            got = list(self.model.read(partition, 0, 1 << 30, is_committed=False))
            start = got[0][0] if got else 0
            end = self.model.end(partition, is_committed=False)
            self.answer(process, partition, -1, end, None)
            self.answer(process, partition, -2, start, None)
            if got:
                at = self.rng.choice(got)[1].timestamp
                offset, entry = next((o, e) for o, e in got if e.timestamp >= at)
                self.answer(process, partition, at, offset, entry.timestamp)
        for group, of in (("readers", PLAIN), ("copier", INPUT)):
            told = {p: self.model.committed.get((group, p)) for p in of}
            self.emit(process, "committed", "ok", t0=self.t, group=group, offsets=told)

    def answer(
        self, process: str, partition: str, at: int, offset: int, timestamp: int | None
    ) -> None:
        self.emit(
            process,
            "list_offsets",
            "ok",
            t0=self.t,
            tp=partition,
            at=at,
            o=offset,
            ts=timestamp,
            is_final=True,
        )


def valid_history(seed: int) -> list[Line]:
    """Return a history in which Kafka kept all its promises."""
    return World(seed).run()
