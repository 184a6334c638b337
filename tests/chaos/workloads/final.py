"""Final reader: every partition from its start to its end, and what ListOffsets says of it."""

import time

from tests.chaos.clients import Consumer
from tests.chaos.clients.base import ClientError, Place
from tests.chaos.workloads.task import Task

RECORDS_MAX = 1_000
POLL_SECONDS = 0.5
STALLED_SECONDS_MAX = 60.0


def run(task: Task) -> None:
    order = task.order
    consumer = task.library.consumer(order.bootstrap, f"unused-{order.process}", order.isolation)
    ends = {place: end for place, (_, end) in consumer.ends(task.places).items()}
    read_to_ends(task, consumer, ends)
    note_offsets(task, consumer)
    consumer.close()


def read_to_ends(task: Task, consumer: Consumer, ends: dict[Place, int]) -> None:
    """Read until every partition's end; markers there have no records, so counting is no way."""
    task.record.note("assign", "ok", positions={place.name: 0 for place in task.places})
    consumer.assign(dict.fromkeys(task.places, 0))
    task.record.note(
        "poll", "ok", reads={place.name: [[], [], []] for place in task.places}, is_final=True
    )
    deadline = time.monotonic() + STALLED_SECONDS_MAX
    while not all(consumer.is_at(place, end) for place, end in ends.items() if end > 0):
        assert time.monotonic() < deadline, "the final read stalls"
        t0 = time.monotonic_ns()
        try:
            got = consumer.poll(POLL_SECONDS, RECORDS_MAX)
        except ClientError:
            continue
        if got:
            task.note_poll(t0, got, is_final=True)
            deadline = time.monotonic() + STALLED_SECONDS_MAX


def note_offsets(task: Task, consumer: Consumer) -> None:
    """Ask for start, end and a time in the middle of each partition."""
    for place, (start, end) in consumer.ends(task.places).items():
        note_answer(task, place, -2, start)
        note_answer(task, place, -1, end)
    at_ms = int(time.time() * 1000) - task.rng.randrange(1_000, 30_000)
    for place in task.places:
        note_answer(task, place, at_ms, consumer.offset_for_time(place, at_ms))


def note_answer(task: Task, place: Place, at: int, offset: int | None) -> None:
    task.record.note(
        "list_offsets",
        "ok",
        tp=place.name,
        at=at,
        o=offset,
        isolation=task.order.isolation,
        is_final=True,
    )
