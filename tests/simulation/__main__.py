"""Worlds one after the other: `python -m tests.simulation cluster --seeds N --from S`.

`quorum` has the worlds of the quorum alone. `bank` looks for each planted bug. All go on where they
were stopped, unless the code is another one by now.
"""

import argparse
import sys
from pathlib import Path
from types import FrameType

from tests.simulation.bank import named
from tests.simulation.bank_run import find_all
from tests.simulation.regressions import store
from tests.simulation.runs import run_many, run_one
from tests.simulation.shrink import told
from tests.simulation.worlds import CLUSTER, QUORUM
from tests.stopping import handled

STATE = Path(".ottla/simulation")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("what", choices=[CLUSTER, QUORUM, "bank"])
    parser.add_argument("names", nargs="*", help="bank: parts of names; none: the whole bank")
    parser.add_argument("--seed", type=int, help="one world, told in full")
    parser.add_argument("--seeds", type=int, default=100, help="how many; of the bank, at most")
    parser.add_argument("--from", dest="first", type=_first_seed, default=0, help="0 is `first`")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--state", type=Path, default=STATE, help="folder: how far it has come")
    parser.add_argument("--shrink", action="store_true", help="of one seed: what it fails by")
    parser.add_argument("--store", metavar="NAME", help="of one seed: keep what it fails by")
    parser.add_argument("--bug", default="", help="of the bank: planted while that is stored")
    parser.add_argument("--refresh", action="store_true", help="bank: store the seeds anew")
    asked = parser.parse_args()
    if asked.what == "bank":
        bank = named(asked.names)
        return find_all(
            bank, asked.seeds, jobs=asked.jobs, state=asked.state, is_refresh=asked.refresh
        )
    if asked.seed is not None and asked.store:
        return store(asked.seed, asked.store, asked.bug)
    if asked.seed is not None and asked.shrink:
        print(told(asked.seed))
        return 0
    if asked.seed is not None:
        return run_one(asked.what, asked.seed)
    seeds = range(asked.first, asked.first + asked.seeds)
    return run_many(asked.what, seeds, jobs=asked.jobs, state=asked.state)


def _first_seed(text: str) -> int:
    return 0 if text == "first" else int(text)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    with handled(_interrupt):
        sys.exit(main())
