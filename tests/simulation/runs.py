"""Many worlds, seed after seed: what failed, what happened, how quickly; resumable.

Seeds that failed before come first, until they pass. Every hundredth seed runs twice: a seed is
one world, bit for bit, or no failure could be looked at again.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from time import process_time
from typing import NamedTuple

from tests.progress import Progress
from tests.simulation.cluster_world import ClusterWorld
from tests.simulation.journal import Journal, code_in_use
from tests.simulation.workers import Stopped, Workers
from tests.simulation.worlds import CLUSTER, trace_of, without_surprises, world_of

FAILED_FILE = "failed-seeds.txt"
TWICE_EVERY = 100
INTERRUPTED = 130  # as a shell says it of Ctrl-C


class Ran(NamedTuple):
    """One world: how it ended, and what happened in it."""

    seed: int
    failure: str
    faults: dict[str, int]
    acknowledged: int
    events: int
    ms: int
    trace: str
    rare: list[str]  # the rare paths that were forced
    cpu_s: float = 0.0  # what it took; 0: not known


def run(kind: str, seed: int) -> Ran:
    world = world_of(kind, seed)
    failure = ""
    try:
        with without_surprises():
            world.run()
    except Exception as error:
        failure = f"{type(error).__name__}: {error} {getattr(error, '__notes__', '')}"
    tally, schedule = world.tally, world.schedule
    acknowledged, faults = tally.acknowledged, dict(tally.faults)
    trace = trace_of(world)
    rare = list(world.plan.rare if isinstance(world, ClusterWorld) else world.rare)
    return Ran(seed, failure, faults, acknowledged, schedule.events, schedule.now_ms, trace, rare)


def run_checked(kind: str, seed: int) -> Ran:
    """As `run`; some are run again, which must be the same."""
    began_s = process_time()
    ran = run(kind, seed)
    cpu_s = process_time() - began_s
    if seed % TWICE_EVERY == 0:
        again = run(kind, seed)
        if again != ran:
            return ran._replace(failure=f"two runs differ: {ran.trace}, {again.trace}")
    return ran._replace(cpu_s=cpu_s)


def run_one(kind: str, seed: int) -> int:
    """One world, told in full; it runs anew however often it has run before."""
    ran = run(kind, seed)
    print(summary([ran]))
    print(f"trace {ran.trace}")
    _offer(kind, [seed] if ran.failure else [])
    return 1 if ran.failure else 0


def run_many(kind: str, seeds: Iterable[int], *, jobs: int, state: Path) -> int:
    """The exit code: 0 if no world failed, INTERRUPTED if it was stopped; the state says how far
    it came, and the same call goes on from there.
    """
    folder = state / kind
    journal, code = Journal(folder / "runs.jsonl"), code_in_use(kind)
    known = {row["ran"]["seed"]: Ran(**row["ran"]) for row in journal.of(code)}
    wanted = list(dict.fromkeys([*_failed_before(folder), *seeds]))
    todo = [seed for seed in wanted if seed not in known]
    if len(todo) < len(wanted):
        print(f"{len(wanted) - len(todo)} of {len(wanted)} worlds were run before")
    progress = Progress(len(todo))
    try:
        with Workers(jobs) as pool:
            running = {pool.submit(run_checked, kind, seed) for seed in todo}
            while running:
                done, running = pool.wait(running)
                for ran in (future.result() for future in done):
                    known[ran.seed] = ran
                    if ran.failure:
                        progress.say(f"seed {ran.seed}: {ran.failure}")
                    journal.add({"code": code, "ran": ran._asdict()})
                    failed = sum(1 for seed in wanted if seed in known and known[seed].failure)
                    progress.step(1, f"{failed} failed")
    except Stopped:
        progress.end()
        print(f"stopped after {progress.done} worlds; the same command goes on from here")
        return INTERRUPTED
    progress.end()
    all_ran = [known[seed] for seed in wanted]
    print(summary(all_ran))
    if progress.done:
        print(f"{progress.per_minute:.0f} seeds per minute, {jobs} at once")
    failures = [one.seed for one in all_ran if one.failure]
    folder.joinpath(FAILED_FILE).write_text("".join(f"{seed}\n" for seed in failures))
    _offer(kind, failures)
    return 1 if failures else 0


def _offer(kind: str, failures: list[int]) -> None:
    """How to keep what failed, whatever seeds will draw (regressions.py)."""
    for seed in failures if kind == CLUSTER else ():
        print(f"to keep it: make sim SEED={seed} ARGS=\"--store 'WHAT IT IS'\"")


def _failed_before(folder: Path) -> list[int]:
    file = folder / FAILED_FILE
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def summary(ran: list[Ran]) -> str:
    """Seeds, faults by kind, simulated hours."""
    failed = [one for one in ran if one.failure]
    faults: Counter[str] = Counter()
    for one in ran:
        faults.update(one.faults)
    hours = sum(one.ms for one in ran) / 3_600_000
    events, acknowledged = sum(one.events for one in ran), sum(one.acknowledged for one in ran)
    seeds = [one.seed for one in ran]
    lines = [f"{len(ran)} seeds, {min(seeds)} to {max(seeds)}: {len(failed)} failed"]
    lines += [f"  seed {one.seed}: {one.failure}" for one in failed]
    lines.append(f"{hours:.2f} simulated hours, {events} events, {acknowledged} acknowledged")
    measured = [one.cpu_s for one in ran if one.cpu_s]
    if measured:
        lines.append(f"{mean(measured):.2f} s of CPU a world, over {len(measured)}")
    lines.append(f"{sum(faults.values())} faults:")
    lines += [f"{count:8d}  {fault}" for fault, count in sorted(faults.items())]
    rare = Counter(name for one in ran for name in one.rare)
    if rare:
        lines.append(f"rare paths forced in {sum(1 for one in ran if one.rare)} worlds:")
        lines += [f"{count:8d}  {name}" for name, count in sorted(rare.items())]
    return "\n".join(lines)
