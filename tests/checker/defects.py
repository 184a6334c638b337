"""Defects planted into valid histories: at least one for each invariant, with its anomaly.

Each takes the lines of a world and changes as little as it can; other anomalies may follow from the
same change, but the named one has to be among them.
"""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.checker.lines import Line
from tests.checker.worlds import COMPACTED, INPUT, OUTPUT, PLAIN, RETENTION_MS, SHORT

Change = Callable[["Story"], None]


class Sent(NamedTuple):
    """An acknowledged send: its two lines."""

    begun: Line
    done: Line

    @property
    def value(self) -> int:
        value: int = self.begun["v"]
        return value

    @property
    def partition(self) -> str:
        partition: str = self.begun["tp"]
        return partition


class NoPlace(Exception):
    """This history has no spot for the defect; take another."""


class Story:
    """A history to be spoilt."""

    def __init__(self, lines: list[Line], rng: random.Random) -> None:
        self.lines = copy.deepcopy(lines)
        self.rng = rng

    def choose(self, from_: "list[Any]") -> Any:
        if not from_:
            raise NoPlace
        return self.rng.choice(from_)

    def sent(self, partitions: list[str]) -> list[Sent]:
        """Acknowledged sends with a told offset, outside of transactions."""
        done = {(x["p"], x["n"]): x for x in self.lines if x["op"] == "send" and x["type"] == "ok"}
        return [
            Sent(x, done[x["p"], x["n"]])
            for x in self.lines
            if x["op"] == "send"
            and x["type"] == "invoke"
            and x["tp"] in partitions
            and "x" not in x
            and done.get((x["p"], x["n"]), {}).get("o") is not None
        ]

    def reads(
        self, partition: str, *, role: str | None = None, is_committed: bool | None = None
    ) -> Iterator[tuple[Line, list[list[int]]]]:
        """Polls and disks that show a partition, with its columns."""
        clients = {x["p"]: x for x in self.lines if x["op"] == "client"}
        for line in self.lines:
            if line["op"] not in ("poll", "replica") or partition not in line["reads"]:
                continue
            client = clients.get(line["p"], {"role": "disk", "isolation": "read_uncommitted"})
            if role is not None and client["role"] != role:
                continue
            reads_committed = client["isolation"] == "read_committed"
            if is_committed is None or is_committed == reads_committed:
                yield line, line["reads"][partition]

    def hide(self, partition: str, value: int, **where: Any) -> None:
        """Take a value out of what was read."""
        for _, columns in self.reads(partition, **where):
            if value in columns[1]:
                at = columns[1].index(value)
                for column in columns:
                    del column[at]

    def positions(self, partition: str) -> dict[int, int]:
        """Offset -> value, as the disk has it."""
        return {
            offset: value
            for _, columns in self.reads(partition, role="disk")
            for offset, value in zip(columns[0], columns[1], strict=True)
        }

    def final(self, partition: str, *, is_committed: bool) -> list[list[int]]:
        """The columns of some final reader's last poll that has records."""
        found = [
            columns
            for _, columns in self.reads(partition, role="final", is_committed=is_committed)
            if columns[0]
        ]
        if not found:
            raise NoPlace
        return found[-1]

    def transactions(self, stage: str) -> dict[str, list[Line]]:
        """Transactions that ended so, acknowledged; with the lines that begin their sends."""
        begun = [x for x in self.lines if x["op"] == "txn" and x["type"] == "invoke"]
        answers = {
            (x["p"], x["n"]): x["type"]
            for x in self.lines
            if "n" in x and x["op"] == "txn" and x["type"] != "invoke"
        }
        ended = {
            x["x"] for x in begun if x["stage"] == stage and answers.get((x["p"], x["n"])) == "ok"
        }
        found: dict[str, list[Line]] = {}
        for line in self.lines:
            if line["op"] == "send" and line["type"] == "invoke" and line.get("x") in ended:
                found.setdefault(line["x"], []).append(line)
        return found

    def commit_time(self, name: str) -> int:
        return next(
            int(x["t"])
            for x in self.lines
            if x["op"] == "txn" and x.get("x") == name and x.get("stage") == "commit"
        )

    def offset_of(self, partition: str, value: int) -> int:
        found = [o for o, v in self.positions(partition).items() if v == value]
        if not found:
            raise NoPlace
        return found[0]

    def add(self, process: str, op: str, kind: str, t: int, **fields: Any) -> None:
        self.lines.append({"p": process, "t": t, "op": op, "type": kind, **fields})

    def end(self) -> int:
        return max(int(x["t"]) for x in self.lines)


