"""Run scenarios for one client and note what came out."""

import contextlib
import logging
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from tests.conformance.allowed import allowed
from tests.conformance.client import Client, NotRun
from tests.conformance.features import FEATURES
from tests.conformance.java_tools import TOOLS, Tools
from tests.conformance.security import Security
from tests.conformance.world import World

log = logging.getLogger(__name__)


class Place(Protocol):
    """Where what is under test is found; broker.py, cluster.py."""

    address: str  # of the listener where everybody may do everything

    @property
    def replicas(self) -> int: ...  # of each topic

    @property
    def kills(self) -> int: ...  # of brokers, so far

    def secured(self, kind: str) -> tuple[str, Security]: ...


PASSED = "yes"
FAILED = "FAILED"
LACKING = "-"
TRIES_MAX = 3  # where brokers are killed, and the client's failure is one of allowed.py


@dataclass(slots=True)
class Outcome:
    """One client's row. `not_run` is why there is no other."""

    client: str
    version: str = ""
    not_run: str = ""
    features: dict[str, str] = field(default_factory=dict)  # feature -> PASSED, FAILED or LACKING
    reasons: dict[str, str] = field(default_factory=dict)  # feature -> why it failed or is lacking
    again: dict[str, list[str]] = field(default_factory=dict)  # feature -> failures allowed before
    hit: dict[str, int] = field(default_factory=dict)  # feature -> kills while it ran

    @property
    def is_good(self) -> bool:
        return not self.not_run and FAILED not in self.features.values()


def outcome_of(
    kind: type[Client],
    place: Place,
    reference: Client,
    features: Iterable[str] = FEATURES,
    told: Callable[[str, str], None] = lambda _feature, _outcome: None,
    *,
    is_killing: bool = False,
) -> Outcome:
    """Run every feature on one client. A client that cannot be started becomes `not_run`.

    is_killing: brokers die meanwhile; a failure that allowed.py knows of is tried again.
    """
    outcome = Outcome(kind.name)
    try:
        client = _opened(kind, place)
        outcome.version = client.version()
    except NotRun as reason:
        outcome.not_run = str(reason)
        return outcome
    try:
        for feature in features:
            kills = place.kills
            world = World(client, reference, place.secured, is_killing=is_killing)
            result, why = _run_one(feature, world)
            while result == FAILED and is_killing:
                # Members of the failed try may still be in its groups.
                client = _anew(client, kind, place)
                before = outcome.again.setdefault(feature, [])
                reason = allowed(kind.name, feature, why)
                if reason is None or len(before) + 1 >= TRIES_MAX:
                    break
                before.append(reason)
                told(feature, f"again: {why}")
                world = World(client, reference, place.secured, is_killing=True)
                result, why = _run_one(feature, world)
            _note(outcome, feature, result, why, place.kills - kills)
            told(feature, result if result != FAILED else f"{FAILED}: {why}")
    finally:
        client.close()
    return outcome


def outcome_of_tools(
    tools: Tools,
    place: Place,
    told: Callable[[str, str], None] = lambda _tool, _outcome: None,
) -> Outcome:
    """Run every tool; NotRun becomes `not_run`."""
    outcome = Outcome("Java tools")
    try:
        outcome.version = tools.version()
        for name, check in TOOLS.items():
            kills = place.kills
            result, why = _tried(partial(check, tools))
            _note(outcome, name, result, why, place.kills - kills)
            told(name, result if result != FAILED else f"{FAILED}: {why}")
    except NotRun as reason:
        outcome.not_run = str(reason)
    return outcome


def _opened(kind: type[Client], place: Place) -> Client:
    client = kind(place.address)
    client.replicas = place.replicas
    return client


def _anew(client: Client, kind: type[Client], place: Place) -> Client:
    """Another client; what ails the failed one was told already."""
    with contextlib.suppress(Exception):
        client.close()
    return _opened(kind, place)


def _note(outcome: Outcome, feature: str, result: str, why: str, kills: int) -> None:
    outcome.features[feature] = result
    if why:
        outcome.reasons[feature] = why
    if kills:
        outcome.hit[feature] = kills


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
