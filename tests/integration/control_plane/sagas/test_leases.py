"""Who may act: claims, fencing tokens, back-off, limits, and wake-ups that come too early."""

import datetime as dt
import itertools
import os
import subprocess
import sys
import threading
import uuid
from dataclasses import replace

import pytest
from sqlalchemy import text

from control_plane.domain.states import AddonState, OperationState
from control_plane.models import ClusterBroker, StepRun
from control_plane.sagas import SAGAS
from control_plane.sagas.engine import ATTEMPTS_MAX, Output, Saga, Step, StepContext, advance
from control_plane.services import operations
from control_plane.services.operations import LEASE, Lease
from tests.conftest import ROOT
from tests.factories.control_plane import World
from tests.factories.snapshots import snapshot
from tests.integration.control_plane.sagas import scenarios
from tests.integration.control_plane.sagas.beginnings import Beginnings


def claim(world: World, operation_id: uuid.UUID) -> Lease | None:
    with world.sessions.begin() as session:
        return operations.claim(session, operation_id, now=world.now)


def must_claim(world: World, operation_id: uuid.UUID) -> Lease:
    lease = claim(world, operation_id)
    assert lease is not None
    return lease


def test_of_many_claims_one_wins(world: World) -> None:
    operation_id = scenarios.provision(world)
    gate, won = threading.Barrier(8), list[Lease]()

    def try_it() -> None:
        gate.wait()
        if (lease := claim(world, operation_id)) is not None:
            won.append(lease)

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [lease.fencing_token for lease in won] == [1]


def test_a_lease_is_held_until_it_runs_out(world: World) -> None:
    operation_id = scenarios.provision(world)
    must_claim(world, operation_id)
    world.wait(LEASE.total_seconds())
    assert claim(world, operation_id) is None
    world.wait(1)
    assert must_claim(world, operation_id).fencing_token == 2


def test_a_slow_workers_outcome_is_dropped_with_its_effect(world: World) -> None:
    """The worker sleeps between effect and record; meanwhile another takes the operation over."""
    operation_id = scenarios.provision(world)
    slow = must_claim(world, operation_id)

    def taken_over(label: str) -> None:
        if label == "do reserve_nodes: after effect":
            world.wait(LEASE.total_seconds() + 1)
            must_claim(world, operation_id)

    assert advance(world.with_seam(taken_over).runtime, slow) is None
    with world.sessions.begin() as session:
        assert session.query(ClusterBroker).count() == 0
        assert session.query(StepRun).count() == 0
    assert world.operation(operation_id).steps_done == 0


def test_a_late_worker_does_not_even_begin(world: World) -> None:
    operation_id = scenarios.provision(world)
    late = must_claim(world, operation_id)
    world.wait(LEASE.total_seconds() + 1)
    world.run(operation_id)
    before = snapshot(world)
    assert advance(world.runtime, late) is None
    assert snapshot(world) == before


def test_a_report_between_look_and_wait_is_not_lost(world: World) -> None:
    """The step has looked, the report comes, the step stores that it waits: it must look again."""
    operation_id = scenarios.provision(world)
    world.run(operation_id)
    reported: list[list[uuid.UUID]] = []
    world.wait(3)

    def report_meanwhile(label: str) -> None:
        if label == "do await_ready: before effect" and not reported:
            reported.append(world.report())

    # The engine looks in a transaction that began before; what it reads first is the old state.
    names = [each.name for each in SAGAS[operations.PROVISION].steps]
    at = names.index("await_ready")
    step = SAGAS[operations.PROVISION].steps[at]

    def await_ready(context: StepContext) -> Output:
        try:
            return step.do(context)
        finally:
            report_meanwhile("do await_ready: before effect")

    world.sagas = {**SAGAS, operations.PROVISION: _with_step(at, Step(await_ready))}
    world.run(operation_id)  # the clock stands still
    assert reported == [[operation_id]]
    assert world.operation(operation_id).state == OperationState.SUCCEEDED


