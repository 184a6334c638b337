"""The verifiable tools' output judged twice: by their own rule and by the checker of histories."""

import json
from collections.abc import Sequence

import pytest

from tests.checker.history import History
from tests.checker.verdict import Demands, judge
from tests.conformance.place import Death
from tests.conformance.record import Record
from tests.conformance.verifiable import (
    PREFIX_UNIT,
    Consumed,
    Event,
    Produced,
    complaints,
    events_of,
    without_value,
)
from tests.conformance.verifiable_history import FinalRead, committed_line, history_of, without

VALUES = 40  # of each of two producers
LOST = PREFIX_UNIT + 17
DEMANDS = Demands(ok_sends_min=10, faults_min=1)


def printed(events: Sequence[Event]) -> list[Event]:
    """As a tool prints them, with what a logger says between them."""
    return events_of("\n".join(["SLF4J: no logger", *(json.dumps(event) for event in events)]))


class World:
    """Two producers wrote alternately to two partitions, two members read and committed it all.

    The second producer's value 5 was stored, and its answer lost.
    """

    def __init__(self) -> None:
        self.log: dict[int, list[str]] = {0: [], 1: []}
        started: Event = {"timestamp": 1_000, "name": "startup_complete"}
        told = {prefix: [started] for prefix in (1, 2)}
        for number in range(VALUES):
            for prefix, events in told.items():
                self._send(events, f"{prefix}.{number}", number)
        self.produced = [
            Produced(f"producer-{prefix}", prefix, prefix == 1, printed(events))
            for prefix, events in told.items()
        ]
        self.look()

    def look(self) -> None:
        """Read everything, by two members and by the final readers."""
        self.consumed = [self._member(partition) for partition in self.log]
        self.ends = {partition: len(values) for partition, values in self.log.items()}
        self.reads = [
            FinalRead(library, is_committed, 9_000_000_000, 9_500_000_000, self._all())
            for library in ("first", "second")
            for is_committed in (False, True)
        ]

    def _send(self, told: list[Event], value: str, number: int) -> None:
        partition = number % 2
        log = self.log[partition]
        log.append(value)
        event = {"timestamp": 2_000 + number, "key": None, "value": value, "topic": "t"}
        if value == "2.5":
            told.append({**event, "name": "producer_send_error", "message": "NETWORK"})
            return
        at = {"partition": partition, "offset": len(log) - 1}
        told.append({**event, **at, "name": "producer_send_success"})

    def _member(self, partition: int) -> Consumed:
        rows: list[Event] = [
            {"timestamp": 1_500, "name": "startup_complete"},
            {
                "timestamp": 1_600,
                "name": "partitions_assigned",
                "partitions": [{"topic": "t", "partition": partition}],
            },
        ]
        for offset, value in enumerate(self.log[partition]):
            at = {"partition": partition, "offset": offset, "value": value}
            rows.append({"timestamp": 3_000 + offset, "name": "record_data", **at})
            rows.append({"timestamp": 3_000 + offset, "name": "records_consumed", "count": 1})
        end = {"topic": "t", "partition": partition, "offset": len(self.log[partition])}
        committed = {"name": "offsets_committed", "success": True, "offsets": [end]}
        rows.append({"timestamp": 4_000, **committed})
        return Consumed(f"member-{partition}", printed(rows))

    def _all(self) -> list[Record]:
        return [
            Record(value.encode(), partition=partition, offset=offset)
            for partition, values in self.log.items()
            for offset, value in enumerate(values)
        ]

    def lines(self) -> list[dict[str, object]]:
        deaths = [Death(1, "leader", 2_010_000_000, 2_020_000_000)]
        found = history_of("t", self.produced, self.consumed, "g", deaths, self.reads)
        return [*found, committed_line("t", "g", self.ends, 9_000_000_000)]

    def complaints(self, consumed: Sequence[Consumed] | None = None) -> list[str]:
        return complaints(self.produced, consumed or self.consumed, self.ends)


@pytest.fixture
def world() -> World:
    return World()


def test_both_find_nothing_wrong_where_nothing_is(world: World) -> None:
    verdict = judge(History.of(world.lines()), DEMANDS)
    assert (verdict.valid, verdict.unknown_because) == (True, [])
    assert world.complaints() == []
    assert verdict.faults == {"kill": 1}


def test_both_find_a_lost_record(world: World) -> None:
    verdict = judge(History.of(without(world.lines(), LOST)), DEMANDS)
    assert verdict.valid is False
    assert "lost-write" in verdict.anomalies
    jump, missing = world.complaints(without_value(world.consumed, LOST))
    assert "goes from" in jump
    assert f"{LOST} was acknowledged" in missing


def test_both_find_a_record_that_is_there_twice(world: World) -> None:
    world.log[0].append("1.4")
    world.look()
    verdict = judge(History.of(world.lines()), DEMANDS)
    assert verdict.valid is False
    assert "duplicate" in verdict.anomalies
    assert any("is there 2 times" in one for one in world.complaints())


def test_both_find_an_offset_that_was_not_committed(world: World) -> None:
    """The last commit's answer came, and the coordinator knows of less."""
    lines = world.lines()[:-1]
    less = {**world.ends, 1: 3}
    verdict = judge(History.of([*lines, committed_line("t", "g", less, 9_000_000_000)]), DEMANDS)
    assert "group-resume-below" in verdict.anomalies
    unanswered = [
        Consumed(one.name, [event for event in one.events if event["name"] != "offsets_committed"])
        for one in world.consumed
    ]
    assert len(world.complaints(unanswered)) == 2


def test_a_send_that_failed_and_was_never_stored_accuses_nobody(world: World) -> None:
    for values in world.log.values():
        assert "2.99" not in values
    producer = world.produced[1]
    event = {"timestamp": 2_900, "name": "producer_send_error", "value": "2.99"}
    world.produced[1] = Produced(producer.name, 2, False, [*producer.events, event])
    assert judge(History.of(world.lines()), DEMANDS).valid is True
    assert world.complaints() == []
