"""Conversations about one transactional id, as files; read and rewritten as those of groups.

Each file in tests/transcripts/transactions is one conversation. In a trace `answer ...` is the
response, `record ...` what was journaled, and the last line the state, with the time at which the
shard wants to be woken.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from data_plane.coordinator.transaction import ProducerIdAndEpoch, Transaction
from data_plane.coordinator.transaction_config import TransactionConfig
from data_plane.coordinator.transactions_shard import TransactionsShard
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode

FOLDER = Path(__file__).parents[3] / "transcripts" / "transactions"
FILES = sorted(FOLDER.glob("*.txt"))
ID = "id"
Options = dict[str, str]


class Driver:
    """A shard and its log; records go through their bytes."""

    def __init__(self) -> None:
        self.config = TransactionConfig(timeout_ms_max=60_000, id_expiration_ms=100_000)
        self.log: list[tuple[bytes, bytes | None]] = []
        self.now_ms = 0
        self.producer_ids = 0
        self.shard = self.load()

    def load(self) -> TransactionsShard:
        shard = TransactionsShard(self.config)
        for key, value in self.log:
            shard.replay_bytes(key, value)
        shard.finish_load(self.now_ms)
        return shard

    def carry_out(self, decision: Decision[object]) -> list[str]:
        """The trace of a decision, which is appended and replayed."""
        trace = [] if decision.response is None else [f"  answer {short(decision.response)}"]
        for record in decision.records:
            self.log.append(self.shard.encode(record))
            self.shard.replay(record)
            trace.append(f"  record {described(record)}")
        return trace

    def init(self, options: Options) -> list[str]:
        expected = who(options) if "epoch" in options else None
        drawn = -1
        if self.shard.needs_producer_id(ID, expected):
            drawn, self.producer_ids = self.producer_ids, self.producer_ids + 1
        return self.carry_out(
            self.shard.decide_init_producer_id(
                ID,
                timeout_ms=int(options.get("timeout", "1000")),
                expected=expected,
                new_producer_id=drawn,
                now_ms=self.now_ms,
            )
        )

    def add(self, options: Options) -> list[str]:
        names = options["to"].split(",")
        partitions = [(topic, int(at)) for topic, _, at in (n.partition("-") for n in names)]
        decision = self.shard.decide_add_partitions(
            ID, who(options), partitions, now_ms=self.now_ms
        )
        return self.carry_out(decision)

    def verify(self, options: Options) -> list[str]:
        topic, _, at = options["to"].partition("-")
        return [f"  answer {self.shard.verify(ID, who(options), [(topic, int(at))]).name}"]

    def commit(self, options: Options) -> list[str]:
        return self.end(options, is_commit=True)

    def abort(self, options: Options) -> list[str]:
        return self.end(options, is_commit=False)

    def end(self, options: Options, *, is_commit: bool) -> list[str]:
        if "v5" not in options:
            return self.carry_out(
                self.shard.decide_end(ID, who(options), is_commit=is_commit, now_ms=self.now_ms)
            )
        drawn = -1
        if self.shard.needs_producer_id_to_end(ID, who(options)):
            drawn, self.producer_ids = self.producer_ids, self.producer_ids + 1
        decision = self.shard.decide_bumping_end(
            ID, who(options), is_commit=is_commit, new_producer_id=drawn, now_ms=self.now_ms
        )
        return self.carry_out(decision)

    def marked(self, options: Options) -> list[str]:
        """Every partition has its marker."""
        trace = []
        for ended in list(self.shard.unfinished()):
            trace += self.carry_out(self.shard.decide_complete(ended, now_ms=self.now_ms))
        return trace or ["  nothing to mark"]

    def time(self, options: Options) -> list[str]:
        self.now_ms = int(options["at"])
        return self.carry_out(self.shard.expire(self.now_ms))

    def restart(self, options: Options) -> list[str]:
        self.shard = self.load()
        return []

    def state(self) -> str:
        known = self.shard.transactions.get(ID)
        due_ms = self.shard.next_due_ms
        wakes = "" if due_ms is None else f", wakes at {due_ms}"
        return f"  = {'no such id' if known is None else described(known)}{wakes}"


def who(options: Options) -> ProducerIdAndEpoch:
    return ProducerIdAndEpoch(int(options.get("pid", "0")), int(options["epoch"]))


def short(response: object) -> str:
    if isinstance(response, ErrorCode):
        return response.name
    assert isinstance(response, ProducerIdAndEpoch)
    return f"pid={response.producer_id} epoch={response.producer_epoch}"


def described(record: object) -> str:
    if not isinstance(record, Transaction):
        return "tombstone"
    among = ",".join(f"{topic}-{at}" for topic, at in sorted(record.partitions))
    start = "" if record.start_ms < 0 else f" since {record.start_ms}"
    name = f"{record.state.label} pid={record.producer_id} epoch={record.producer_epoch}"
    return f"{name}{start}{' ' * bool(among)}{among}"


def play(text: str) -> str:
    """The transcript with the traces that its commands give now."""
    driver, blocks = Driver(), []
    for block in text.strip().split("\n\n"):
        commands = block.partition("\n----")[0]
        lines = [commands, "----"]
        for command in commands.splitlines():
            if command.startswith("#"):
                continue
            verb, *words = command.split()
            step: Callable[[Options], list[str]] = getattr(driver, verb)
            lines += step(dict(word.split("=", 1) for word in words))
        blocks.append("\n".join([*lines, driver.state()]))
    return "\n\n".join(blocks) + "\n"


def test_there_are_transcripts() -> None:
    assert FILES, f"no transcripts in {FOLDER}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_transcript(path: Path, request: pytest.FixtureRequest) -> None:
    written = path.read_text()
    played = play(written)
    if request.config.getoption("--rewrite"):
        path.write_text(played)
    else:
        assert played == written
