"""A history in memory: columns for sends, chunks for reads, small objects for all that is rare.

Lines of one process come in their order; between processes only the times `t` count, so the files
of a run need no merging. A million sends take about 150 MB.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.checker.lines import Line

PENDING, OK, FAIL = 0, 1, 2  # states of a send; pending is unknown (info)
NEVER = 1 << 62  # a time after everything
NO_OFFSET = -(1 << 62)  # the client was told no offset


class Chunk(NamedTuple):
    """What one poll returned of one partition, in its order."""

    process: str
    t0: int  # the poll began
    t1: int  # the poll returned
    transaction: str | None
    is_committed: bool  # isolation level of the reader
    is_final: bool
    offsets: "array[int]"
    values: "array[int]"
    timestamps: "array[int]"  # empty where the recorder left them out


class Step(NamedTuple):
    """What happened to one consumer's position on one partition: a chunk, or a new start."""

    chunk: Chunk | None
    position: int | None  # of a new start; None: the client did not say


@dataclass(slots=True)
class Client:
    """One process of the workload."""

    name: str
    library: str = "?"
    version: str = "?"
    role: str = ""
    isolation: str = "read_uncommitted"
    is_idempotent: bool = True
    died_at: int = NEVER
    last_seen: int = 0


@dataclass(slots=True)
class Transaction:
    """One transaction, by its unique name."""

    name: str
    process: str
    commit_at: int = NEVER  # the commit was asked for
    commit_done: int = NEVER
    commit: str = ""  # "": never asked for; else invoke, ok, fail or info
    abort: str = ""
    sends: list[int] = field(default_factory=list)  # rows of Sends

    @property
    def outcome(self) -> str:
        """Return committed, aborted (or never ended, which is the same to a reader) or unknown."""
        if self.commit == "ok":
            return "committed"
        if self.commit in ("", "fail") or self.abort == "ok":
            return "aborted"
        return "unknown"


class Sends:
    """Columns over all sends, in the order of their processes' lines."""

    def __init__(self) -> None:
        self.partition = array("l")
        self.process = array("l")
        self.value = array("q")
        self.key = array("q")  # -1: none
        self.timestamp = array("q")
        self.invoked = array("q")
        self.done = array("q")
        self.state = array("b")
        self.offset = array("q")
        self.transaction: dict[int, Transaction] = {}  # row -> its transaction, if any
        self.source: dict[int, int] = {}  # row -> the value it copies

    def __len__(self) -> int:
        return len(self.value)

    def add(self, partition: int, process: int, line: Line) -> int:
        self.partition.append(partition)
        self.process.append(process)
        self.value.append(line["v"])
        key = line.get("k")
        self.key.append(-1 if key is None else key)
        self.timestamp.append(line.get("ts") or -1)
        self.invoked.append(line["t"])
        self.done.append(NEVER)
        self.state.append(PENDING)
        self.offset.append(NO_OFFSET)
        return len(self.value) - 1


class Commit(NamedTuple):
    """An offset commit of one partition by a group."""

    process: str
    generation: int
    offset: int
    t0: int
    t1: int  # NEVER unless it was answered
    outcome: str
    transaction: str | None


class Fetched(NamedTuple):
    """A committed offset as the coordinator told it, or as a member began with it."""

    process: str
    offset: int | None
    t0: int
    t1: int


class Ownership(NamedTuple):
    """A member of a group was given partitions, until `t1`."""

    process: str
    member: str
    generation: int
    partitions: frozenset[str]
    t0: int


class Fault(NamedTuple):
    """One fault of the nemesis, and when its effect was over."""

    name: str
    partitions: tuple[str, ...]  # that it hit; empty: all, or nobody knows
    t0: int
    t1: int


class OffsetAnswer(NamedTuple):
    """One answer of ListOffsets."""

    partition: str
    at: int
    isolation: str
    offset: int | None
    timestamp: int | None
    t0: int
    t1: int
    is_final: bool


class Pending(NamedTuple):
    """An operation that was begun."""

    process: str
    op: str
    t0: int
    row: int  # of a send, else -1
    line: Line


