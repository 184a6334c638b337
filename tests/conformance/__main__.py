"""`python -m tests.conformance [client ...]`: run the scenarios, print the table.

A whole run (no client named) rewrites docs/CLIENTS.md. The exit code is 0 only if every client ran
and every feature that it has was shown.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.conformance.clients import NAMES, client_class
from tests.conformance.clients.confluent import ConfluentClient
from tests.conformance.features import FEATURES
from tests.conformance.run import Outcome, outcome_of
from tests.conformance.table import markdown, plain
from tests.integration.data_plane.broker_process import ROOT, BrokerProcess

DOCUMENT = ROOT / "docs" / "CLIENTS.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    parser.add_argument("clients", nargs="*", metavar="client", help=", ".join(NAMES))
    parser.add_argument("--feature", action="append", choices=FEATURES, help="only these")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.clients) - set(NAMES)):
        parser.error(f"no such client: {', '.join(unknown)}")
    outcomes = run_all(asked.clients or NAMES, asked.feature or list(FEATURES))
    print(plain(outcomes))
    if not asked.clients and not asked.feature:
        DOCUMENT.write_text(markdown(outcomes))
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


def run_all(clients: list[str] | tuple[str, ...], features: list[str]) -> list[Outcome]:
    """All on one broker, one client after the other."""
    with tempfile.TemporaryDirectory(prefix="ottla-conformance-") as folder:
        data_dir = str(Path(folder, "data"))
        broker = BrokerProcess("--data-dir", data_dir, "--auto-create-topics")
        reference = ConfluentClient(broker.address)
        try:
            return [
                outcome_of(client_class(name), broker.address, reference, features, _teller(name))
                for name in clients
            ]
        finally:
            reference.close()
            broker.stop()


def _teller(client: str) -> Callable[[str, str], None]:
    return lambda feature, result: print(f"{client:14} {feature:22} {result}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