# One function per defect.


def lost_write(story: Story) -> None:
    lost = story.choose(story.sent(PLAIN)[:-20])
    story.hide(lost.partition, lost.value)


def unseen(story: Story) -> None:
    partition = story.choose(PLAIN)
    last = max(story.sent([partition]), key=lambda one: one.done["o"])
    beyond = [v for o, v in story.positions(partition).items() if o >= last.done["o"]]
    for value in beyond:
        story.hide(partition, value)


def duplicate(story: Story) -> None:
    one = story.choose(story.sent(PLAIN))
    columns = story.final(one.partition, is_committed=False)
    for column, more in zip(columns, (columns[0][-1] + 3, one.value, one.begun["ts"]), strict=True):
        column.append(more)


def inconsistent_offset(story: Story) -> None:
    columns = story.final(story.choose(PLAIN), is_committed=False)
    columns[1][-1] = 10**9


def failed_read(story: Story) -> None:
    failed = {(x["p"], x["n"]) for x in story.lines if x["op"] == "send" and x["type"] == "fail"}
    one = story.choose(
        [
            x
            for x in story.lines
            if x["type"] == "invoke" and (x["p"], x["n"]) in failed and x["tp"] in PLAIN
        ]
    )
    columns = story.final(one["tp"], is_committed=False)
    for column, more in zip(columns, (columns[0][-1] + 3, one["v"], one["ts"]), strict=True):
        column.append(more)


def aborted_read(story: Story) -> None:
    sends = story.choose(list(story.transactions("abort").values()))
    one = story.rng.choice(sends)
    offset = story.offset_of(one["tp"], one["v"])
    columns = story.final(one["tp"], is_committed=True)
    for column, more in zip(columns, (offset, one["v"], one["ts"]), strict=True):
        column.insert(0, more)


def precommitted_read(story: Story) -> None:
    name, sends = story.choose(list(story.transactions("commit").items()))
    one = sends[0]
    offset = story.offset_of(one["tp"], one["v"])
    t = story.commit_time(name) - 1
    story.add("early", "client", "info", t - 1, isolation="read_committed", library="x")
    story.add("early", "poll", "ok", t, reads={one["tp"]: [[offset], [one["v"]], [one["ts"]]]})


def own_uncommitted_read(story: Story) -> None:
    name, sends = story.choose(list(story.transactions("commit").items()))
    one = sends[0]
    offset = story.offset_of(one["tp"], one["v"])
    t = story.commit_time(name) - 1
    reads = {one["tp"]: [[offset], [one["v"]], [one["ts"]]]}
    story.add(one["p"], "poll", "ok", t, x=name, isolation="read_committed", reads=reads)


def torn_transaction(story: Story) -> None:
    several = [sends for sends in story.transactions("commit").values() if len(sends) > 1]
    one = story.rng.choice(story.choose(several))
    story.hide(one["tp"], one["v"], is_committed=True)


def inner_skip(story: Story) -> None:
    _, columns = story.choose(
        [found for p in PLAIN for found in story.reads(p, role="reader") if len(found[1][0]) > 3]
    )
    for column in columns:
        del column[1]


def inner_back(story: Story) -> None:
    _, columns = story.choose(
        [found for p in PLAIN for found in story.reads(p, role="reader") if len(found[1][0]) > 3]
    )
    for column in columns:
        column[1], column[2] = column[2], column[1]


def following_polls(story: Story) -> tuple[list[list[int]], list[list[int]]]:
    """Two polls of one reader, one after the other, with no seek in between."""
    found = []
    for partition in PLAIN:
        before: dict[str, list[list[int]]] = {}
        for line in story.lines:
            process = line["p"]
            if line["op"] == "seek" and line["tp"] == partition:
                before.pop(process, None)
            elif line["op"] == "poll" and process.startswith("reader"):
                columns = line["reads"].get(partition)
                if columns and columns[0]:
                    if process in before and len(columns[0]) > 1:
                        found.append((before[process], columns))
                    before[process] = columns
    pair: tuple[list[list[int]], list[list[int]]] = story.choose(found)
    return pair


def outer_skip(story: Story) -> None:
    _, later = following_polls(story)
    for column in later:
        del column[0]


def outer_back(story: Story) -> None:
    earlier, later = following_polls(story)
    for column, before in zip(later, earlier, strict=True):
        column.insert(0, before[-1])


