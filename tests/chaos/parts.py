"""The parts of `make chaos`: each yields its figures, or says why it was not run."""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.chaos import bit_flips, controller_kills, full_disk, min_isr, torn_tail
from tests.chaos.crew import CrewFailed
from tests.chaos.disks import DiskDamaged
from tests.chaos.figures import Figure, not_run
from tests.chaos.networks import Relays, can_lose_packets
from tests.chaos.rig import NEEDS_THREE, NotRun, Rig
from tests.chaos.run import Plan, run
from tests.chaos.workloads.task import STANDSTILL
from tests.checker.gaps import longest_gaps, quantiles
from tests.checker.history import OK, topic_of
from tests.checker.verdict import Verdict

# What each anomaly means for D1's three zeros.
LOST = {"lost-write", "unseen", "compaction-lost-key", "group-commit-lost", "copy-missing"}
DUPLICATED = {"duplicate", "copy-twice"}


@dataclass(frozen=True, slots=True)
class Options:
    """How long everything is."""

    kills: int = 300
    faults: int = 200
    rounds: int = 100  # of clocks and connections
    copier_kills: int = 30
    cuts: int = 10_000
    flips: int = 10_000
    rate: float = 400.0
    seed: int = 1
    failovers: int = 100
    controller_kills: int = 100
    rolls: int = 20
    brokers: int = 3
    nodes: int = 3  # on one, three brokers commit by syncs; on three, by replicas
    fast: bool = False  # short pauses between faults, for CI
    out: Path | None = None
    recovery_mb: int = 1_000


def live(
    options: Options,
    name: str,
    faults: list[str],
    count: int,
    *,
    network: str = "direct",
    nodes: int | None = None,
    late_bytes: list[int] | None = None,
    **more: object,
) -> Verdict:
    """One run of its own, on a rig of its own."""
    plan = Plan(
        faults=faults,
        count=count,
        seed=options.seed,
        rate=options.rate,
        out=None if options.out is None else options.out / name,
        command=f"make chaos ARGS='{name} --seed {options.seed}'",
    )
    if options.fast:
        plan = replace(plan, apart_seconds=(0.5, 1.5), fault_seconds_max=0.5, warm_up_seconds=2.0)
    plan = replace(plan, **more)  # type: ignore[arg-type]  # fields by name
    has_journal = "power-loss" in faults
    nodes = min(options.nodes if nodes is None else nodes, options.brokers)
    with Rig(options.brokers, has_journal=has_journal, network=network, nodes=nodes) as rig:
        rig.start()
        verdict = run(rig, plan)
        if late_bytes is not None and isinstance(rig.network, Relays):
            late_bytes.append(rig.network.late_bytes)
        return verdict


def safety(figure: str, what: str, verdict: Verdict) -> Iterator[Figure]:
    """The counts that must be zero, over the faults that were done."""
    faults = sum(verdict.faults.values())
    counts = {name: found.count for name, found in verdict.anomalies.items()}
    lost = sum(count for name, count in counts.items() if name in LOST)
    doubled = sum(count for name, count in counts.items() if name in DUPLICATED)
    others = sum(counts.values()) - lost - doubled
    word = {True: "met", False: "MISSED", "unknown": "UNKNOWN"}[verdict.valid]
    history = verdict.views.history
    acknowledged = history.counts["send ok"]
    told = f"{lost} lost, {doubled} doubled, {others} other"
    yield Figure(figure, f"{what}: {acknowledged:,} acked", faults, told, "0, 0, 0", word)
    for name, found in sorted(verdict.anomalies.items()):
        yield Figure("", f"  {name}: {found.witnesses[0].witness}"[:160], found.count, "", "", "")
    for reason in verdict.unknown_because:
        yield Figure("", f"  {reason}", 0, "", "", "")
    replicas = history.replicas.values()
    if compared := sum(len(logs) > 1 for logs in replicas):
        # A run whose replicas differ ends early (run.finish).
        what = "  partitions whose replicas are equal to the byte"
        yield Figure("D13", what, compared, "all", "all", "met")
    if standstills := history.notes[STANDSTILL]:
        yield Figure("", "  clients whose library stood still, replaced", standstills, "", "", "")


def gaps(verdict: Verdict) -> Iterator[Figure]:
    """How long a partition of the steady load took nothing around each fault."""
    for name, seconds in gaps_by_fault(verdict).items():
        one = quantiles(seconds)
        told = f"p50 {one['p50']} s, p99 {one['p99']} s, max {one['max']} s"
        yield Figure("", f"  ack gap around {name}, per partition", int(one["n"]), told, "", "")


def gaps_by_fault(verdict: Verdict) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for gap in longest_gaps(verdict.views):
        if topic_of(gap.partition) == "plain":
            found.setdefault(gap.causes[0], []).append(gap.seconds)
    return found


def gap_figure(
    figure: str, what: str, seconds: list[float], *, p50: float | None, top: float
) -> Figure:
    """Judge gaps: the median and the 99th percentile, or the worst where no median is asked."""
    one = quantiles(seconds)
    if not seconds:
        return Figure(figure, what, 0, "nothing measured", "", "UNKNOWN")
    told = f"p50 {one['p50']} s, p99 {one['p99']} s, max {one['max']} s"
    target = f"max {top} s" if p50 is None else f"p50 {p50} s, p99 {top} s"
    worst = one["max"] if p50 is None else one["p99"]
    is_met = worst <= top and (p50 is None or one["p50"] <= p50)
    return Figure(figure, what, len(seconds), told, target, "met" if is_met else "MISSED")


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
        verdict = live(options, name, [name], options.failovers, fault_seconds_max=20.0)
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


