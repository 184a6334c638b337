"""Run scenarios for one client and note what came out."""

import logging
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from tests.conformance.client import Client, NotRun
from tests.conformance.features import FEATURES
from tests.conformance.java_tools import TOOLS, Tools
from tests.conformance.security import Security
from tests.conformance.world import World

log = logging.getLogger(__name__)


class Place(Protocol):
    """Where the broker under test is found; broker.py."""

    address: str  # of the listener where everybody may do everything

    def secured(self, kind: str) -> tuple[str, Security]: ...


PASSED = "yes"
FAILED = "FAILED"
LACKING = "-"


@dataclass(slots=True)
class Outcome:
    """One client's row. `not_run` is why there is no other."""

    client: str
    version: str = ""
    not_run: str = ""
    features: dict[str, str] = field(default_factory=dict)  # feature -> PASSED, FAILED or LACKING
    reasons: dict[str, str] = field(default_factory=dict)  # feature -> why it failed or is lacking

    @property
    def is_good(self) -> bool:
        return not self.not_run and FAILED not in self.features.values()


def outcome_of(
    kind: type[Client],
    place: Place,
    reference: Client,
    features: Iterable[str] = FEATURES,
    told: Callable[[str, str], None] = lambda _feature, _outcome: None,
) -> Outcome:
    """Run every feature on one client. A client that cannot be started becomes `not_run`."""
    outcome = Outcome(kind.name)
    try:
        client = kind(place.address)
        outcome.version = client.version()
    except NotRun as reason:
        outcome.not_run = str(reason)
        return outcome
    try:
        for feature in features:
            result, why = _run_one(feature, World(client, reference, place.secured))
            outcome.features[feature] = result
            if why:
                outcome.reasons[feature] = why
            told(feature, result if result != FAILED else f"{FAILED}: {why}")
    finally:
        client.close()
    return outcome


def outcome_of_tools(
    tools: Tools, told: Callable[[str, str], None] = lambda _tool, _outcome: None
) -> Outcome:
    """Run every tool; NotRun becomes `not_run`."""
    outcome = Outcome("Java tools")
    try:
        outcome.version = tools.version()
        for name, check in TOOLS.items():
            result, why = _tried(partial(check, tools))
            outcome.features[name] = result
            if why:
                outcome.reasons[name] = why
            told(name, result if result != FAILED else f"{FAILED}: {why}")
    except NotRun as reason:
        outcome.not_run = str(reason)
    return outcome


def _run_one(feature: str, world: World) -> tuple[str, str]:
    """The result and the reason for it, where it is not PASSED."""
    if why := world.client.lacks.get(feature):
        return LACKING, why
    return _tried(partial(FEATURES[feature], world))


def _tried(check: Callable[[], None]) -> tuple[str, str]:
    try:
        check()
    except NotRun:
        raise
    except Exception as error:
        log.debug("%s", traceback.format_exc())
        text = str(error).strip() or repr(error)
        return FAILED, f"{type(error).__name__}: {text.splitlines()[0][:300]}"
    return PASSED, ""
