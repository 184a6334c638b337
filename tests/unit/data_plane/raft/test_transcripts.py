"""Conversations of three voters, as files; read and rewritten as those of groups.

Each file in tests/transcripts/raft is one conversation of voters 0, 1 and 2. Messages wait until
`deliver` (all, or those of one `from=` or `to=`) or `lose` them; a node with a `slow_disk` syncs
when `sync` says so. The last lines of a trace are the nodes: role, term, what is committed, what is
synced, and where the log ends.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from data_plane.raft.entries import HardState, Ready
from data_plane.raft.messages import (
    SEEDS,
    Announce,
    Append,
    AppendReply,
    Message,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)
from data_plane.raft.node import RaftNode
from data_plane.raft.voters import ChangeRefused
from tests.unit.data_plane.raft.test_quorum import key, voters_of

FOLDER = Path(__file__).parents[3] / "transcripts" / "raft"
FILES = sorted(FOLDER.glob("*.txt"))
Options = dict[str, str]


class Driver:
    """Three nodes, the messages under way, the syncs that have not ended."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.wire: list[Message] = []
        self.syncing: dict[int, Ready] = {}
        self.slow: set[int] = set()
        self.down: set[int] = set()
        self.nodes = [
            RaftNode(
                number,
                HardState(),
                [],
                snapshot_offset=0,
                voters=voters_of(0, 1, 2),
                directory_id=key(number).directory_id,
                cluster_id="c",
                rng=Random(number),
            )
            for number in range(3)
        ]
        for node in self.nodes:
            node.tick(0)

    def settle(self) -> None:
        """Sync and send, as each node's driver does by itself."""
        for number, node in enumerate(self.nodes):
            while number not in self.down and (ready := node.ready()) is not None:
                self.wire += [one for one in ready.messages if one.target != SEEDS]
                if ready.must_persist and number in self.slow:
                    self.syncing[number] = ready
                else:
                    node.advance(ready)

    def stand(self, options: Options) -> list[str]:
        self.nodes[int(options["node"])].campaign()
        return []

    def ask(self, options: Options) -> list[str]:
        """Its patience is at an end: PreVote."""
        node = self.nodes[int(options["node"])]
        node._ask_beforehand()
        node._outbox = [one for one in node._outbox if not isinstance(one, Announce)]
        return []

    def propose(self, options: Options) -> list[str]:
        offset = self.nodes[int(options["node"])].propose([options["entry"].encode()])
        return [f"  at {offset}"]

    def remove(self, options: Options) -> list[str]:
        try:
            offset = self.nodes[int(options["node"])].remove_voter(key(int(options["voter"])))
        except ChangeRefused as error:
            return [f"  refused: {error}"]
        return [f"  at {offset}"]

    def transfer(self, options: Options) -> list[str]:
        self.nodes[int(options["node"])].transfer(self.now_ms)
        return []

    def time(self, options: Options) -> list[str]:
        """Whoever is up looks at the clock."""
        self.now_ms = int(options["at"])
        for number, node in enumerate(self.nodes):
            if number not in self.down:
                node.tick(self.now_ms)
        return []

    def slow_disk(self, options: Options) -> list[str]:
        self.slow.add(int(options["node"]))
        return []

    def sync(self, options: Options) -> list[str]:
        number = int(options["node"])
        self.slow.discard(number)
        self.nodes[number].advance(self.syncing.pop(number))
        return []

    def stop(self, options: Options) -> list[str]:
        self.down.add(int(options["node"]))
        return []

    def wake(self, options: Options) -> list[str]:
        self.down.discard(int(options["node"]))
        return []

    def deliver(self, options: Options) -> list[str]:
        """What waits now, and with `all` what comes of it."""
        trace = []
        for _ in range(20 if "all" in options else 1):
            under_way, self.wire = self.wire, []
            for message in under_way:
                if not chosen(message, options):
                    self.wire.append(message)
                    continue
                if message.target.id in self.down:
                    continue
                trace.append(f"  {described(message)}")
                self.nodes[message.target.id].step(message, self.now_ms)
            self.settle()
        return trace

    def lose(self, options: Options) -> list[str]:
        self.wire = [one for one in self.wire if not chosen(one, options)]
        return []

    def state(self) -> list[str]:
        return [
            f"  = {number} {node.role.value} term {node.term}, committed {node.committed_offset},"
            f" synced {node.stable_offset}, end {node.end_offset}"
            f"{' (down)' if number in self.down else ''}"
            for number, node in enumerate(self.nodes)
        ]


def chosen(message: Message, options: Options) -> bool:
    is_from = options.get("from", str(message.source.id)) == str(message.source.id)
    return is_from and options.get("to", str(message.target.id)) == str(message.target.id)


def described(message: Message) -> str:
    way = f"{message.source.id} -> {message.target.id}"
    match message:
        case VoteRequest():
            kind = "would you vote" if message.is_pre else "vote"
            return f"{way} {kind} term {message.term}, last {message.last_offset}"
        case VoteReply():
            return f"{way} {'yes' if message.is_granted else 'no'}, term {message.term}"
        case Append():
            what = " ".join(f"[{batch.base_offset} of {batch.term}]" for batch in message.batches)
            follows = f"behind {message.prev_offset} of {message.prev_term}"
            return f"{way} append {what or 'nothing'} {follows}, committed {message.commit}"
        case AppendReply() if message.is_match:
            return f"{way} agrees to {message.prev_offset}, synced {message.match_offset}"
        case AppendReply():
            return f"{way} does not know that, term {message.term}, try {message.hint_offset}"
        case TimeoutNow():
            return f"{way} stand now"
    return f"{way} {type(message).__name__}"


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
            options = {name: value for name, _, value in (word.partition("=") for word in words)}
            lines += step(options)
            driver.settle()
        blocks.append("\n".join([*lines, *driver.state()]))
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
