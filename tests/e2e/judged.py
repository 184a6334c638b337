"""A load whose history the checker judges, over everything a service's test does meanwhile."""

import json
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import confluent_kafka
from kafka import KafkaConsumer, TopicPartition

from tests.checker.history import History
from tests.checker.lines import Line
from tests.checker.verdict import Demands, Verdict, all_anomalies, judge
from tests.conftest import wait_for

PAUSE_S = 0.01
FLUSH_S_MAX = 60.0
READ_S_MAX = 60.0
ISOLATIONS = ("read_uncommitted", "read_committed")
ERRORS_UNKNOWN = frozenset({"_MSG_TIMED_OUT", "_TIMED_OUT", "REQUEST_TIMED_OUT"})


def ssl_of(client: dict[str, Any]) -> ssl.SSLContext:
    """What librdkafka is given as text, for a library that wants a context."""
    context = ssl.create_default_context(cadata=client["ssl.ca.pem"])
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as both:
        both.write(client["ssl.certificate.pem"] + client["ssl.key.pem"])
        both.flush()
        context.load_cert_chain(both.name)
    return context


@dataclass
class JudgedLoad:
    """An idempotent producer with acks=all to one topic; `fault` notes what is done meanwhile."""

    client: dict[str, Any]
    topic: str
    partitions: int
    lines: list[Line] = field(default_factory=list)  # appended to by two threads
    acknowledged: int = 0
    gap_s: float = 0.0  # the longest time between two acknowledgements
    errors: list[str] = field(default_factory=list)
    _last_s: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """In a thread; returns once everything sent has been answered."""
        self._client("producer", "confluent-kafka")
        options = {"enable.idempotence": True, "acks": -1}
        producer = confluent_kafka.Producer(self.client | options)
        number = 0
        while not self._stop.is_set():
            number += 1
            self._send(producer, number)
            producer.poll(0)
            self._stop.wait(PAUSE_S)
        self.errors += ["unsent"] * producer.flush(FLUSH_S_MAX)

    def _send(self, producer: confluent_kafka.Producer, number: int) -> None:
        partition = number % self.partitions
        sent = {"n": number, "tp": f"{self.topic}-{partition}", "v": number, "k": number}
        ts = int(time.time() * 1000)
        self._note("producer", "send", "invoke", ts=ts, **sent)

        def told(
            error: confluent_kafka.KafkaError | None, message: confluent_kafka.Message
        ) -> None:
            if error is None:
                self._note("producer", "send", "ok", n=number, o=message.offset())
                self._count()
                return
            self.errors.append(error.name())
            kind = "info" if error.name() in ERRORS_UNKNOWN else "fail"
            self._note("producer", "send", kind, n=number)

        value = json.dumps(number).encode()
        producer.produce(self.topic, value, partition=partition, timestamp=ts, on_delivery=told)

    def _count(self) -> None:
        now_s = time.monotonic()
        self.gap_s = max(self.gap_s, now_s - (self._last_s or now_s))
        self._last_s = now_s
        self.acknowledged += 1

    @contextmanager
    def running(self) -> Iterator[None]:
        """Begins with records acknowledged; ends with everything answered."""
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            self.goes_on()
            yield
        finally:
            self._stop.set()
            thread.join()

    def goes_on(self, count: int = 20) -> None:
        """Wait for more acknowledged records."""
        before = self.acknowledged
        wait_for(lambda: self.acknowledged > before + count, "records", 120)

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        number = sum(line["op"] == "nemesis" for line in self.lines) + 1
        self._note("nemesis", "nemesis", "invoke", n=number, fault=name)
        yield
        self._note("nemesis", "nemesis", "ok", n=number, fault=name, partitions=[])

    def verdict(self, client: dict[str, Any]) -> Verdict:
        """Read everything by two libraries in both isolations, and judge."""
        for isolation in ISOLATIONS:
            self._read_by_librdkafka(client, isolation)
            self._read_by_kafka_python(client, isolation)
        history = History.of(self.lines)
        demands = Demands(ok_sends_min=min(100, self.acknowledged), faults_min=1)
        verdict = judge(history, demands)
        assert verdict.valid is True, (verdict.unknown_because, all_anomalies(verdict))
        return verdict

    def _read_by_librdkafka(self, client: dict[str, Any], isolation: str) -> None:
        name = self._client(f"final-librdkafka-{isolation}", "confluent-kafka", isolation)
        options = {"group.id": name, "isolation.level": isolation, "enable.auto.commit": False}
        consumer = confluent_kafka.Consumer(client | options)
        ends = {}
        for number in range(self.partitions):
            at = confluent_kafka.TopicPartition(self.topic, number)
            ends[number] = consumer.get_watermark_offsets(at, timeout=READ_S_MAX)[1]
        begin = confluent_kafka.OFFSET_BEGINNING
        consumer.assign(
            [confluent_kafka.TopicPartition(self.topic, at, begin) for at in range(self.partitions)]
        )
        found: dict[int, list[tuple[int, int, int]]] = {at: [] for at in ends}
        t0, until_s = time.monotonic_ns(), time.monotonic() + READ_S_MAX
        while any(
            end and (not found[at] or found[at][-1][0] < end - 1) for at, end in ends.items()
        ):
            assert time.monotonic() < until_s, (ends, {at: len(own) for at, own in found.items()})
            message = consumer.poll(1.0)
            if message is not None and message.error() is None:
                at_number, offset, value = message.partition(), message.offset(), message.value()
                assert at_number is not None
                assert offset is not None
                assert value is not None
                found[at_number].append((offset, int(value), message.timestamp()[1]))
        consumer.close()
        self._reads(name, t0, found)

    def _read_by_kafka_python(self, client: dict[str, Any], isolation: str) -> None:
        name = self._client(f"final-kafka-python-{isolation}", "kafka-python", isolation)
        consumer = KafkaConsumer(
            bootstrap_servers=str(client["bootstrap.servers"]).split(","),
            security_protocol="SSL",
            ssl_context=ssl_of(client),
            isolation_level=isolation,
            auto_offset_reset="earliest",
            group_id=None,
        )
        places = [TopicPartition(self.topic, at) for at in range(self.partitions)]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        consumer.seek_to_beginning(*places)
        found: dict[int, list[tuple[int, int, int]]] = {at: [] for at in range(self.partitions)}
        t0, until_s = time.monotonic_ns(), time.monotonic() + READ_S_MAX
        while any(consumer.position(at) < end for at, end in ends.items()):
            assert time.monotonic() < until_s, (ends, {at: len(own) for at, own in found.items()})
            for at, messages in consumer.poll(timeout_ms=1000).items():
                found[at.partition] += [(m.offset, int(m.value), m.timestamp) for m in messages]
        consumer.close()
        self._reads(name, t0, found)

    def _reads(self, name: str, t0: int, found: dict[int, list[tuple[int, int, int]]]) -> None:
        reads = {
            f"{self.topic}-{at}": [list(column) for column in zip(*rows, strict=True)]
            if rows
            else [[], [], []]
            for at, rows in found.items()
        }
        self._note(name, "poll", "ok", t0=t0, reads=reads, is_final=True)

    def _client(self, name: str, library: str, isolation: str = ISOLATIONS[0]) -> str:
        about = {"library": library, "version": "?", "role": name, "isolation": isolation}
        self._note(name, "client", "info", **about)
        return name

    def _note(self, process: str, op: str, kind: str, **more: Any) -> None:
        self.lines.append({"p": process, "t": time.monotonic_ns(), "op": op, "type": kind, **more})
