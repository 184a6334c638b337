"""The parts of `make chaos`: each yields its figures, or says why it was not run."""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.chaos import bit_flips, catching_up, controller_kills, full_disk, min_isr, torn_tail
from tests.chaos.clients.base import ClientError
from tests.chaos.crew import CrewFailed
from tests.chaos.disks import DiskDamaged
from tests.chaos.figures import Figure, not_run, unless_stopped
from tests.chaos.live import (
    Options,
    by_kind,
    gap_figure,
    gaps,
    gaps_by_fault,
    live,
    recovery_figure,
    require_three,
    safety,
)
from tests.chaos.networks import can_lose_packets
from tests.chaos.rig import NEEDS_THREE, NotRun
from tests.chaos.run import (
    COMPACTED,
    GROUP,
    MEMBERS,
    NEXT_GROUP,
    NEXT_MEMBERS,
    TRANSACTIONAL,
)
from tests.checker.gaps import recoveries
from tests.checker.history import OK, topic_of
from tests.progress import Progress

TRANSACTION_MAX = 750  # records, as in Kafka's own transactions test
FROM_THE_OTHERS = ("island", "isolated", "mute", "deaf", "bridge")  # a majority can talk still
PROBE_REQUEST_MS = 3_000  # who waits 10 s for one that was stopped measures its own patience
COPIED_MIN = 100_000  # records, as there


def kills(options: Options) -> Iterator[Figure]:
    verdict = live(options, "kills", ["kill"], options.kills)
    yield from safety("D1", "kill -9 of leader, follower, controller, two, all", verdict)
    yield from gaps(verdict)


def failover(options: Options) -> Iterator[Figure]:
    """A1, A2: the gap of the partitions that the victim led, over all restarts of leaders."""
    require_three(options)
    for figure, name, p50, top in (
        ("A1", "leader-kill", 1.5, 5.0),
        ("A2", "leader-pause", 7.0, 12.0),
    ):
        verdict = live(
            options,
            name,
            [name],
            options.failovers,
            fault_seconds_max=20.0,
            request_ms=PROBE_REQUEST_MS,
        )
        yield from safety("D1" if figure == "A1" else "D3", name, verdict)
        seconds = gaps_by_fault(verdict).get(name, [])
        yield gap_figure(figure, f"failover after {name}", seconds, p50=p50, top=top)


def rolling(options: Options) -> Iterator[Figure]:
    require_three(options)
    verdict = live(options, "rolling", ["roll"], options.rolls)
    yield from safety("A4", "clean rolling restarts", verdict)
    seconds = gaps_by_fault(verdict).get("roll", [])
    yield gap_figure("A4", "longest gap in a roll, per partition", seconds, p50=None, top=1.0)
    sends, transactional = verdict.views.history.sends, verdict.views.history.sends.transaction
    rows = [row for row in range(len(sends)) if row not in transactional]
    errors = sum(sends.state[row] != OK for row in rows)
    word = "met" if not errors else "MISSED"
    what = "sends outside of transactions that ended in an error"
    yield Figure("A4", what, len(rows), str(errors), "0", word)


def pauses(options: Options) -> Iterator[Figure]:
    verdict = live(options, "pauses", ["pause"], options.faults, fault_seconds_max=20.0)
    yield from safety("D3", "SIGSTOP and SIGCONT", verdict)
    yield from gaps(verdict)


def power(options: Options) -> Iterator[Figure]:
    """All brokers at once, where commits wait for syncs."""
    verdict = live(options, "power", ["power-loss"], options.faults, nodes=1)
    yield from safety("D4", "power loss of the whole site, synced mode", verdict)
    yield from gaps(verdict)


def power_of_one(options: Options) -> Iterator[Figure]:
    """One broker of three, where commits wait for the others."""
    require_three(options)
    verdict = live(options, "power-of-one", ["power-loss"], options.faults, nodes=3)
    yield from safety("D4", "power loss of one, spread mode", verdict)
    yield from gaps(verdict)


def clocks(options: Options) -> Iterator[Figure]:
    verdict = live(options, "clocks", ["clock"], options.rounds)
    yield from safety("D8", "wall clock by ±1 minute, hour, year", verdict)