class History:
    """Everything that the invariants read; `of` makes one."""

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}
        self.clients: dict[str, Client] = {}
        self.sends = Sends()
        self.transactions: dict[str, Transaction] = {}
        self.partitions: list[str] = []  # names "topic-index" by number
        self.processes: list[str] = []
        self.chunks: dict[str, list[Chunk]] = {}  # by partition
        self.replicas: dict[str, list[tuple[str, Chunk]]] = {}  # by partition: broker, its log
        # By partition and offset: each (producer id, producer epoch) that some disk has there.
        self.writers: dict[str, dict[int, set[tuple[int, int]]]] = {}
        self.steps: dict[tuple[str, str], list[Step]] = {}  # by process and partition
        self.commits: dict[tuple[str, str], list[Commit]] = {}  # by group and partition
        self.fetched: dict[tuple[str, str], list[Fetched]] = {}
        self.ownerships: dict[str, list[Ownership]] = {}  # by group
        # When a member gave a partition up, in order: by group, process, partition.
        self.given_up: dict[tuple[str, str, str], list[int]] = {}
        self.faults: list[Fault] = []
        self.phases: dict[str, int] = {}
        self.offset_answers: list[OffsetAnswer] = []
        self.counts: Counter[str] = Counter()  # "op type" -> lines
        self.notes: Counter[str] = Counter()  # names of admin lines that stand alone
        self.begun: dict[tuple[str, int], Pending] = {}  # still without completion
        self.ended_at = 0
        self._partition_numbers: dict[str, int] = {}
        self._process_numbers: dict[str, int] = {}

    @classmethod
    def of(cls, lines: Iterable[Line]) -> "History":
        """Take every line, then close what was left open as unknown."""
        history = cls()
        take = history._take
        for line in lines:
            take(line)
        history._close()
        return history

    def topic(self, partition: str) -> dict[str, Any]:
        """Return what the run said of a partition's topic: cleanup, retention_ms, ..."""
        found: dict[str, Any] = self.meta.get("topics", {}).get(topic_of(partition), {})
        return found

    def group(self, name: str) -> dict[str, Any]:
        """Return what the run said of a group: protocol."""
        found: dict[str, Any] = self.meta.get("groups", {}).get(name, {})
        return found

    def is_cleaned(self, partition: str) -> bool:
        """Say whether records may rightly go away (compaction, retention)."""
        return bool(self.topic(partition).get("cleanup"))

    def partition_number(self, name: str) -> int:
        number = self._partition_numbers.get(name)
        if number is None:
            number = self._partition_numbers[name] = len(self.partitions)
            self.partitions.append(name)
        return number

    def client(self, name: str) -> Client:
        client = self.clients.get(name)
        if client is None:
            client = self.clients[name] = Client(name)
            self._process_numbers[name] = len(self.processes)
            self.processes.append(name)
        return client

    def transaction(self, name: str, process: str) -> Transaction:
        found = self.transactions.get(name)
        if found is None:
            found = self.transactions[name] = Transaction(name, process)
        return found

    def _take(self, line: Line) -> None:
        op, kind = line["op"], line["type"]
        self.counts[f"{op} {kind}"] += 1
        t = line["t"]
        self.ended_at = max(self.ended_at, t)
        client = self.client(line["p"])
        client.last_seen = max(client.last_seen, t)
        if kind == "invoke":
            self._begin(client, line, op, t)
        elif "n" in line and (begun := self.begun.pop((line["p"], line["n"]), None)) is not None:
            self._end(begun, line, kind, t)
        else:
            TAKERS[op](self, client, line)

    def _begin(self, client: Client, line: Line, op: str, t: int) -> None:
        row = -1
        if op == "send":
            partition = self.partition_number(line["tp"])
            row = self.sends.add(partition, self._process_numbers[client.name], line)
            if (name := line.get("x")) is not None:
                transaction = self.transaction(name, client.name)
                transaction.sends.append(row)
                self.sends.transaction[row] = transaction
            if (source := line.get("source")) is not None:
                self.sends.source[row] = source
        elif op == "txn":
            transaction = self.transaction(line["x"], client.name)
            if line["stage"] == "commit":
                transaction.commit, transaction.commit_at = "invoke", t
            elif line["stage"] == "abort":
                transaction.abort = "invoke"
        self.begun[client.name, line["n"]] = Pending(client.name, op, t, row, line)

    def _end(self, begun: Pending, line: Line, kind: str, t: int) -> None:
        if begun.op == "send":
            self._end_send(begun.row, line, kind, t)
        elif begun.op == "txn":
            transaction = self.transaction(begun.line["x"], begun.process)
            if begun.line["stage"] == "commit":
                transaction.commit, transaction.commit_done = kind, t
            elif begun.line["stage"] == "abort":
                transaction.abort = kind
        elif begun.op == "commit":
            self._add_commits(begun, kind, t)
        elif begun.op == "nemesis":
            self._add_fault(begun, t, line)

    def _end_send(self, row: int, line: Line, kind: str, t: int) -> None:
        sends = self.sends
        sends.done[row] = t
        if kind == "ok":
            sends.state[row] = OK
            if (offset := line.get("o")) is not None:
                sends.offset[row] = offset
        elif kind == "fail":
            sends.state[row] = FAIL

    def _add_commits(self, begun: Pending, kind: str, t: int) -> None:
        line = begun.line
        for partition, offset in line["offsets"].items():
            commit = Commit(
                begun.process,
                line.get("generation", -1),
                offset,
                begun.t0,
                t if kind != "info" else NEVER,
                kind,
                line.get("x"),
            )
            self.commits.setdefault((line["group"], partition), []).append(commit)

    def _add_fault(self, begun: Pending, t1: int, end: Line) -> None:
        partitions = tuple(end.get("partitions", ()))
        self.faults.append(Fault(begun.line["fault"], partitions, begun.t0, t1))

    def _close(self) -> None:
        """What was never answered: commits may have happened, a fault lasts to the end."""
        for begun in self.begun.values():
            if begun.op == "commit":
                self._add_commits(begun, "info", NEVER)
            elif begun.op == "nemesis":
                self._add_fault(begun, NEVER, {})
        self.faults.sort(key=lambda fault: fault.t0)


