"""The named truths of one cluster, each with the time since when it holds."""

from dataclasses import dataclass

from data_plane.contract.report import Condition

READY = "Ready"
TOPICS_APPLIED = "TopicsApplied"
ACLS_APPLIED = "AclsApplied"
PORT_TAKEN = "PortTaken"
CRASH_LOOP = "CrashLoop"
SECRET_UNOPENED = "SecretUnopened"  # noqa: S105 - a reason's name, not a secret
SPEC_REFUSED = "SpecRefused"
UPGRADED = "Upgraded"
RECORDS_LOST = "RecordsLost"


@dataclass(frozen=True, slots=True)
class Truth:
    name: str
    status: bool
    reason: str = ""
    message: str = ""


class ConditionBook:
    """Keeps `since_ms` while status and reason stay; a new message alone is no new truth."""

    def __init__(self) -> None:
        self._conditions: dict[str, Condition] = {}

    def note(self, truth: Truth, now_ms: int) -> None:
        held = self._conditions.get(truth.name)
        is_same = held and (held.status, held.reason) == (truth.status, truth.reason)
        self._conditions[truth.name] = Condition(
            name=truth.name,
            status=truth.status,
            reason=truth.reason,
            message=truth.message,
            since_ms=held.since_ms if held and is_same else now_ms,
        )

    def clear(self, name: str) -> None:
        """Drop a problem's condition: problems are listed while they last."""
        self._conditions.pop(name, None)

    def clear_all(self) -> None:
        self._conditions.clear()

    def list(self) -> list[Condition]:
        return [self._conditions[name] for name in sorted(self._conditions)]
