"""Member of a consumer group: reads what it is given, commits now and then."""

import time
from collections.abc import Mapping, Sequence

from tests.chaos.clients.base import CLASSIC, ClientError, Place
from tests.chaos.workloads.task import Task
from tests.checker.outcomes import of_commit

COMMIT_SHARE = 0.3
RECORDS_MAX = 200
POLL_SECONDS = 0.2


def run(task: Task) -> None:
    order = task.order
    consumer = task.library.consumer(order.bootstrap, order.group, order.isolation, order.protocol)
    read_to: dict[Place, int] = {}

    def assigned(places: Sequence[Place]) -> Mapping[Place, int]:
        """Begin where the group stands, and say so."""
        t0 = time.monotonic_ns()
        member = consumer.membership()  # before a look-up in which the group may move on
        positions = {place: offset or 0 for place, offset in committed(places).items()}
        task.record.note(
            "rebalance",
            "ok",
            t0=t0,
            event="assigned",
            group=order.group,
            generation=member.generation,
            member=member.member,
            positions={place.name: offset for place, offset in positions.items()},
        )
        if order.protocol == CLASSIC:  # Else they come beside what it owns already.
            read_to.clear()
        return positions

    def revoked(places: Sequence[Place]) -> None:
        """What others will own is not ours to commit; they are told once this has returned."""
        task.record.note(
            "rebalance",
            "ok",
            event="revoked",
            group=order.group,
            positions={},
            revoked=[place.name for place in places],
        )
        for place in places:
            read_to.pop(place, None)

    def committed(places: Sequence[Place]) -> dict[Place, int | None]:
        """Ask until there is an answer: without one nobody knows where to begin."""
        while True:
            try:
                return consumer.committed(places) if places else {}
            except ClientError:
                if not task.goes_on:
                    raise

    consumer.subscribe(list(order.topics), assigned, revoked)
    while task.goes_on:
        t0 = time.monotonic_ns()
        try:
            got = consumer.poll(POLL_SECONDS, RECORDS_MAX)
        except ClientError:
            continue
        if got:
            task.note_poll(t0, got)
            read_to |= {one.place: one.offset + 1 for one in got}
        if read_to and task.rng.random() < COMMIT_SHARE:
            commit(task, consumer, read_to)
    consumer.close()


def commit(task: Task, consumer: object, offsets: Mapping[Place, int]) -> None:
    from tests.chaos.clients import Consumer

    assert hasattr(consumer, "membership")
    member: Consumer = consumer  # type: ignore[assignment]  # both libraries have these methods
    number = task.record.invoke(
        "commit",
        group=task.order.group,
        generation=member.membership().generation,
        offsets={place.name: offset for place, offset in offsets.items()},
    )
    error = None
    try:
        member.commit(offsets)
    except ClientError as failure:
        error = failure.name
    outcome = of_commit(error)
    told = {} if error is None else {"error": error}
    task.record.complete(number, "commit", outcome, **told)