def require_three(options: Options) -> None:
    if options.brokers < 3:
        raise NotRun(NEEDS_THREE)


def pauses(options: Options) -> Iterator[Figure]:
    verdict = live(options, "pauses", ["pause"], options.faults, fault_seconds_max=20.0)
    yield from safety("D3", "SIGSTOP and SIGCONT", verdict)
    yield from gaps(verdict)


def power(options: Options) -> Iterator[Figure]:
    """All brokers at once where commits wait for syncs; one of three where they wait for others."""
    verdict = live(options, "power", ["power-loss"], options.faults, nodes=1)
    yield from safety("D4", "power loss of the whole site, synced mode", verdict)
    yield from gaps(verdict)
    if options.brokers < 3:
        yield not_run("D4", "power loss of one, spread mode", NEEDS_THREE)
        return
    verdict = live(options, "power-spread", ["power-loss"], options.faults, nodes=3)
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
    )
    yield from safety("D2", "clients and brokers cut off from each other", verdict)
    yield from by_kind(verdict)
    yield from gaps(verdict)
    if options.brokers < 3:
        yield not_run("D2", "cuts between brokers", NEEDS_THREE)
    if not is_lossy:
        yield not_run("D2", "a fifth of the packets lost", "needs the program nft")


def by_kind(verdict: Verdict) -> Iterator[Figure]:
    """How many of each fault."""
    for name, count in sorted(verdict.faults.items()):
        yield Figure("", f"  {name}", count, "", "", "")


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
    verdict = live(options, "transactions", ["kill"], 2 * options.copier_kills, kills_clients=True)
    yield from safety("D9", "copier and producer killed beside every other broker kill", verdict)
    history = verdict.views.history
    died = sum(client.died_at <= history.ended_at for client in history.clients.values())
    committed = sum(t.outcome == "committed" for t in history.transactions.values())
    told = f"{committed:,} of {len(history.transactions):,} transactions committed"
    yield Figure("", "  transactional clients killed", died, told, "", "")


def mixed(options: Options) -> Iterator[Figure]:
    faults = ["kill", "pause", "power-loss"]  # Clocks are judged by themselves.
    verdict = live(options, "mixed", faults, options.faults, kills_clients=True)
    yield from safety("D1-D9", "kills, pauses and power losses in turn", verdict)
    yield from gaps(verdict)


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """Memory where there is some: thousands of logs are opened, and nothing there loses power."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() else None
    return tempfile.TemporaryDirectory(prefix="ottla-chaos-", dir=place)


def torn(options: Options) -> Iterator[Figure]:
    with scratch() as folder:
        cuts, wrong = torn_tail.cut_everywhere(Path(folder), options.cuts)
    verdict = "met" if not wrong else "MISSED"
    yield Figure("D5", "cut of the last batches at any byte", cuts, f"{wrong} wrong", "0", verdict)


def flips(options: Options) -> Iterator[Figure]:
    with scratch() as folder:
        yield from bit_flips.figures(Path(folder), options.flips, random.Random(options.seed))


def disks(options: Options) -> Iterator[Figure]:
    yield from full_disk.figures(options.seed, rounds=2 if options.fast else 5)


def recovery(options: Options) -> Iterator[Figure]:
    """A7, as `make bench recovery` measures it."""
    from tests.bench import recovery as bench
    from tests.bench.settings import Settings

    for one in bench.run(replace(Settings(), recovery_mb=options.recovery_mb, rounds=1)):
        row = one.row()
        yield Figure("A7", row[0], 1, row[1], "", one.verdict)


def controllers(options: Options) -> Iterator[Figure]:
    require_three(options)
    yield from controller_kills.figures(options.seed, options.controller_kills)


def replicas(options: Options) -> Iterator[Figure]:
    """A5; and what nothing here measures yet, by name."""
    require_three(options)
    yield from min_isr.figures(options.rolls)
    yield not_run("A8", "a replica 1 GB behind catches up", "no part of it is written")


PARTS: dict[str, Callable[[Options], Iterator[Figure]]] = {
    "kills": kills,
    "failover": failover,
    "rolling": rolling,
    "pauses": pauses,
    "power": power,
    "clocks": clocks,
    "cuts": cuts,
    "connections": connections,
    "transactions": transactions,
    "mixed": mixed,
    "torn": torn,
    "flips": flips,
    "disks": disks,
    "recovery": recovery,
    "controllers": controllers,
    "replicas": replicas,
}


def run_part(name: str, options: Options) -> tuple[list[Figure], float]:
    """Run a part; what the machine or the product lacks becomes a NOT RUN line."""
    began_s = time.monotonic()
    try:
        found = list(PARTS[name](options))
    except NotRun as reason:
        found = [not_run("", name, str(reason))]
    except (AssertionError, CrewFailed, DiskDamaged) as error:
        found = [Figure("", f"{name} ended early", 0, str(error)[:200], "", "MISSED")]
    return found, time.monotonic() - began_s
