"""Transactional producer: small transactions, some of them aborted on purpose."""

import time

from tests.chaos.clients import Producer
from tests.chaos.clients.base import ClientError, Delivered
from tests.chaos.payload import encode, key_of
from tests.chaos.workloads.task import Task, now_ms
from tests.checker.outcomes import OK, of_send

ABORT_SHARE = 0.1


class Transactions:
    """One transactional id's transactions, with every step recorded."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.producer: Producer = task.library.producer(
            task.order.bootstrap, task.order.transactional_id
        )
        self.producer.init_transactions()
        self._count = 0

    def new_name(self) -> str:
        self._count += 1
        return f"{self.task.order.process}/{self._count}"

    def begin(self, name: str) -> None:
        number = self.task.record.invoke("txn", x=name, stage="begin")
        self.producer.begin()
        self.task.record.complete(number, "txn", "ok")

    def send(self, name: str, topic_value: int, source: int | None = None) -> None:
        task = self.task
        place, key = task.place_for(topic_value)
        timestamp_ms = now_ms()
        fields = {} if source is None else {"source": source}
        number = task.record.invoke(
            "send", tp=place.name, v=topic_value, k=key, ts=timestamp_ms, x=name, **fields
        )
        done = answer_of(task, number)
        payload = encode(topic_value, source)
        try:
            self.producer.send(place, key_of(key), payload, timestamp_ms, done)
        except ClientError as error:
            done(error.name, None)
            raise

    def end(self, name: str, stage: str) -> None:
        """Commit or abort. Raises ClientError: nobody knows then."""
        number = self.task.record.invoke("txn", x=name, stage=stage)
        try:
            if stage == "commit":
                self.producer.commit()
            else:
                self.producer.abort()
        except ClientError as error:
            self.task.record.complete(number, "txn", "info", error=error.name)
            raise
        self.task.record.complete(number, "txn", "ok")


def answer_of(task: Task, number: int) -> Delivered:
    def answer(error: str | None, offset: int | None) -> None:
        outcome = of_send(error)
        fields = {"o": offset} if outcome == OK else {"error": error}
        task.record.complete(number, "send", outcome, **fields)

    return answer


def run(task: Task) -> None:
    """Ends with an error where a transaction failed: a new process takes the id over."""
    task.watch()
    transactions = Transactions(task)
    while task.goes_on:
        task.beat()
        began = time.monotonic()
        name = transactions.new_name()
        count = task.rng.randrange(1, task.order.transaction_max + 1)
        transactions.begin(name)
        for _ in range(count):
            transactions.send(name, task.value())
        is_aborted = task.rng.random() < ABORT_SHARE
        transactions.end(name, "abort" if is_aborted else "commit")
        rest = count / task.order.rate - (time.monotonic() - began)
        time.sleep(max(0.0, rest))
