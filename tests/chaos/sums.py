"""`python -m tests.chaos.sums FOLDER ...`: what many runs say together, by part.

Each report's result.json is one run. With N faults and no anomaly the failure rate is below 3/N
with 95 % confidence.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.figures import Figure, table

SEEDS_SHOWN = 12


@dataclass(slots=True)
class Sum:
    """All runs of one part."""

    seeds: list[int] = field(default_factory=list)
    acknowledged: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    anomalies: Counter[str] = field(default_factory=Counter)
    unknown: int = 0

    def add(self, result: dict[str, Any]) -> None:
        self.seeds.append(result["seed"])
        self.acknowledged += result["n"].get("send", {}).get("ok", 0)
        self.faults.update(result["faults_done"])
        self.anomalies.update({name: one["count"] for name, one in result["anomalies"].items()})
        self.unknown += result["valid"] == "unknown"

    def figures(self, part: str) -> Iterator[Figure]:
        count = sum(self.faults.values())
        anomalies = ", ".join(f"{n} {name}" for name, n in sorted(self.anomalies.items()))
        bound = f"< {300 / count:.1f} % each" if count and not anomalies else ""
        word = "MISSED" if anomalies else "UNKNOWN" if self.unknown else "met"
        what = f"{len(self.seeds)} runs, {self.acknowledged:,} acked"
        yield Figure(part, what, count, anomalies or "0 anomalies", bound, word)
        kinds = ", ".join(f"{n} {name}" for name, n in sorted(self.faults.items()))
        yield Figure("", f"  {kinds}", count, "", "", "")
        seeds = sorted(self.seeds)
        more = f" and {len(seeds) - SEEDS_SHOWN} more" if len(seeds) > SEEDS_SHOWN else ""
        told = " ".join(map(str, seeds[:SEEDS_SHOWN]))
        yield Figure("", f"  seeds {told}{more}", len(seeds), "", "", "")


def summed(paths: Iterable[Path]) -> dict[str, Sum]:
    """By the name of the folder that holds a result.json, which is the part's."""
    found: dict[str, Sum] = {}
    for path in sorted(paths):
        found.setdefault(path.parent.name, Sum()).add(json.loads(path.read_text()))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(prog="python -m tests.chaos.sums", description=__doc__)
    made.add_argument("folders", nargs="+", type=Path)
    folders: list[Path] = made.parse_args(arguments).folders
    sums = summed(path for folder in folders for path in folder.rglob("result.json"))
    print(table([row for part, one in sorted(sums.items()) for row in one.figures(part)]))
    return 1 if any(one.anomalies for one in sums.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