def cuts(options: Options) -> Iterator[Figure]:
    """Every shape of cut, and lossy links."""
    faults = ["cut"]
    if options.brokers >= 3:
        faults += ["isolated", "mute", "deaf", "bridge", "ring", "island"]
    is_lossy = can_lose_packets()
    verdict = live(
        options,
        "cuts",
        [*faults, *(["loss"] if is_lossy else [])],
        options.faults,
        network="namespaces",
        fault_seconds_max=15.0,
        apart_seconds=(6.0, 12.0),  # Each has to be over before the next one begins.
    )
    yield from safety("D2", "clients and brokers cut off from each other", verdict)
    yield from by_kind(verdict)
    yield from gaps(verdict)
    yield recovery_figure(
        "D2", "next record after a cut has ended", recoveries(verdict.views, "plain")
    )
    for name in FROM_THE_OTHERS:
        if seconds := gaps_by_fault(verdict).get(name, []):
            what = f"gap while one broker is cut off: {name}"
            yield gap_figure("A2", what, seconds, p50=7.0, top=12.0)
    if options.brokers < 3:
        yield not_run("D2", "cuts between brokers", NEEDS_THREE)
    if not is_lossy:
        yield not_run("D2", "a fifth of the packets lost", "needs the program nft")


def connections(options: Options) -> Iterator[Figure]:
    late: list[int] = []
    faults = ["delay", "stale", "stale"]
    verdict = live(
        options, "connections", faults, options.rounds, network="relays", late_bytes=late
    )
    yield from safety("D9", "slow and stale connections (KIP-890)", verdict)
    stale = verdict.faults.get("stale", 0)
    word = "met" if late[0] else "UNKNOWN"
    yield Figure(
        "", "  requests delivered after their repetition", stale, f"{late[0]:,} bytes", "some", word
    )
    yield from gaps(verdict)


def transactions(options: Options) -> Iterator[Figure]:
    verdict = live(
        options,
        "transactions",
        ["kill"],
        2 * options.copier_kills,
        killed_clients=TRANSACTIONAL,
        transaction_max=TRANSACTION_MAX,
    )
    yield from safety("D9", "copier and producer killed beside every other broker kill", verdict)
    history = verdict.views.history
    died = sum(client.died_at <= history.ended_at for client in history.clients.values())
    committed = sum(t.outcome == "committed" for t in history.transactions.values())
    told = f"{committed:,} of {len(history.transactions):,} transactions committed"
    yield Figure("", "  transactional clients killed", died, told, "", "")
    states = [history.sends.state[row] for row in history.sends.source]
    told = f"{sum(state == OK for state in states):,} acknowledged"
    word = "met" if len(states) >= COPIED_MIN else "UNKNOWN"
    what = "records copied, each exactly once"
    yield Figure("D9", what, len(states), told, f"{COPIED_MIN:,}", word)


def groups(options: Options) -> Iterator[Figure]:
    """D10: a member is killed behind every kill of a coordinator; both protocols at once."""
    verdict = live(
        options,
        "groups",
        ["coordinator-kill"],
        options.rebalances,
        killed_clients=(*MEMBERS * 3, *NEXT_MEMBERS * 2),  # of each group as often
        client_kill_every=1,
        has_next_group=True,
        static={
            "group.consumer.session.timeout.ms": "10000",
            "group.consumer.min.session.timeout.ms": "10000",
            "group.consumer.heartbeat.interval.ms": "1000",
            "group.consumer.min.heartbeat.interval.ms": "1000",
        },
    )
    yield from safety("D10", "groups' coordinators and members killed", verdict)
    history = verdict.views.history
    for group, protocol in ((GROUP, "classic"), (NEXT_GROUP, "consumer, KIP-848")):
        ownerships = history.ownerships.get(group, [])
        rebalances = len({one.generation for one in ownerships if one.generation >= 0})
        commits = [
            one.outcome
            for (of, _), all_of in history.commits.items()
            if of == group
            for one in all_of
        ]
        told = f"{commits.count('ok'):,} commits, {commits.count('fail'):,} refused"
        word = "met" if rebalances >= options.rebalances else "UNKNOWN"
        what = f"generations of a {protocol} group"
        yield Figure("D10", what, rebalances, told, str(options.rebalances), word)


def compaction(options: Options) -> Iterator[Figure]:
    """D11 beside serving brokers; each step of a cleaning is cut off in tests/unit (log)."""
    static = {"log.cleaner.backoff.ms": "100"}
    verdict = live(options, "compaction", ["kill"], options.rounds, static=static, compacted=2)
    yield from safety("D11", "kills beside a topic that is always compacted", verdict)
    history = verdict.views.history
    partitions = [name for name in history.partitions if topic_of(name) == COMPACTED]
    numbers = {history.partitions.index(name) for name in partitions}
    sends = history.sends
    taken = sum(
        number in numbers and state == OK
        for number, state in zip(sends.partition, sends.state, strict=True)
    )
    logs = [chunk for name in partitions for _, chunk in history.replicas.get(name, [])]
    kept = sum(len(chunk.offsets) for chunk in logs) / max(1, options.brokers)
    word = "met" if kept < taken / 2 else "UNKNOWN"
    yield Figure("", "  records kept of those taken", taken, f"{kept:,.0f}", "less than half", word)