def begun_at(line: Line) -> int:
    """When the operation of a line that stands alone was begun."""
    t0: int = line.get("t0") or line["t"]
    return t0


def topic_of(partition: str) -> str:
    return partition.rpartition("-")[0]


# Lines that stand alone.


def take_run(history: History, _client: Client, line: Line) -> None:
    history.meta |= line["meta"]


def take_client(_history: History, client: Client, line: Line) -> None:
    client.library = line.get("library", "?")
    client.version = line.get("version", "?")
    client.role = line.get("role", "")
    client.isolation = line.get("isolation", "read_uncommitted")
    client.is_idempotent = line.get("is_idempotent", True)


def take_poll(history: History, client: Client, line: Line) -> None:
    for partition, chunk in chunks_of(client, line):
        history.chunks.setdefault(partition, []).append(chunk)
        history.steps.setdefault((client.name, partition), []).append(Step(chunk, None))


def chunks_of(client: Client, line: Line) -> "Iterable[tuple[str, Chunk]]":
    is_committed = line.get("isolation", client.isolation) == "read_committed"
    for partition, (offsets, values, *rest) in line["reads"].items():
        yield (
            partition,
            Chunk(
                client.name,
                begun_at(line),
                line["t"],
                line.get("x"),
                is_committed,
                bool(line.get("is_final")),
                array("q", offsets),
                array("q", values),
                array("q", rest[0] if rest else ()),
            ),
        )


def take_replica(history: History, client: Client, line: Line) -> None:
    for partition, chunk in chunks_of(client, line):
        history.replicas.setdefault(partition, []).append((str(line["broker"]), chunk))
        runs = line.get("producers", {}).get(partition, [])
        starts = [start for start, _, _ in runs]
        writers = history.writers.setdefault(partition, {})
        for offset in chunk.offsets if runs else ():
            _, producer_id, producer_epoch = runs[bisect_right(starts, offset) - 1]
            writers.setdefault(offset, set()).add((producer_id, producer_epoch))


def take_assign(history: History, client: Client, line: Line) -> None:
    for partition, position in line["positions"].items():
        history.steps.setdefault((client.name, partition), []).append(Step(None, position))


def take_seek(history: History, client: Client, line: Line) -> None:
    history.steps.setdefault((client.name, line["tp"]), []).append(Step(None, line["o"]))


def take_rebalance(history: History, client: Client, line: Line) -> None:
    positions: dict[str, int | None] = line["positions"]
    group = line["group"]
    if line["event"] != "assigned":
        for partition in line.get("revoked", ()):
            given_up = history.given_up.setdefault((group, client.name, partition), [])
            given_up.append(line["t"])
        return
    owned = Ownership(
        client.name,
        line.get("member", client.name),
        line.get("generation", -1),
        frozenset(positions),
        line["t"],
    )
    history.ownerships.setdefault(group, []).append(owned)
    for partition, position in positions.items():
        history.steps.setdefault((client.name, partition), []).append(Step(None, position))
        begins = Fetched(client.name, position, begun_at(line), line["t"])
        if position is not None:
            history.fetched.setdefault((group, partition), []).append(begins)


def take_committed(history: History, client: Client, line: Line) -> None:
    for partition, offset in line["offsets"].items():
        fetched = Fetched(client.name, offset, begun_at(line), line["t"])
        history.fetched.setdefault((line["group"], partition), []).append(fetched)


def take_list_offsets(history: History, _client: Client, line: Line) -> None:
    history.offset_answers.append(
        OffsetAnswer(
            line["tp"],
            line["at"],
            line.get("isolation", "read_uncommitted"),
            line["o"],
            line.get("ts"),
            begun_at(line),
            line["t"],
            bool(line.get("is_final")),
        )
    )


def take_phase(history: History, _client: Client, line: Line) -> None:
    history.phases.setdefault(line["name"], line["t"])


def take_died(history: History, _client: Client, line: Line) -> None:
    history.client(line["who"]).died_at = line["t"]


def take_admin(history: History, _client: Client, line: Line) -> None:
    history.notes[line.get("name", "")] += 1


def take_nothing(_history: History, _client: Client, _line: Line) -> None:
    """Counted; no invariant reads it."""


TAKERS = {
    "run": take_run,
    "client": take_client,
    "poll": take_poll,
    "replica": take_replica,
    "assign": take_assign,
    "seek": take_seek,
    "rebalance": take_rebalance,
    "committed": take_committed,
    "list_offsets": take_list_offsets,
    "phase": take_phase,
    "died": take_died,
    "admin": take_admin,
    "nemesis": take_nothing,
    "send": take_nothing,
    "txn": take_nothing,
    "commit": take_nothing,
}
