"""`make fuzz`: hostile input at length; prints what was tried, and stops at the first failure.

A failure names its seed and its input: the same options give the same run.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.fuzz import amplification, bombs, in_process, lies, log_dirs, sockets

Part = Callable[[argparse.Namespace], Counter[str]]


def over_sockets(options: argparse.Namespace) -> Counter[str]:
    with tempfile.TemporaryDirectory(prefix="ottla-fuzz-") as folder:
        return sockets.run(options.socket_frames, options.seed, Path(folder))


PARTS: dict[str, Part] = {
    "in-process": lambda options: in_process.run(options.frames, options.seed),
    "sockets": over_sockets,
    "allocation": lambda options: amplification.run(options.seed),
    "bombs": lambda options: bombs.run(options.seed),
    "lies": lambda options: lies.run(options.lies, options.seed),
    "log-dirs": lambda options: log_dirs.run(options.log_dirs, options.seed),
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    for name in options.parts or PARTS:
        began_s = time.monotonic()
        outcomes = PARTS[name](options)
        told = ", ".join(f"{what} {count:,}" for what, count in outcomes.most_common())
        print(f"{name:12}{time.monotonic() - began_s:7.0f} s  {told}", flush=True)
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    made.add_argument("parts", nargs="*", choices=[[], *PARTS], help="default: all")
    made.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    made.add_argument("--frames", type=int, default=1_000_000, help="in process")
    made.add_argument("--socket-frames", type=int, default=1_000_000)
    made.add_argument("--lies", type=int, default=100_000, help="batches whose header lies")
    made.add_argument("--log-dirs", type=int, default=10_000, help="damaged data directories")
    return made


if __name__ == "__main__":
    sys.exit(main())
