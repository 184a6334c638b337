"""`make chaos`: real processes under fault, judged by the checker; every figure with its N.

Exits 1 if a promise was broken, 2 if a run says too little (no load, faults that were not done).
Ctrl-C ends it in order: what was done is read back and judged. A second one ends it at once.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.machine import conditions
from tests.chaos import leftovers
from tests.chaos.figures import Figure, table
from tests.chaos.live import Options
from tests.chaos.parts import PARTS, run_part
from tests.stopping import Stopping

STOPPING = "stopping: what was done is read back and judged; once more ends it at once"
INTERRUPTED = 130  # as a shell says it of Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    stopping = Stopping()
    options = Options(
        kills=given.kills,
        faults=given.faults,
        rounds=given.rounds,
        copier_kills=given.copier_kills,
        rebalances=given.rebalances,
        cuts=given.cuts,
        flips=given.flips,
        rate=given.rate,
        seed=given.seed,
        failovers=given.failovers,
        controller_kills=given.controller_kills,
        rolls=given.rolls,
        brokers=given.brokers,
        nodes=given.nodes,
        out=given.out,
        recovery_mb=given.recovery_mb,
        behind_mb=given.behind_mb,
        fast=given.fast,
        stopping=stopping,
    )
    print(conditions().partition("method")[0].rstrip())
    print(f"seed      {options.seed}; brokers {options.brokers}; reports {options.out}", flush=True)
    try:
        with stopping.heard(STOPPING):
            return run_parts(given.parts or list(PARTS), options)
    except KeyboardInterrupt:
        print("\nended at once: of the part that was running nothing is known")
        return INTERRUPTED
    finally:
        leftovers.clear_own()


def run_parts(names: Sequence[str], options: Options) -> int:
    """One after the other; the exit code."""
    figures: list[Figure] = []
    for at, name in enumerate(names):
        if not options.stopping.goes_on():
            print(f"\nnot run: {', '.join(names[at:])}")
            return exit_code(figures) or 2
        found, seconds = run_part(name, options)
        print(f"\n{name} ({seconds:.0f} s)\n{table(found)}", flush=True)
        figures += found
    return exit_code(figures)


def exit_code(figures: list[Figure]) -> int:
    verdicts = {one.verdict for one in figures}
    if "MISSED" in verdicts:
        return 1
    return 2 if "UNKNOWN" in verdicts else 0


def parser() -> argparse.ArgumentParser:
    whole = Options()
    made = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    made.add_argument("parts", nargs="*", choices=[[], *PARTS], help="default: all")
    made.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    made.add_argument("--brokers", type=int, default=whole.brokers)
    made.add_argument(
        "--nodes", type=int, default=whole.nodes, help="machines they say they are on"
    )
    made.add_argument("--kills", type=int, default=whole.kills)
    made.add_argument(
        "--faults", type=int, default=whole.faults, help="pauses, power losses, cuts, mixed"
    )
    made.add_argument("--failovers", type=int, default=whole.failovers, help="A1 and A2, each")
    made.add_argument("--controller-kills", type=int, default=whole.controller_kills)
    made.add_argument("--rolls", type=int, default=whole.rolls, help="A4, and A5's rounds")
    made.add_argument("--rounds", type=int, default=whole.rounds, help="clock jumps, slow links")
    made.add_argument("--copier-kills", type=int, default=whole.copier_kills)
    made.add_argument("--rebalances", type=int, default=whole.rebalances, help="D10, each protocol")
    made.add_argument("--cuts", type=int, default=whole.cuts, help="of a log's tail, offline")
    made.add_argument("--flips", type=int, default=whole.flips, help="bits in segments, offline")
    made.add_argument("--rate", type=float, default=whole.rate, help="records/s of each producer")
    made.add_argument("--recovery-mb", type=int, default=whole.recovery_mb)
    made.add_argument("--behind-mb", type=int, default=whole.behind_mb, help="A8")
    made.add_argument("--fast", action="store_true", help="short pauses between faults")
    made.add_argument("--out", type=Path, default=Path("build/chaos"), help="reports go here")
    return made


if __name__ == "__main__":
    sys.exit(main())
