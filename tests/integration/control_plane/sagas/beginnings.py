"""Scenarios brought to a point once, from which any number of tests go on.

To provision a cluster takes longer than most of what is tested on it, and is the same each time.
All worlds are in one database, so there is one at a time: to ask for the next ends the last.
"""

import copy
import uuid
from dataclasses import dataclass, replace

from control_plane.models import Operation
from tests.factories.control_plane import World
from tests.factories.rewind import Rewinder, Saved
from tests.factories.snapshots import snapshot
from tests.fakes.scripted_agent import ScriptedAgent
from tests.integration.control_plane.sagas.scenarios import Scenario

FIRST_MOMENT = "before effect"


@dataclass(frozen=True)
class Beginning:
    """A world, and the operation that is about to go on in it."""

    world: World
    operation_id: uuid.UUID


@dataclass(frozen=True)
class _Kept:
    rows: Saved
    beginning: Beginning


class Beginnings:
    """`of` gives a world in which an operation begins, `undisturbed` what comes of it."""

    def __init__(self, database_url: str) -> None:
        self._rewinder = Rewinder(database_url)
        self._nothing = self._rewinder.saved()
        self._empty = World.on(database_url)
        self._begun: dict[Scenario, _Kept] = {}
        self._steps: dict[Scenario, dict[str, _Kept]] = {}
        self._expected: dict[Scenario, object] = {}

    def close(self) -> None:
        self._empty.close()

    def of(self, scenario: Scenario) -> Beginning:
        """Nobody has claimed the operation yet."""
        if scenario not in self._begun:
            self._rewinder.restore(self._nothing)
            world = replace(_twin(self._empty), agent=ScriptedAgent())
            started = Beginning(world, scenario.start(world))
            self._begun[scenario] = self._keep(started)
        return self._resume(self._begun[scenario])

    def at_step(self, scenario: Scenario, label: str) -> Beginning:
        """`label` ("do open_meter") is about to begin; its worker has a lease and is gone."""
        if scenario not in self._steps:
            self.undisturbed(scenario)
        return self._resume(self._steps[scenario][label])

    def give_lease_back(self, beginning: Beginning) -> None:
        """As if no worker were at it, and no time had passed."""
        with beginning.world.sessions.begin() as session:
            session.get_one(Operation, beginning.operation_id).lease_until = None

    def undisturbed(self, scenario: Scenario) -> object:
        """What a run comes to in which nothing goes wrong."""
        if scenario not in self._expected:
            begun = self.of(scenario)
            steps = self._steps[scenario] = {}

            def note(point: str) -> None:
                label, _, moment = point.partition(": ")
                if moment == FIRST_MOMENT and label not in steps:
                    steps[label] = self._keep(begun)

            begun.world.seam = note
            begun.world.settle(begun.operation_id, seconds=2)
            begun.world.report()
            self._expected[scenario] = snapshot(begun.world)
        return self._expected[scenario]

    def _keep(self, beginning: Beginning) -> _Kept:
        """What is committed, and what is in memory."""
        return _Kept(self._rewinder.saved(), replace(beginning, world=_twin(beginning.world)))

    def _resume(self, kept: _Kept) -> Beginning:
        self._rewinder.restore(kept.rows)
        return replace(kept.beginning, world=_twin(kept.beginning.world))


def _twin(world: World) -> World:
    """The same in memory, on the same database."""
    return replace(
        world,
        clock=copy.copy(world.clock),
        rng=copy.copy(world.rng),
        agent=_same_agent(world.agent),
        others=[_same_agent(each) for each in world.others],
        seam=lambda _: None,
    )


def _same_agent(agent: ScriptedAgent) -> ScriptedAgent:
    return replace(
        agent,
        wanting=set(agent.wanting),
        dead=set(agent.dead),
        samples=list(agent.samples),
    )
