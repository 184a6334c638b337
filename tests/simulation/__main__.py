"""`python -m tests.simulation quorum --seeds N --from S`: worlds one after the other."""

import argparse
import logging
import sys
import time
from collections import Counter

from tests.simulation.quorum_world import FAULTS_MS, HEALING_MS, QuorumWorld


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("what", choices=["quorum"])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--from", dest="first", type=int, default=0)
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    faults: Counter[str] = Counter()
    failed: list[int] = []
    acknowledged = events = 0
    began_s = time.monotonic()
    for seed in range(asked.first, asked.first + asked.seeds):
        world = QuorumWorld(seed)
        try:
            tally = world.run()
        except Exception as error:
            failed.append(seed)
            print(f"seed {seed}: {type(error).__name__}: {error} {error.__notes__}", flush=True)
            continue
        faults.update(tally.faults)
        acknowledged += tally.acknowledged
        events += world.schedule.events
    took_s = time.monotonic() - began_s
    hours = asked.seeds * (FAULTS_MS + HEALING_MS) / 3_600_000
    print(f"{asked.seeds} seeds from {asked.first}: {len(failed)} failed {failed or ''}")
    print(f"{hours:.1f} simulated hours, {events} events, {acknowledged} decisions acknowledged")
    print(f"{asked.seeds / took_s * 60:.0f} seeds per minute")
    for fault, count in sorted(faults.items()):
        print(f"{count:8d}  {fault}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