def test_a_step_that_keeps_failing_is_undone_with_a_reason(world: World) -> None:
    """Attempts are bounded and spread out; the reason names the step and not what it handled."""
    attempts = list[dt.datetime]()

    def issue_credentials(context: StepContext) -> Output:
        attempts.append(context.now)
        raise RuntimeError("secret-in-an-error")

    step = Step(issue_credentials, undo=SAGAS[operations.PROVISION].steps[2].undo)
    world.sagas = {**SAGAS, operations.PROVISION: _with_step(2, step)}
    world.register_node()
    addon, operation = world.add_addon(world.add_app(world.add_account()))
    ended = world.settle(operation.id, seconds=0.25)
    assert ended.state == OperationState.FAILED
    assert len(attempts) == ATTEMPTS_MAX
    gaps = [after - before for before, after in itertools.pairwise(attempts)]
    assert gaps == sorted(gaps)
    assert gaps[-1] >= dt.timedelta(seconds=8)
    failed = world.addon(addon.id)
    assert failed.state == AddonState.FAILED
    assert "issue_credentials failed 6 times, last with RuntimeError" in failed.state_reason
    assert "secret-in-an-error" not in failed.state_reason
    with world.sessions.begin() as session:
        assert session.query(ClusterBroker).count() == 0


def test_an_undo_that_keeps_failing_is_noted_and_passed(world: World) -> None:
    def release_nodes(context: StepContext) -> None:
        raise RuntimeError

    first = SAGAS[operations.PROVISION].steps[0]
    world.sagas = {
        **SAGAS,
        operations.PROVISION: _with_step(0, replace(first, undo=release_nodes)),
    }
    _, operation = world.add_addon(world.add_app(world.add_account()))
    assert world.settle(operation.id, seconds=5).state == OperationState.FAILED
    with world.sessions.begin() as session:
        (undone,) = session.query(StepRun).filter_by(direction="undo")
        assert "failed 6 times" in undone.note


def test_a_nudge_does_not_defeat_the_back_off(world: World) -> None:
    calls = []

    def mint_ca(context: StepContext) -> Output:
        calls.append(context.now)
        raise RuntimeError

    world.sagas = {**SAGAS, operations.PROVISION: _with_step(1, Step(mint_ca))}
    operation_id = scenarios.provision(world)
    for _ in range(5):
        world.run(operation_id)
        world.report()
    assert len(calls) == 1


def test_a_connection_lost_in_the_middle_is_tried_again(
    world: World, beginnings: Beginnings
) -> None:
    """Postgres ends the worker's session between effect and record: rolled back, then repeated."""
    lost: list[int | None] = []

    def issue_credentials(context: StepContext) -> Output:
        output = SAGAS[operations.PROVISION].steps[2].do(context)
        if not lost:
            lost.append(context.session.scalar(text("SELECT pg_backend_pid()")))
            with world.sessions() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": lost[0]})
        return output

    step = replace(SAGAS[operations.PROVISION].steps[2], do=issue_credentials)
    world.sagas = {**SAGAS, operations.PROVISION: _with_step(2, step)}
    world.settle(scenarios.provision(world))
    assert lost
    assert snapshot(world) == beginnings.undisturbed(scenarios.PROVISION)


def test_delivered_many_times_at_once_it_runs_once(world: World, beginnings: Beginnings) -> None:
    """Messages doubled, in several workers (C5): each step leaves one record, one effect."""
    operation_id = scenarios.provision(world)
    for _ in range(2):
        threads = [threading.Thread(target=world.run, args=(operation_id,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        world.report()
    assert world.operation(operation_id).state == OperationState.SUCCEEDED
    assert snapshot(world) == beginnings.undisturbed(scenarios.PROVISION)


@pytest.mark.parametrize("moment", ["before effect", "after effect", "after record"])
def test_a_process_that_dies_for_real(
    moment: str, world: World, database_url: str, beginnings: Beginnings
) -> None:
    """os._exit in a process of its own: Postgres sees a connection vanish, nothing else."""
    operation_id = scenarios.provision(world)
    dying = subprocess.run(
        [sys.executable, "-m", "tests.integration.control_plane.sagas.dying_worker"],
        env={
            **os.environ,
            "DATABASE_URL": database_url,
            "OPERATION": str(operation_id),
            "DIE_AT": f"do publish_spec: {moment}",
            "NOW": world.now.isoformat(),
        },
        cwd=ROOT,
        timeout=60,
    )
    assert dying.returncode == 17
    world.wait(31)
    world.settle(operation_id)
    assert snapshot(world) == beginnings.undisturbed(scenarios.PROVISION)


def test_the_sweep_does_not_send_a_waiting_message_twice(world: World) -> None:
    operation_id = scenarios.provision(world)

    def sweep() -> list[uuid.UUID]:
        with world.sessions.begin() as session:
            return operations.take_due(session, now=world.now)

    assert sweep() == [operation_id]
    world.wait(1)
    assert sweep() == []
    world.wait(10)
    assert sweep() == [operation_id]


def _with_step(index: int, step: Step) -> Saga:
    saga = SAGAS[operations.PROVISION]
    return replace(saga, steps=(*saga.steps[:index], step, *saga.steps[index + 1 :]))