def neighbours(story: Story) -> tuple[Sent, Sent]:
    """Two acknowledged sends of one process, partition and key."""
    last: dict[tuple[str, str, int], Sent] = {}
    found = []
    for one in story.sent(PLAIN):
        key = (one.begun["p"], one.partition, one.begun["k"])
        if key in last:
            found.append((last[key], one))
        last[key] = one
    pair: tuple[Sent, Sent] = story.choose(found)
    return pair


def nonmonotonic_send(story: Story) -> None:
    first, second = neighbours(story)
    first.done["o"], second.done["o"] = second.done["o"], first.done["o"]


def key_order(story: Story) -> None:
    """The log itself is in the wrong order, and nobody was told an offset."""
    first, second = neighbours(story)
    swap = {first.value: second.value, second.value: first.value}
    for _, columns in story.reads(first.partition):
        columns[1][:] = [swap.get(value, value) for value in columns[1]]
    first.done["o"] = second.done["o"] = None


def read_cycle(story: Story) -> None:
    committed = list(story.transactions("commit").items())
    if len(committed) < 2:
        raise NoPlace
    chosen = story.rng.sample(committed, 2)
    t = story.end() + 1
    for (reader, _), (_, written) in (chosen, chosen[::-1]):
        one = written[0]
        offset = story.offset_of(one["tp"], one["v"])
        story.add(
            f"circular-{reader}",
            "poll",
            "ok",
            t,
            x=reader,
            isolation="read_committed",
            reads={one["tp"]: [[offset], [one["v"]]]},
        )


def phantom(story: Story) -> None:
    columns = story.final(story.choose(PLAIN), is_committed=False)
    for column, more in zip(columns, (columns[0][-1] + 5, 10**9, 1), strict=True):
        column.append(more)


def wrong_partition(story: Story) -> None:
    one = story.choose(story.sent([PLAIN[0]]))
    columns = story.final(PLAIN[1], is_committed=False)
    for column, more in zip(columns, (columns[0][-1] + 5, one.value, 1), strict=True):
        column.append(more)


def spurious_zero(story: Story) -> None:
    story.choose([one for one in story.sent(PLAIN) if one.done["o"] > 0]).done["o"] = 0


def negative_offset(story: Story) -> None:
    story.choose(story.sent(PLAIN)).done["o"] = -1


def offset_beyond_end(story: Story) -> None:
    story.choose(story.sent(PLAIN)).done["o"] = 10**6


def two_owners(story: Story) -> None:
    one = story.choose(
        [
            x
            for x in story.lines
            if x.get("generation", 0) > 0 and x["op"] == "rebalance" and x["positions"]
        ]
    )
    story.lines.append({**one, "p": "usurper", "member": "usurper", "t": one["t"] + 1})


def stale_commit(story: Story) -> None:
    refused = {
        (x["p"], x["n"]): x for x in story.lines if x["op"] == "commit" and x["type"] == "fail"
    }
    one = story.choose(list(refused.values()))
    one["type"] = "ok"


def resumed(story: Story) -> list[Line]:
    return [
        x
        for x in story.lines
        if x["op"] == "rebalance" and any(position > 2 for position in x["positions"].values())
    ]


def resume_above(story: Story) -> None:
    line = story.choose(resumed(story))
    line["positions"] = {p: position + 100 for p, position in line["positions"].items()}


def resume_below(story: Story) -> None:
    """Below every offset that may have been the last commit: commits in doubt are made sure."""
    for each in story.lines:
        if each["op"] == "commit" and each["type"] == "info":
            each["type"] = "fail"
    line = story.choose([x for x in resumed(story) if x["group"] == "readers"][-3:])
    line["positions"] = {p: min(position, 1) - 1 for p, position in line["positions"].items()}


def commit_lost(story: Story) -> None:
    for line in story.lines:
        if line["op"] == "committed" and line["group"] == "readers":
            line["offsets"] = dict.fromkeys(line["offsets"])


def copied(story: Story) -> list[Line]:
    return [
        one
        for sends in story.transactions("commit").values()
        for one in sends
        if one["tp"] == OUTPUT and "source" in one
    ]


def copy_twice(story: Story) -> None:
    first, second = (story.choose(copied(story)) for _ in range(2))
    if first is second:
        raise NoPlace
    first["source"] = second["source"]


def copy_missing(story: Story) -> None:
    one = story.choose(copied(story))
    story.hide(OUTPUT, one["v"])


def copy_uncommitted(story: Story) -> None:
    for line in story.lines:
        if line["op"] == "committed" and line["group"] == "copier":
            line["offsets"] = dict.fromkeys(INPUT, 0)
    if not copied(story):
        raise NoPlace


def compaction_lost_key(story: Story) -> None:
    positions = story.positions(COMPACTED)
    story.hide(COMPACTED, positions[max(positions)])


