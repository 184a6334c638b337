"""`python -m tests.conformance [client ...]`: run the scenarios, print the table.

On one broker; --brokers 3 on a cluster, every topic on all three; --kill-every S besides kills one
of them so often; --against apache: on one broker of ours, then on one of Apache Kafka. A whole run
rewrites its part of docs/CLIENTS.md: one without names of clients, or the last of several with
--resume. The exit code is 0 only if every client ran and every feature that it has was shown; what
Apache Kafka fails is told, and does not count.
"""

import argparse
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tests.conformance import beside
from tests.conformance.apache import ApacheBroker
from tests.conformance.beside import Pair
from tests.conformance.broker import ConformanceBroker
from tests.conformance.clients import NAMES, client_class
from tests.conformance.cluster import ConformanceCluster
from tests.conformance.features import FEATURES
from tests.conformance.java_tools import TOOLS, Tools
from tests.conformance.kept import Kept
from tests.conformance.reference import SteadyReference
from tests.conformance.run import Outcome, outcome_of, outcome_of_tools
from tests.conformance.table import APACHE, Run, markdown, plain, rewritten
from tests.conformance.toolchains import java
from tests.integration.data_plane.broker_process import ROOT
from tests.progress import Progress

TOOLS_NAME = "java_tools"
DOCUMENT = ROOT / "docs" / "CLIENTS.md"


Opened = ConformanceBroker | ConformanceCluster | ApacheBroker


def main() -> int:
    asked = _parsed()
    if asked.logs is not None:
        asked.logs.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(filename=asked.logs / "failures.log", level=logging.WARNING)
        logging.getLogger("tests.conformance").setLevel(logging.DEBUG)
    names = [*NAMES, TOOLS_NAME]
    run = Run(asked.brokers, asked.kill_every, asked.seed)
    found = found_by(run, asked)
    outcomes, tools = rows(found), found.get(TOOLS_NAME)
    print(plain(run, outcomes, tools))
    is_whole = found.keys() == set(names) and not asked.feature
    if is_whole and tools is not None:
        write_down(run.title, markdown(run, outcomes, tools))
    is_good = all(outcome.is_good for outcome in found.values())
    if not asked.against:
        return 0 if is_good else 1
    theirs = found_by(Run(is_apache=True), asked)
    pairs = [Pair(found[name], theirs[name]) for name in names if name in found and name in theirs]
    print("\n".join(beside.plain(pairs)))
    if is_whole and theirs.keys() == set(names):
        write_down(APACHE, beside.markdown(java.kafka_version(), pairs))
    return 0 if is_good and not any(one.not_run for one in theirs.values()) else 1


def rows(found: Mapping[str, Outcome]) -> list[Outcome]:
    """Those of the clients, in order."""
    return [found[name] for name in NAMES if name in found]


def write_down(title: str, part: str) -> None:
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text(), title, part))


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    names = [*NAMES, TOOLS_NAME]
    parser.add_argument("clients", nargs="*", metavar="client", help=", ".join(names))
    parser.add_argument(
        "--feature", action="append", choices=[*FEATURES, *TOOLS], help="only these"
    )
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--kill-every", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1, help="of who is killed")
    parser.add_argument(
        "--against", choices=("apache",), help="then the same on one broker of Apache Kafka"
    )
    parser.add_argument(
        "--resume", action="store_true", help="leave out what earlier runs have shown"
    )
    parser.add_argument(
        "--logs", type=Path, help="keep what the brokers log, and failures in full, in this folder"
    )
    asked = parser.parse_args()
    if unknown := sorted(set(asked.clients) - set(names)):
        parser.error(f"no such client: {', '.join(unknown)}")
    if asked.kill_every and asked.brokers == 1:
        parser.error("--kill-every needs --brokers 3: the others carry on")
    if asked.against and asked.brokers != 1:
        parser.error("--against is of one broker and one")
    return asked


def found_by(run: Run, asked: argparse.Namespace) -> dict[str, Outcome]:
    """What is asked for and was not kept is run; module name -> outcome."""
    kept = Kept(run.title, is_resumed=asked.resume, is_partial=bool(asked.feature))
    wanted = {
        name: kept.left_of(name, chosen(TOOLS if name == TOOLS_NAME else FEATURES, asked.feature))
        for name in asked.clients or [*NAMES, TOOLS_NAME]
    }
    if any(wanted.values()):
        run_all(run, wanted, asked.logs, kept)
    return kept.outcomes


def chosen(known: Iterable[str], asked: Sequence[str] | None) -> list[str]:
    return [each for each in known if asked is None or each in asked]


def run_all(run: Run, wanted: Mapping[str, Sequence[str]], logs: Path | None, kept: Kept) -> None:
    """All on one broker or one cluster, one client after the other, each with its features."""
    total = sum(map(len, wanted.values()))
    with (
        tempfile.TemporaryDirectory(prefix="ottla-conformance-") as folder,
        Progress(total, what="features") as progress,
    ):
        place = opened(run, Path(folder))
        is_killing = run.kill_every_s > 0
        reference = SteadyReference(place.address)
        reference.replicas = place.replicas
        try:
            reference.settle_in()
            place.begin_killing()
            for name, features in wanted.items():
                if not features:
                    continue
                before, told = place.kills, _teller(name, place, progress)
                if name == TOOLS_NAME:
                    tools = Tools(place, reference, is_killing=is_killing)
                    outcome = outcome_of_tools(tools, place, features, told)
                else:
                    kind = client_class(name)
                    outcome = outcome_of(
                        kind, place, reference, features, told, is_killing=is_killing
                    )
                outcome.kills = place.kills - before
                progress.reach(progress.done + len(features) - len(outcome.features))
                kept.keep(name, outcome)
        finally:
            reference.close()
            place.stop()
            if logs is not None:
                for log in Path(folder).glob("*.log"):
                    shutil.copy(log, logs / log.name)


def opened(run: Run, folder: Path) -> Opened:
    if run.is_apache:
        return ApacheBroker(folder)
    if run.brokers == 1:
        return ConformanceBroker(folder)
    return ConformanceCluster(
        folder, brokers=run.brokers, kill_every_s=run.kill_every_s, seed=run.seed
    )


def _teller(client: str, place: Opened, progress: Progress) -> Callable[[str, str], None]:
    """Each line ends with the seconds since the one before and the kills so far."""
    before = [time.monotonic()]

    def tell(feature: str, result: str) -> None:
        before.append(time.monotonic())
        spent = f"{before[-1] - before[-2]:5.1f} s"
        kills = f" {place.kills} kills" if place.kills else ""
        progress.say(f"{client:14} {feature:22} {result} {spent}{kills}")
        progress.step(not result.startswith("again"), client)

    return tell


if __name__ == "__main__":
    sys.exit(main())
