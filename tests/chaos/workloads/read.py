"""Reader by assignment, from the beginning on; as `tail` it is never far from the end."""

import time

from tests.chaos.clients.base import ClientError
from tests.chaos.workloads.task import Task

RECORDS_MAX = 500
POLL_SECONDS = 0.1


def run(task: Task) -> None:
    order = task.order
    consumer = task.library.consumer(order.bootstrap, f"unused-{order.process}", order.isolation)
    positions = dict.fromkeys(task.places, 0)
    task.record.note("assign", "ok", positions={place.name: 0 for place in positions})
    consumer.assign(positions)
    while task.goes_on:
        t0 = time.monotonic_ns()
        try:
            got = consumer.poll(POLL_SECONDS, RECORDS_MAX)
        except ClientError:
            continue
        task.note_poll(t0, got)
    consumer.close()
