"""`python -m tests.checker`: judge a history, or put the checker itself to the test."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.checker.history import History
from tests.checker.lines import read_lines
from tests.checker.proof import prove, time_sends
from tests.checker.report import write_report
from tests.checker.verdict import judge


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.what == "prove":
        return prove(options.histories, options.seed)
    if options.what == "speed":
        return time_sends(options.sends)
    return check(options.history, options.out)


def check(path: Path, out: Path | None) -> int:
    """Print the verdict; 0 valid, 1 bad, 2 unknown."""
    began_s = time.monotonic()
    verdict = judge(History.of(read_lines(path)))
    folder = out or (path if path.is_dir() else path.parent)
    content = write_report(verdict, folder)
    print((folder / "report.md").read_text())
    print(f"{time.monotonic() - began_s:.1f} s; {folder / 'result.json'}: {content['valid']}")
    return verdict.exit_code


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.checker", description=__doc__)
    parts = made.add_subparsers(dest="what", required=True)
    one = parts.add_parser("check", help="judge a history: 0 valid, 1 bad, 2 unknown")
    one.add_argument("history", type=Path, help="a .jsonl file or a directory of them")
    one.add_argument("--out", type=Path, help="where the report goes; default: beside it")
    one = parts.add_parser("prove", help="planted defects and valid histories")
    one.add_argument("--histories", type=int, default=1_000)
    one.add_argument("--seed", type=int, default=1)
    one = parts.add_parser("speed", help="time and memory of a large history")
    one.add_argument("--sends", type=int, default=1_000_000)
    return made


if __name__ == "__main__":
    sys.exit(main())
