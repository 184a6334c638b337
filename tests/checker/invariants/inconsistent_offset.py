"""4: two values at one offset, over all polls, acknowledgements and disks."""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.views import Views


def check(views: Views) -> Iterator[Anomaly]:
    for view in views:
        for offset, first, second, who in view.conflicts:
            witness = {"offset": offset, "values": [first, second], "seen_by": who}
            yield Anomaly("inconsistent-offset", offset, view.name, witness)
