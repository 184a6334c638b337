"""Running sagas: one step per transaction, under a lease; retried, then undone in reverse.

Every effect of a step is rows of this database, and its outcome is stored in the same transaction
by an UPDATE that names the lease's fencing token. So a crash leaves a step either wholly done and
recorded or not done at all, and the outcome of a worker that lost its lease is dropped with its
effects. Steps are idempotent nevertheless: what they ask of the world may be asked twice.
"""

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker

from control_plane.domain.clock import Clock
from control_plane.domain.errors import ServiceError
from control_plane.domain.states import LIVE, OperationState
from control_plane.models import Cluster, Operation, StepRun, Topic
from control_plane.models.ids import new_id
from control_plane.pki.seal import Sealer
from control_plane.services import operations
from control_plane.services.operations import Lease, StaleLease

log = logging.getLogger(__name__)

POLL = dt.timedelta(seconds=2)  # a fallback: reports wake what waits for them
BACKOFF_FIRST = dt.timedelta(seconds=0.5)
BACKOFF_MAX = dt.timedelta(seconds=30)
ATTEMPTS_MAX = 6
WAIT_MAX = dt.timedelta(seconds=120)

Output = dict[str, Any] | None


class NotYet(Exception):
    """What the step waits for is not there. What it wrote before is kept; it will run again."""

    def __init__(self, reason: str, after: dt.timedelta = POLL) -> None:
        super().__init__(reason)
        self.reason, self.after = reason, after


