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
from tests.progress import Progress

Part = Callable[[argparse.Namespace, Progress], Counter[str]]


def over_sockets(options: argparse.Namespace, progress: Progress) -> Counter[str]:
    with tempfile.TemporaryDirectory(prefix="ottla-fuzz-") as folder:
        return sockets.run(options.socket_frames, options.seed, Path(folder), progress.step)


# How much of it there is (an option's name; "": not known beforehand), of what, and who does it.
PARTS: dict[str, tuple[str, str, Part]] = {
    "in-process": ("frames", "frames", lambda o, p: in_process.run(o.frames, o.seed, p.step)),
    "sockets": ("socket_frames", "frames", over_sockets),
    "allocation": ("", "", lambda o, _: amplification.run(o.seed)),
    "bombs": ("", "", lambda o, _: bombs.run(o.seed)),
    "lies": ("lies", "batches", lambda o, p: lies.run(o.lies, o.seed, p.step)),
    "log-dirs": ("log_dirs", "directories", lambda o, p: log_dirs.run(o.log_dirs, o.seed, p.step)),
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    for name in options.parts or PARTS:
        began_s = time.monotonic()
        total, what, part = PARTS[name]
        progress = Progress(getattr(options, total) if total else 0, what=what, label=name)
        outcomes = part(options, progress)
        progress.end()
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