def retention_early(story: Story) -> None:
    on_disk = set(story.positions(SHORT).values())
    young_ms = next(x["meta"]["ended_ms"] for x in story.lines[::-1] if x["op"] == "run")
    young_ms -= RETENTION_MS
    young = [x for x in story.sent([SHORT]) if x.value in on_disk and x.begun["ts"] > young_ms]
    story.hide(SHORT, story.choose(young).value)


def wrong_end(story: Story) -> None:
    line = story.choose(
        [x for x in story.lines if x["op"] == "list_offsets" and x["at"] == -1 and x["tp"] in PLAIN]
    )
    line["o"] -= 1


def wrong_lookup(story: Story) -> None:
    line = story.choose(
        [x for x in story.lines if x["op"] == "list_offsets" and x["at"] > 0 and x["tp"] in PLAIN]
    )
    line["o"] += 1


def changed_timestamp(story: Story) -> None:
    columns = story.final(story.choose(PLAIN), is_committed=False)
    columns[2][0] += 1


def stuck_send(story: Story) -> None:
    """A send that is never answered, while the run goes on for two minutes."""
    t = story.end()
    story.add("waiting", "send", "invoke", t, n=1, tp=PLAIN[0], v=10**9, k=0)
    story.add("nemesis", "admin", "ok", t + 120 * 10**9, name="end")


def late_read(story: Story) -> None:
    """A record of the quiet beginning comes to the waiting reader six seconds late."""
    began = {p: [int(line["t"]) for line, _ in story.reads(p, role="tail")] for p in PLAIN}
    early = [
        x for x in story.sent(PLAIN) if min(began[x.partition], default=0) < x.done["t"] < 7 * 10**9
    ]
    one = story.choose(early)
    story.hide(one.partition, one.value, role="tail")


DEFECTS: dict[str, tuple[int, str, Change]] = {
    # name: number of the invariant, anomaly, change
    "lost write": (1, "lost-write", lost_write),
    "unseen": (2, "unseen", unseen),
    "duplicate": (3, "duplicate", duplicate),
    "inconsistent offset": (4, "inconsistent-offset", inconsistent_offset),
    "read of a failed send": (5, "aborted-read", failed_read),
    "aborted read": (5, "aborted-read", aborted_read),
    "pre-committed read": (6, "precommitted-read", precommitted_read),
    "own uncommitted read": (6, "precommitted-read", own_uncommitted_read),
    "torn transaction": (7, "torn-transaction", torn_transaction),
    "skip within a poll": (8, "int-poll-skip", inner_skip),
    "back within a poll": (8, "int-nonmonotonic-poll", inner_back),
    "skip between polls": (8, "ext-poll-skip", outer_skip),
    "back between polls": (8, "ext-nonmonotonic-poll", outer_back),
    "offsets of one producer go back": (9, "nonmonotonic-send", nonmonotonic_send),
    "order of a key": (10, "key-order", key_order),
    "cycle of reads": (11, "G1c", read_cycle),
    "phantom": (12, "phantom", phantom),
    "record in another partition": (12, "phantom", wrong_partition),
    "spurious zero": (13, "bad-offset", spurious_zero),
    "negative offset": (13, "bad-offset", negative_offset),
    "offset beyond the end": (13, "bad-offset", offset_beyond_end),
    "two owners": (14, "group-two-owners", two_owners),
    "commit of an old generation": (14, "group-stale-commit", stale_commit),
    "resumed above the commit": (14, "group-resume-above", resume_above),
    "resumed below the commit": (14, "group-resume-below", resume_below),
    "commit lost": (14, "group-commit-lost", commit_lost),
    "copied twice": (15, "copy-twice", copy_twice),
    "not copied": (15, "copy-missing", copy_missing),
    "copied, not committed": (15, "copy-uncommitted", copy_uncommitted),
    "key lost by compaction": (16, "compaction-lost-key", compaction_lost_key),
    "gone before its time": (16, "retention-early", retention_early),
    "wrong end offset": (17, "list-offsets", wrong_end),
    "wrong look-up by time": (17, "list-offsets", wrong_lookup),
    "timestamp changed": (17, "timestamp-changed", changed_timestamp),
    "stuck send": (18, "stuck", stuck_send),
    "late read": (19, "late", late_read),
}


def plant(name: str, lines: list[Line], rng: random.Random) -> list[Line]:
    """Return the history with one defect in it. Raises NoPlace."""
    story = Story(lines, rng)
    DEFECTS[name][2](story)
    return story.lines