class StepFailed(Exception):
    """Trying again cannot help; the message is the operation's reason, for people."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a step works with; it commits nothing."""

    session: Session
    operation: Operation
    now: dt.datetime
    sealer: Sealer

    def cluster(self) -> Cluster:
        """Return the cluster, its row locked: whoever changes a cluster holds that lock."""
        return self.session.scalars(
            select(Cluster)
            .where(Cluster.id == self.operation.cluster_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        ).one()

    def topic(self) -> Topic:
        assert self.operation.topic_id is not None
        return self.session.get_one(Topic, self.operation.topic_id, populate_existing=True)

    def output_of(self, step: Callable[["StepContext"], Output]) -> dict[str, Any]:
        """Return what an earlier step of this operation gave."""
        found = select(StepRun.output).where(
            StepRun.operation_id == self.operation.id,
            StepRun.name == step.__name__,
            StepRun.direction == "do",
        )
        output: dict[str, Any] = self.session.scalars(found).one()
        return output


@dataclass(frozen=True, slots=True)
class Step:
    """A unit of a saga; `undo` makes sure that nothing of it is left, done or half done."""

    do: Callable[[StepContext], Output]
    undo: Callable[[StepContext], None] | None = None
    attempts_max: int = ATTEMPTS_MAX
    wait_max: dt.timedelta | None = None  # None: the runtime's

    @property
    def name(self) -> str:
        return self.do.__name__


@dataclass(frozen=True, slots=True)
class Saga:
    """The program of an operation; `on_failed` says in the user's rows that it came to nothing."""

    steps: tuple[Step, ...]
    on_failed: Callable[[StepContext], None]


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where sagas run.

    `seam` is called before an effect, after it, and after its record, with the step's label, so
    that tests may end the process there.
    """

    sagas: Mapping[str, Saga]
    sessions: sessionmaker[Session]
    clock: Clock
    sealer: Sealer
    seam: Callable[[str], None] = lambda _: None
    wait_max: dt.timedelta = WAIT_MAX  # for what a step waits for, where the step says nothing


def run(runtime: Runtime, operation_id: Any) -> None:
    """Advance an operation as far as it goes now; of many that try at once, one does."""
    while (lease := _claim(runtime, operation_id)) is not None:
        held: Lease | None = lease
        while held is not None:
            held = advance(runtime, held)


def advance(runtime: Runtime, lease: Lease) -> Lease | None:
    """Do or undo one step; returns the lease, or None when it was given back, lost, or of no use.

    Raises only what keeps the outcome from being stored (the database is gone): the lease then
    runs out and the sweep gives the operation to another.
    """
    try:
        try:
            kept = _attempt(runtime, lease)
        except (StaleLease, NotYet):
            raise
        except Exception as problem:
            log.warning("operation %s: a step failed", lease.operation_id, exc_info=True)
            kept = _store_failure(runtime, lease, problem)
    except StaleLease as lost:
        log.info("%s: outcome dropped", lost)
        return None
    return kept


def _claim(runtime: Runtime, operation_id: Any) -> Lease | None:
    with runtime.sessions.begin() as session:
        return operations.claim(session, operation_id, now=runtime.clock.now())


def _attempt(runtime: Runtime, lease: Lease) -> Lease | None:
    """Run the next step or undo in one transaction together with the record of its outcome."""
    with runtime.sessions.begin() as session:
        progress = _Progress(runtime, lease, session)
        kept = progress.undo() if progress.is_undoing else progress.do()
    runtime.seam(f"{progress.label}: after record")
    return kept


def _store_failure(runtime: Runtime, lease: Lease, problem: Exception) -> Lease | None:
    """Note a failed attempt: back off, or past the limit go over to undoing (or past an undo)."""
    with runtime.sessions.begin() as session:
        progress = _Progress(runtime, lease, session)
        if isinstance(problem, StepFailed):
            return progress.give_up(str(problem))
        return progress.back_off(_words(problem))


class _Progress:
    """One operation at one step, in one transaction."""

    def __init__(self, runtime: Runtime, lease: Lease, session: Session) -> None:
        """Raises StaleLease at once if the operation has another holder or has ended."""
        operation = session.get_one(Operation, lease.operation_id)
        if operation.fencing_token != lease.fencing_token or operation.state not in LIVE:
            raise StaleLease(f"operation {operation.id} has a new holder or has ended")
        self._operation, self._lease, self._session = operation, lease, session
        self._saga, self._seam = runtime.sagas[operation.kind], runtime.seam
        self._wait_max = runtime.wait_max
        self._now = runtime.clock.now()
        self._context = StepContext(session, operation, self._now, runtime.sealer)
        self.is_undoing = operation.state == OperationState.UNWINDING
        self._direction = "undo" if self.is_undoing else "do"
        self._done = operation.steps_done
        # While unwinding, `steps_done` counts the steps still to be undone.
        self.step = self._saga.steps[self._done - 1 if self.is_undoing else self._done]
        self.label = f"{self._direction} {self.step.name}"

    def do(self) -> Lease | None:
        step = self.step
        self._seam(f"{self.label}: before effect")
        try:
            output = step.do(self._context)
        except NotYet as wait:
            return self._wait(wait)
        self._session.flush()
        self._seam(f"{self.label}: after effect")
        self._record(output=output or {})
        done = self._done + 1
        if done < len(self._saga.steps):
            return self._store(steps_done=done, step=self._saga.steps[done].name, reason="")
        self._end(OperationState.SUCCEEDED, steps_done=done, reason="")
        return None

    def undo(self, note: str = "") -> Lease | None:
        """Undo the current step (or, with a note, leave it as it is) and go to the one before."""
        step = self.step
        self._seam(f"{self.label}: before effect")
        if step.undo is not None and not note:
            try:
                step.undo(self._context)
            except NotYet as wait:
                return self._wait(wait)
        self._session.flush()
        self._seam(f"{self.label}: after effect")
        self._record(note=note)
        left = self._done - 1
        if left:
            return self._store(steps_done=left, step=self._saga.steps[left - 1].name)
        self._saga.on_failed(self._context)
        self._session.flush()
        self._end(OperationState.FAILED, steps_done=0)
        return None

    def back_off(self, words: str) -> Lease | None:
        """Note a failed attempt, to be followed by another; past the limit, give up."""
        attempts, name = self._operation.attempts + 1, self.step.name
        if attempts >= self.step.attempts_max:
            return self.give_up(f"step {name} failed {attempts} times, last with {words}")
        self._pause(
            attempts=attempts,
            reason=f"step {name} is tried again after {words}",
            due_at=self._now + min(BACKOFF_FIRST * 2 ** (attempts - 1), BACKOFF_MAX),
        )
        return None

    def give_up(self, reason: str) -> Lease | None:
        """Stop trying the current step: begin to undo, or, when undoing, leave it and go on."""
        if self.is_undoing:
            log.error("operation %s: not undone: %s", self._operation.id, reason)
            return self.undo(note=reason)
        return self._store(
            state=OperationState.UNWINDING,
            # The step that failed may be half done, so it is undone too.
            steps_done=self._done + 1,
            step=self.step.name,
            reason=reason,
        )

    def _wait(self, wait: NotYet) -> Lease | None:
        since = self._operation.step_since or self._now
        wait_max = self.step.wait_max or self._wait_max
        if self._now - since >= wait_max:
            waited = f"{wait_max.total_seconds():.0f} s"
            return self.give_up(f"{wait.reason} (given up after {waited})")
        self._pause(
            attempts=0,
            reason=wait.reason,
            # What the step waits for may have come while it looked: then look again at once.
            due_at=case(
                (Operation.wake_count == self._lease.wake_count, self._now + wait.after),
                else_=self._now,
            ),
        )
        return None

    def _pause(self, *, reason: str, **values: Any) -> None:
        """Give the lease back until the operation is due again."""
        operations.store(
            self._session,
            self._lease,
            now=self._now,
            state=_running_state(self._operation),
            step=self.step.name,
            step_since=self._operation.step_since or self._now,
            started_at=self._operation.started_at or self._now,
            # While unwinding, the reason keeps saying why.
            reason=self._operation.reason if self.is_undoing else reason,
            waiting_since=self._waiting_since(reason),
            lease_until=None,
            **values,
        )

    def _waiting_since(self, reason: str) -> dt.datetime:
        """Another reason is progress: what waits for many things one by one is not stuck."""
        is_same = self._operation.reason == reason or self.is_undoing
        since = self._operation.waiting_since if is_same else None
        return since or self._now

    def _store(self, **values: Any) -> Lease:
        values = {"state": _running_state(self._operation), **values}
        return operations.store(
            self._session,
            self._lease,
            now=self._now,
            attempts=0,
            step_since=self._now,
            waiting_since=None,
            due_at=self._now,
            started_at=self._operation.started_at or self._now,
            steps_total=len(self._saga.steps),
            **values,
        )

    def _end(self, state: OperationState, **values: Any) -> None:
        self._store(state=state, finished_at=self._now, lease_until=None, **values)
        kind, reason = self._operation.kind, values.get("reason", self._operation.reason)
        log.info("operation %s (%s): %s %s", self._operation.id, kind, state, reason)

    def _record(self, *, output: dict[str, Any] | None = None, note: str = "") -> None:
        values = {
            "output": output or {},
            "note": note,
            "attempts": self._operation.attempts + 1,
            "fencing_token": self._lease.fencing_token,
            "finished_at": self._now,
        }
        self._session.execute(
            insert(StepRun)
            .values(
                id=new_id(),
                operation_id=self._operation.id,
                name=self.step.name,
                direction=self._direction,
                started_at=self._operation.step_since or self._now,
                **values,
            )
            .on_conflict_do_update(
                index_elements=["operation_id", "name", "direction"], set_=values
            )
        )


def _running_state(operation: Operation) -> OperationState:
    """A pending operation becomes running with its first outcome."""
    if operation.state == OperationState.UNWINDING:
        return OperationState.UNWINDING
    return OperationState.RUNNING


def _words(problem: Exception) -> str:
    """Describe a failure without what may be secret: only our own refusals are quoted."""
    return problem.message if isinstance(problem, ServiceError) else type(problem).__name__
