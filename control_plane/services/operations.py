"""Operations: put in the queue, claimed under a lease, and found by whoever must run them.

A claim gives a lease with a fencing token; each outcome is stored by an UPDATE that names the
token, so a worker whose lease was taken over changes nothing, however late it wakes.
"""

import datetime as dt
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, or_, select, update
from sqlalchemy.orm import Session

from control_plane.domain.errors import NotFound
from control_plane.domain.states import LIVE, OperationState
from control_plane.models import Account, Addon, App, Operation

PROVISION = "provision_cluster"
DEPROVISION = "deprovision_cluster"
CHANGE_PLAN = "change_plan"
CREATE_TOPIC = "create_topic"
ALTER_TOPIC = "alter_topic"
DELETE_TOPIC = "delete_topic"
UPGRADE = "upgrade_cluster"
REPLACE_NODE = "replace_node"

LEASE = dt.timedelta(seconds=30)
RESEND_AFTER = dt.timedelta(seconds=10)  # a message may wait this long in a busy queue
SWEEP_BATCH_MAX = 500
# What waits so long for one and the same thing is told as stuck: a person has to do something.
STUCK_AFTER = dt.timedelta(minutes=10)


class StaleLease(Exception):
    """The operation was claimed by another, or ended; this worker's outcome must be dropped."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to advance one operation until another takes it over."""

    operation_id: uuid.UUID
    fencing_token: int
    wake_count: int  # as seen before the step looks at the world


def enqueue(
    session: Session,
    kind: str,
    *,
    addon_id: uuid.UUID,
    cluster_id: uuid.UUID,
    now: dt.datetime,
    topic_id: uuid.UUID | None = None,
    input: dict[str, Any] | None = None,  # noqa: A002 - the column's name
    request_id: str = "",
) -> Operation:
    """Add an operation, due at once; the caller nudges it after the commit.

    Raises IntegrityError (unique indexes) if the same change is already under way.
    """
    operation = Operation(
        kind=kind,
        addon_id=addon_id,
        cluster_id=cluster_id,
        topic_id=topic_id,
        input=input or {},
        request_id=request_id,
        due_at=now,
        created_at=now,
    )
    session.add(operation)
    session.flush()
    return operation


def query(account: Account) -> Select[Operation]:
    """Select the operations on the account's add-ons."""
    return (
        select(Operation)
        .join(Addon, Addon.id == Operation.addon_id)
        .join(App, App.id == Addon.app_id)
        .where(App.account_id == account.id)
    )


def get(session: Session, account: Account, operation_id: uuid.UUID) -> Operation:
    """Find an operation on an add-on of the account. Raises NotFound."""
    found = session.scalar(query(account).where(Operation.id == operation_id))
    if found is None:
        raise NotFound("Couldn't find that operation.")
    return found


def live_on(session: Session, cluster_id: uuid.UUID) -> list[Operation]:
    """Return the cluster's unfinished operations, oldest first."""
    found = select(Operation).where(Operation.cluster_id == cluster_id, Operation.state.in_(LIVE))
    return list(session.scalars(found.order_by(Operation.id)))


def is_stuck(operation: Operation, *, now: dt.datetime) -> bool:
    """It goes on by itself once that is there, and would wait for ever otherwise."""
    since = operation.waiting_since
    return operation.state in LIVE and since is not None and now - since >= STUCK_AFTER


def stuck_on(session: Session, cluster_id: uuid.UUID, *, now: dt.datetime) -> list[Operation]:
    """The cluster's operations that need somebody, oldest first."""
    return [each for each in live_on(session, cluster_id) if is_stuck(each, now=now)]


def claim(session: Session, operation_id: uuid.UUID, *, now: dt.datetime) -> Lease | None:
    """Take the lease on a due operation; None: ended, not due, or held by another. Commit after.

    Of any number of simultaneous claims one wins; losers do not wait.
    """
    free = (
        select(Operation.id)
        .where(Operation.id == operation_id, _is_ready(now))
        .with_for_update(skip_locked=True)
    )
    claimed = session.execute(
        update(Operation)
        .where(Operation.id.in_(free))
        .values(lease_until=now + LEASE, fencing_token=Operation.fencing_token + 1)
        .returning(Operation.fencing_token, Operation.wake_count)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return Lease(operation_id, claimed[0], claimed[1]) if claimed else None


def store(session: Session, lease: Lease, *, now: dt.datetime, **values: Any) -> Lease:
    """Write an outcome under the lease and extend it; raises StaleLease if it is no longer ours.

    lease_until=None in `values` gives the lease back. Returns the lease, with the wake-ups so far.
    """
    values = {"lease_until": now + LEASE, **values}
    stored = session.execute(
        update(Operation)
        .where(
            Operation.id == lease.operation_id,
            Operation.fencing_token == lease.fencing_token,
            Operation.state.in_(LIVE),
        )
        .values(**values)
        .returning(Operation.wake_count)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if stored is None:
        raise StaleLease(f"operation {lease.operation_id} has a new holder or has ended")
    return Lease(lease.operation_id, lease.fencing_token, stored[0])


def wake(
    session: Session, cluster_ids: Collection[uuid.UUID], *, now: dt.datetime
) -> list[uuid.UUID]:
    """Make the clusters' unfinished operations due; returns their ids, to nudge after the commit.

    `wake_count` tells a worker that is just about to wait that the world changed meanwhile. One
    that backs off after a failure keeps its due time.
    """
    if not cluster_ids:
        return []
    woken = session.scalars(
        update(Operation)
        .where(
            Operation.cluster_id.in_(cluster_ids),
            Operation.state.in_(LIVE),
            Operation.attempts == 0,
        )
        .values(wake_count=Operation.wake_count + 1, due_at=now)
        .returning(Operation.id)
        .execution_options(synchronize_session=False)
    )
    return list(woken)


def cancel_all(session: Session, cluster_id: uuid.UUID, *, now: dt.datetime, reason: str) -> None:
    """End the cluster's unfinished operations; a step in flight will find its lease void."""
    session.execute(
        update(Operation)
        .where(Operation.cluster_id == cluster_id, Operation.state.in_(LIVE))
        .values(
            state=OperationState.CANCELLED,
            reason=reason,
            finished_at=now,
            lease_until=None,
            fencing_token=Operation.fencing_token + 1,
        )
        .execution_options(synchronize_session=False)
    )


def take_due(session: Session, *, now: dt.datetime) -> list[uuid.UUID]:
    """Return operations that nobody runs although they are due, and note that they are sent.

    A message still waiting in the queue is not sent again every second.
    """
    sent_lately = Operation.nudged_at > now - RESEND_AFTER
    due = (
        select(Operation.id)
        .where(
            _is_ready(now),
            or_(
                Operation.nudged_at.is_(None), ~sent_lately, Operation.nudged_at < Operation.due_at
            ),
        )
        .order_by(Operation.due_at)
        .limit(SWEEP_BATCH_MAX)
        .with_for_update(skip_locked=True)
    )
    sent = session.scalars(
        update(Operation)
        .where(Operation.id.in_(due))
        .values(nudged_at=now)
        .returning(Operation.id)
        .execution_options(synchronize_session=False)
    )
    return list(sent)


def _is_ready(now: dt.datetime) -> Any:
    return (
        Operation.state.in_(LIVE)
        & (Operation.due_at <= now)
        & or_(Operation.lease_until.is_(None), Operation.lease_until < now)
    )
