"""One run of a part on a rig of its own, and the figures that its verdict gives."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.chaos.broker import NO_SETTINGS
from tests.chaos.figures import Figure
from tests.chaos.networks import Relays
from tests.chaos.rig import NEEDS_THREE, NotRun, Rig
from tests.chaos.run import Plan, run
from tests.chaos.workloads.task import STANDSTILL
from tests.checker.gaps import Recoveries, longest_gaps, quantiles
from tests.checker.history import topic_of
from tests.checker.verdict import Verdict
from tests.stopping import NEVER, Stopping

RECOVERY_SECONDS_MAX = 12.0  # as long as a failover after a pause or a cut may take

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
    rebalances: int = 100  # D10, of each protocol
    cuts: int = 10_000
    flips: int = 10_000
    rate: float = 400.0
    ok_sends_min: int = 1_000  # less says nothing
    seed: int = 1
    failovers: int = 100
    controller_kills: int = 100
    rolls: int = 20
    brokers: int = 3
    nodes: int = 3  # on one, three brokers commit by syncs; on three, by replicas
    fast: bool = False  # short pauses between faults, for CI
    out: Path | None = None
    recovery_mb: int = 1_000
    behind_mb: int = 1_000  # A8
    stopping: Stopping = NEVER


def live(
    options: Options,
    name: str,
    faults: list[str],
    count: int,
    *,
    network: str = "direct",
    nodes: int | None = None,
    late_bytes: list[int] | None = None,
    static: Mapping[str, str] = NO_SETTINGS,
    **more: object,
) -> Verdict:
    """One run of its own, on a rig of its own."""
    plan = Plan(
        faults=faults,
        count=count,
        seed=options.seed,
        rate=options.rate,
        ok_sends_min=options.ok_sends_min,
        out=None if options.out is None else options.out / name,
        command=f"make chaos ARGS='{name} --seed {options.seed}'",
        label=name,
        stopping=options.stopping,
    )
    if options.fast:
        plan = replace(plan, apart_seconds=(0.5, 1.5), fault_seconds_max=0.5, warm_up_seconds=2.0)
    plan = replace(plan, **more)  # type: ignore[arg-type]  # fields by name
    has_journal = "power-loss" in faults
    nodes = min(options.nodes if nodes is None else nodes, options.brokers)
    with Rig(
        options.brokers, has_journal=has_journal, network=network, nodes=nodes, static=static
    ) as rig:
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
        yield Figure("", "  clients whose library stood still, killed", standstills, "", "", "")


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


def recovery_figure(figure: str, what: str, found: Recoveries) -> Figure:
    """The 99th percentile; unknown where a hundredth was cut short by the next fault.

    What had waited too long by then counts as what it had waited: it would have been longer still.
    """
    target = f"p99 {RECOVERY_SECONDS_MAX:g} s"
    too_long = [one for one in found.cut_short if one > RECOVERY_SECONDS_MAX]
    cut_short = len(found.cut_short) - len(too_long)
    seconds = [*found.seconds, *too_long]
    if not seconds:
        return Figure(figure, what, 0, "nothing measured", target, "UNKNOWN")
    one = quantiles(seconds)
    told = f"p50 {one['p50']} s, p99 {one['p99']} s, max {one['max']} s"
    word = "met" if one["p99"] <= RECOVERY_SECONDS_MAX else "MISSED"
    if too_long:
        told += f"; {len(too_long)} still without one when the next fault began"
    if cut_short:
        told += f"; {cut_short} cut short"
        if word == "met" and cut_short * 100 > len(seconds):
            word = "UNKNOWN"
    return Figure(figure, what, len(seconds), told, target, word)


def by_kind(verdict: Verdict) -> Iterator[Figure]:
    """How many of each fault."""
    for name, count in sorted(verdict.faults.items()):
        yield Figure("", f"  {name}", count, "", "", "")


def require_three(options: Options) -> None:
    if options.brokers < 3:
        raise NotRun(NEEDS_THREE)
