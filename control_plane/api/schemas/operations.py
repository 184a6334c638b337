"""Operations: what is being done, how far it has come, why it failed."""

from control_plane.api.schemas.bodies import Moment, Named, Out
from control_plane.domain.states import LIVE, OperationState
from control_plane.models import Operation


class Progress(Out):
    step: int  # steps done
    of: int
    percent: int
    name: str  # the step at work, in words


class StepOut(Out):
    name: str
    direction: str  # do, undo
    attempts: int
    note: str
    started_at: Moment
    finished_at: Moment


class OperationError(Out):
    id: str
    message: str


class OperationOut(Out):
    id: str
    type: str
    state: str
    progress: Progress
    resource: Named  # what it changes: the add-on
    steps: list[StepOut]
    waiting_reason: str | None  # a running step's latest obstacle
    waiting_since: Moment | None  # how long it has been that
    error: OperationError | None
    request_id: str | None
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None


def operation_out(operation: Operation, resource: Named) -> OperationOut:
    is_live = operation.state in LIVE
    failed = operation.state in {OperationState.FAILED, OperationState.CANCELLED}
    return OperationOut(
        id=str(operation.id),
        type=operation.kind,
        state=operation.state,
        progress=progress_of(operation),
        resource=resource,
        steps=[
            StepOut(
                name=run.name,
                direction=run.direction,
                attempts=run.attempts,
                note=run.note,
                started_at=run.started_at,
                finished_at=run.finished_at,
            )
            for run in operation.step_runs
        ],
        waiting_reason=(operation.reason or None) if is_live else None,
        waiting_since=operation.waiting_since if is_live else None,
        error=OperationError(
            id=f"operation_{operation.state}",
            message=operation.reason or f"The operation was {operation.state}.",
        )
        if failed
        else None,
        request_id=operation.request_id or None,
        created_at=operation.created_at,
        started_at=operation.started_at,
        finished_at=operation.finished_at,
    )


def progress_of(operation: Operation) -> Progress:
    total = operation.steps_total
    return Progress(
        step=operation.steps_done,
        of=total,
        percent=100 * operation.steps_done // total if total else 0,
        name=operation.step,
    )
