"""What a client may show while brokers are killed: what it would show on Apache Kafka as well.

Such a failure is an error that the client itself reports, or its own behaviour; the scenario is
tried again and the table says so. Everything else is a defect of ours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Allowed:
    """client, feature, error: patterns that match from the beginning."""

    client: str
    feature: str
    error: str
    reason: str


ALLOWED: Final[Sequence[Allowed]] = ()


def allowed(client: str, feature: str, error: str) -> str | None:
    """Why this failure is no defect; None if it is one."""
    for one in ALLOWED:
        if (
            re.match(one.client, client)
            and re.match(one.feature, feature)
            and re.match(one.error, error)
        ):
            return one.reason
    return None
