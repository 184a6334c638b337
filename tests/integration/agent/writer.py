"""A producer with acks=all that goes on until it is told to stop, and what it saw."""

import threading
import time

import confluent_kafka

PAUSE_S = 0.01
FLUSH_S_MAX = 60.0


class Writer:
    """Values are numbers from 0 on. `gap_s`: the longest time between two acknowledgements."""

    def __init__(self, client: dict[str, object], topic: str) -> None:
        self._client = client
        self._topic = topic
        self._stop = threading.Event()
        self.acknowledged = 0
        self.errors: list[str] = []
        self.gap_s = 0.0
        self._last_s = 0.0

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """In a thread; returns once everything sent has been answered."""
        producer = confluent_kafka.Producer(self._client | {"enable.idempotence": True, "acks": -1})
        number = 0
        while not self._stop.is_set():
            producer.produce(self._topic, str(number).encode(), on_delivery=self._note)
            number += 1
            producer.poll(0)
            self._stop.wait(PAUSE_S)
        self.errors += ["unsent"] * producer.flush(FLUSH_S_MAX)

    def _note(self, error: confluent_kafka.KafkaError | None, _: object) -> None:
        if error is not None:
            self.errors.append(error.name())
            return
        now_s = time.monotonic()
        self.gap_s = max(self.gap_s, now_s - (self._last_s or now_s))
        self._last_s = now_s
        self.acknowledged += 1
