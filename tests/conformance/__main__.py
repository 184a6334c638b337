"""`python -m tests.conformance [client ...]`: run the scenarios, print the table.

A whole run (no client named) rewrites docs/CLIENTS.md. The exit code is 0 only if every client ran
and every feature that it has was shown.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.conformance.broker import ConformanceBroker
from tests.conformance.clients import NAMES, client_class
from tests.conformance.clients.confluent import ConfluentClient
from tests.conformance.features import FEATURES
from tests.conformance.java_tools import Tools
from tests.conformance.run import Outcome, outcome_of, outcome_of_tools
from tests.conformance.table import markdown, plain
from tests.integration.data_plane.broker_process import ROOT

TOOLS_NAME = "java_tools"
DOCUMENT = ROOT / "docs" / "CLIENTS.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    names = [*NAMES, TOOLS_NAME]
    parser.add_argument("clients", nargs="*", metavar="client", help=", ".join(names))
    parser.add_argument("--feature", action="append", choices=FEATURES, help="only these")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.clients) - set(names)):
        parser.error(f"no such client: {', '.join(unknown)}")
    outcomes, tools = run_all(asked.clients or names, asked.feature or list(FEATURES))
    print(plain(outcomes, tools))
    if not asked.clients and not asked.feature and tools is not None:
        DOCUMENT.write_text(markdown(outcomes, tools))
    every = [*outcomes, *([tools] if tools is not None else [])]
    return 0 if all(outcome.is_good for outcome in every) else 1


def run_all(
    clients: Sequence[str], features: Sequence[str]
) -> tuple[list[Outcome], Outcome | None]:
    """All on one broker, one client after the other."""
    with tempfile.TemporaryDirectory(prefix="ottla-conformance-") as folder:
        broker = ConformanceBroker(Path(folder))
        reference = ConfluentClient(broker.address)
        try:
            outcomes = [
                outcome_of(client_class(name), broker, reference, features, _teller(name))
                for name in NAMES
                if name in clients
            ]
            tools = None
            if TOOLS_NAME in clients:
                there = Tools(broker.address, reference)
                tools = outcome_of_tools(there, _teller(TOOLS_NAME))
            return outcomes, tools
        finally:
            reference.close()
            broker.stop()


def _teller(client: str) -> Callable[[str, str], None]:
    return lambda feature, result: print(f"{client:14} {feature:22} {result}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