def mixed(options: Options) -> Iterator[Figure]:
    faults = ["kill", "pause", "power-loss"]  # Clocks are judged by themselves.
    verdict = live(options, "mixed", faults, options.faults, killed_clients=TRANSACTIONAL)
    yield from safety("D1-D9", "kills, pauses and power losses in turn", verdict)
    yield from gaps(verdict)


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """Memory where there is some: thousands of logs are opened, and nothing there loses power."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() else None
    return tempfile.TemporaryDirectory(prefix="ottla-chaos-", dir=place)


def torn(options: Options) -> Iterator[Figure]:
    with scratch() as folder:
        cuts, wrong = torn_tail.cut_everywhere(Path(folder), options.cuts, options.stopping)
    verdict = "met" if not wrong else "MISSED"
    yield Figure("D5", "cut of the last batches at any byte", cuts, f"{wrong} wrong", "0", verdict)


def flips(options: Options) -> Iterator[Figure]:
    with scratch() as folder:
        rng = random.Random(options.seed)
        yield from bit_flips.figures(Path(folder), options.flips, rng, options.stopping)


def rot(options: Options) -> Iterator[Figure]:
    """D6 in running brokers: each flip is noticed, never served, and the replica is copied anew."""
    require_three(options)
    verdict = live(options, "rot", ["rot"], options.rounds)
    yield from safety("D6", "bits flipped below running brokers, each copied anew", verdict)


def moves(options: Options) -> Iterator[Figure]:
    """Replicas move between four brokers, and become more or fewer, while brokers are killed."""
    options = replace(options, brokers=max(4, options.brokers), nodes=max(4, options.nodes))
    verdict = live(options, "moves", ["move"], options.faults)
    yield from safety("D1", "partitions moved while brokers are killed", verdict)
    moved = sum(len(fault.partitions) for fault in verdict.views.history.faults)
    yield Figure(
        "D1", "moves that were begun, all ended", moved, "", "", "met" if moved else "UNKNOWN"
    )
    yield from gaps(verdict)


def disks(options: Options) -> Iterator[Figure]:
    yield from full_disk.figures(2 if options.fast else 5, options.stopping)


def recovery(options: Options) -> Iterator[Figure]:
    """A7, as `make bench recovery` measures it."""
    from tests.bench import recovery as bench
    from tests.bench.settings import Settings

    with Progress(0, what="restarts", label="recovery", look=lambda: "until all is measured"):
        found = list(bench.run(replace(Settings(), recovery_mb=options.recovery_mb, rounds=1)))
    for one in found:
        target = "" if one.target is None else f"{one.target:g} {one.unit}"
        yield Figure("A7", one.name, 1, f"{one.best:.1f} {one.unit}", target, one.verdict)


def controllers(options: Options) -> Iterator[Figure]:
    require_three(options)
    yield from controller_kills.figures(options.seed, options.controller_kills, options.stopping)


def replicas(options: Options) -> Iterator[Figure]:
    """A5."""
    require_three(options)
    yield from min_isr.figures(options.rolls, options.stopping)


def catch_up(options: Options) -> Iterator[Figure]:
    """A8."""
    require_three(options)
    yield from catching_up.figures(options.seed, options.behind_mb, options.stopping)


PARTS: dict[str, Callable[[Options], Iterator[Figure]]] = {
    "kills": kills,
    "failover": failover,
    "rolling": rolling,
    "pauses": pauses,
    "power": power,
    "power-of-one": power_of_one,
    "clocks": clocks,
    "cuts": cuts,
    "connections": connections,
    "transactions": transactions,
    "groups": groups,
    "compaction": compaction,
    "mixed": mixed,
    "torn": torn,
    "flips": flips,
    "rot": rot,
    "moves": moves,
    "disks": disks,
    "recovery": recovery,
    "controllers": controllers,
    "replicas": replicas,
    "catch-up": catch_up,
}


def run_part(name: str, options: Options) -> tuple[list[Figure], float]:
    """Run a part; what the machine or the product lacks becomes a NOT RUN line."""
    began_s = time.monotonic()
    try:
        found = list(unless_stopped(name, PARTS[name](options), options.stopping))
    except NotRun as reason:
        found = [not_run("", name, str(reason))]
    except (AssertionError, ClientError, CrewFailed, DiskDamaged) as error:
        found = [Figure("", f"{name} ended early", 0, str(error)[:200], "", "MISSED")]
    return found, time.monotonic() - began_s
