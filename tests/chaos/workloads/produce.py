"""Idempotent producer: a steady stream of records, many under way at once."""

import time

from tests.chaos.clients.base import ClientError, Delivered
from tests.chaos.payload import encode, key_of
from tests.chaos.workloads.task import Task, now_ms
from tests.checker.outcomes import OK, of_send

IN_FLIGHT_MAX = 1_000
TURN_SECONDS = 0.01
ENDING_SECONDS_MAX = 60.0
REFUSED_MAX = 200  # in a row: the library has given up, and an application would start it anew


class Stream:
    """Sends and their answers."""

    def __init__(self, task: Task) -> None:
        self.task = task
        order = task.order
        self.producer = task.library.producer(order.bootstrap, request_ms=order.request_ms)
        self.sent = 0
        self.answered = 0
        self.refused = 0  # since the last acknowledgement

    def send(self) -> None:
        value = self.task.value()
        place, key = self.task.place_for(value)
        timestamp_ms = now_ms()
        number = self.task.record.invoke("send", tp=place.name, v=value, k=key, ts=timestamp_ms)
        self.sent += 1
        done = self._answer_of(number)
        try:
            self.producer.send(place, key_of(key), encode(value), timestamp_ms, done)
        except ClientError as error:
            done(error.name, None)

    def _answer_of(self, number: int) -> Delivered:
        def answer(error: str | None, offset: int | None) -> None:
            outcome = of_send(error)
            fields = {"o": offset} if outcome == OK else {"error": error}
            self.task.record.complete(number, "send", outcome, **fields)
            self.answered += 1
            self.refused = 0 if outcome == OK else self.refused + 1

        return answer


def run(task: Task) -> None:
    """Ends with an error once nothing is taken any more: a new process goes on.

    kafka-python's producer is of no use for good when the answer with its producer id is ten
    seconds late.
    """
    stream = Stream(task)
    order = task.order
    began = time.monotonic()
    while task.goes_on and (order.records_max == 0 or stream.sent < order.records_max):
        due = int((time.monotonic() - began) * order.rate)
        while stream.sent < due and stream.sent - stream.answered < IN_FLIGHT_MAX:
            stream.send()
        if stream.sent - stream.answered >= IN_FLIGHT_MAX:
            began = time.monotonic() - stream.sent / order.rate  # No burst for what was waited.
        if stream.refused >= REFUSED_MAX:
            raise ClientError("ALL_REFUSED")
        stream.producer.serve(0)
        time.sleep(TURN_SECONDS)
    deadline = time.monotonic() + ENDING_SECONDS_MAX
    while stream.answered < stream.sent and time.monotonic() < deadline:
        stream.producer.flush(1)
        stream.producer.serve(0.05)
