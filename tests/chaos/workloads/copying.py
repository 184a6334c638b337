"""Transactional copier: consume, produce, commit the offsets in the same transaction."""

import time

from tests.chaos.clients.base import Got, Place
from tests.chaos.payload import decode
from tests.chaos.workloads.task import Task
from tests.chaos.workloads.transact import Transactions

RECORDS_MAX = 100
POLL_SECONDS = 0.2


def run(task: Task) -> None:
    """Ends with an error at any doubt; its successor begins at what was committed."""
    order = task.order
    task.watch()
    inputs = task.places
    task.places = [Place(order.output, index) for index in range(len(inputs))]
    transactions = Transactions(task)  # Ends what a predecessor left open.
    consumer = task.library.consumer(order.bootstrap, order.group, order.isolation)
    t0 = time.monotonic_ns()
    positions = {place: offset or 0 for place, offset in consumer.committed(inputs).items()}
    task.record.note(
        "rebalance",
        "ok",
        t0=t0,
        event="assigned",
        group=order.group,
        positions={place.name: offset for place, offset in positions.items()},
    )
    consumer.assign(positions)
    while task.goes_on:
        task.beat()
        t0 = time.monotonic_ns()
        got = consumer.poll(POLL_SECONDS, max(RECORDS_MAX, order.transaction_max))
        if got:
            name = transactions.new_name()
            task.note_poll(t0, got, x=name)
            copy(task, transactions, name, got)
            offsets = {one.place: one.offset + 1 for one in got}
            number = task.record.invoke(
                "commit",
                group=order.group,
                generation=-1,
                offsets={place.name: offset for place, offset in offsets.items()},
                x=name,
            )
            transactions.producer.send_offsets(offsets, consumer)
            task.record.complete(number, "commit", "ok")
            transactions.end(name, "commit")
    consumer.close()


def copy(task: Task, transactions: Transactions, name: str, got: list[Got]) -> None:
    transactions.begin(name)
    for one in got:
        transactions.send(name, task.value(), source=decode(one.value))
