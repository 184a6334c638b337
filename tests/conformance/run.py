"""Run scenarios for one client and note what came out."""

import contextlib
import logging
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from tests.conformance.allowed import allowed
from tests.conformance.client import Client, NotRun
from tests.conformance.features import FEATURES
from tests.conformance.java_tools import TOOLS, Tools
from tests.conformance.place import Place
from tests.conformance.world import World, settle

log = logging.getLogger(__name__)


PASSED = "yes"
FAILED = "FAILED"
LACKING = "-"
RESTART_SECONDS_MAX = 120.0  # of a loaded machine; five without load
TRIES_MAX = 6  # where brokers are killed, and the client's failure is one of allowed.py


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
    kills: int = 0

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
        tried = Tried(kind, place, reference, outcome, told, is_killing=is_killing)
        outcome.version = tried.client.version()
    except NotRun as reason:
        outcome.not_run = str(reason)
        return outcome
    try:
        for feature in features:
            tried.show(feature)
    finally:
        tried.client.close()
    return outcome


class Tried:
    """One client and what came out; after a failed try another client of its kind."""

    def __init__(
        self,
        kind: type[Client],
        place: Place,
        reference: Client,
        outcome: Outcome,
        told: Callable[[str, str], None],
        *,
        is_killing: bool,
    ) -> None:
        self._kind = kind
        self._place = place
        self._reference = reference
        self._outcome = outcome
        self._told = told
        self._is_killing = is_killing
        self.client = self._opened()

    def show(self, feature: str) -> None:
        """Run the feature's scenario, again where the failure was the client's own."""
        before = self._place.kills
        result, why = self._run(feature)
        while result == FAILED and self._is_killing and self._is_excused(feature, why):
            self._told(feature, f"again: {why}")
            self._await_all_brokers()
            self._anew()
            result, why = self._run(feature)
        if result == FAILED:
            self._anew()
        _note(self._outcome, feature, result, why, self._place.kills - before)
        self._told(feature, result if result != FAILED else f"{FAILED}: {why}")

    def _await_all_brokers(self) -> None:
        """Who asks the broker that is dead would fail again at once, six times in a second."""
        settle(
            lambda: len(self._place.deaths) >= self._place.kills,
            lambda: "a killed broker does not serve again",
            RESTART_SECONDS_MAX,
        )

    def _is_excused(self, feature: str, why: str) -> bool:
        """Take note of a failure that Apache Kafka would bring about as well."""
        reason = allowed(self._kind.name, feature, why)
        before = self._outcome.again.get(feature, [])
        if reason is None or len(before) + 1 >= TRIES_MAX:
            return False
        self._outcome.again[feature] = [*before, reason]
        return True

    def _run(self, feature: str) -> tuple[str, str]:
        world = World(
            self.client, self._reference, self._place.secured, is_killing=self._is_killing
        )
        return _run_one(feature, world)

    def _opened(self) -> Client:
        client = self._kind(self._place.address)
        client.replicas = self._place.replicas
        return client

    def _anew(self) -> None:
        """Members of a failed try may still be in its groups; what ails them was told already."""
        with contextlib.suppress(Exception):
            self.client.close()
        self.client = self._opened()


def outcome_of_tools(
    tools: Tools,
    place: Place,
    names: Iterable[str] = TOOLS,
    told: Callable[[str, str], None] = lambda _tool, _outcome: None,
) -> Outcome:
    """Run these tools; NotRun becomes `not_run`."""
    outcome = Outcome("Java tools")
    try:
        outcome.version = tools.version()
        for name in names:
            kills = place.kills
            result, why = _tried(partial(TOOLS[name], tools))
            _note(outcome, name, result, why, place.kills - kills)
            told(name, result if result != FAILED else f"{FAILED}: {why}")
    except NotRun as reason:
        outcome.not_run = str(reason)
    return outcome


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
