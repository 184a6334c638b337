"""Every step, and every undo, run twice comes to the same as once."""

import functools
from collections.abc import Callable
from dataclasses import replace

import pytest

from control_plane.sagas import SAGAS
from control_plane.sagas.engine import Output, Saga, Step, StepContext
from tests.factories.snapshots import snapshot
from tests.integration.control_plane.sagas import scenarios
from tests.integration.control_plane.sagas.beginnings import Beginnings
from tests.integration.control_plane.sagas.scenarios import Scenario


def twice(function: Callable[[StepContext], Output]) -> Callable[[StepContext], Output]:
    @functools.wraps(function)
    def both(context: StepContext) -> Output:
        function(context)
        context.session.flush()
        return function(context)

    return both


def undone_twice(function: Callable[[StepContext], None]) -> Callable[[StepContext], None]:
    @functools.wraps(function)
    def both(context: StepContext) -> None:
        function(context)
        context.session.flush()
        function(context)

    return both


def doubled(saga: Saga) -> Saga:
    return replace(
        saga,
        steps=tuple(
            Step(
                twice(step.do),
                undo=undone_twice(step.undo) if step.undo else None,
                wait_max=step.wait_max,
            )
            for step in saga.steps
        ),
    )


@pytest.mark.parametrize(
    "scenario", [*scenarios.ALL, *scenarios.FAILED], ids=lambda each: each.name
)
def test_twice_is_once(scenario: Scenario, beginnings: Beginnings) -> None:
    begun = beginnings.of(scenario)
    begun.world.sagas = {kind: doubled(saga) for kind, saga in SAGAS.items()}
    begun.world.settle(begun.operation_id, seconds=2)
    begun.world.report()
    came_out = snapshot(begun.world)
    assert came_out == beginnings.undisturbed(scenario)
