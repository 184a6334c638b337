"""What kafka-verifiable-producer and -consumer print, and the verdict that they are made for.

Both print one JSON object a line, with `name` and `timestamp` (Unix ms). A producer writes the
values 0, 1, 2 ... as text, `PREFIX.` before them where it has one: prefixes are numbers here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Event = Mapping[str, Any]
PREFIX_UNIT: Final = 10_000_000  # a value of a producer is below it


@dataclass(slots=True)
class Produced:
    """What one producer told. acknowledged: (partition, offset) of each value; failed: values."""

    name: str
    prefix: int
    is_idempotent: bool
    events: Sequence[Event]
    acknowledged: dict[int, tuple[int, int]] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for event in self.events:
            if event["name"] == "producer_send_success":
                at = (event["partition"], event["offset"])
                self.acknowledged[value_of(event["value"])] = at
            elif event["name"] == "producer_send_error":
                self.failed.append(value_of(event["value"]))


@dataclass(slots=True)
class Consumed:
    """What one consumer (run with --verbose) told."""

    name: str
    events: Sequence[Event]

    def records(self) -> Iterator[tuple[int, int, int]]:
        """Yield partition, offset, value in the order in which they came."""
        for event in self.events:
            if event["name"] == "record_data":
                yield event["partition"], event["offset"], value_of(event["value"])

    def committed(self) -> dict[int, int]:
        """The last offset of each partition whose commit was answered."""
        found: dict[int, int] = {}
        for event in self.events:
            if event["name"] == "offsets_committed" and event["success"]:
                found |= {one["partition"]: one["offset"] for one in event["offsets"]}
        return found


def events_of(text: str) -> list[Event]:
    """The JSON lines among what a tool printed; a logger's lines stand between them."""
    lines = (line for line in text.splitlines() if line.startswith("{"))
    return [json.loads(line) for line in lines]


def value_of(text: str) -> int:
    """A number for a value that is unique among producers: `2.17` is 20,000,017."""
    prefix, _, value = text.rpartition(".")
    return int(prefix or 0) * PREFIX_UNIT + int(value)


def complaints(
    produced: Iterable[Produced], consumed: Iterable[Consumed], ends: Mapping[int, int]
) -> list[str]:
    """What the tools themselves say is wrong, as Kafka's own system tests use them.

    Every acknowledged value was consumed, where its producer was told; nothing was consumed that
    nobody sent; what an idempotent producer wrote is there once; a consumer goes on from where it
    was, or from a new assignment; in the end everything is committed. ends: of each partition.
    """
    producers, consumers = list(produced), list(consumed)
    found: dict[int, set[tuple[int, int]]] = {}  # value -> where it was
    wrong = []
    for consumer in consumers:
        for partition, offset, value in consumer.records():
            found.setdefault(value, set()).add((partition, offset))
        wrong += list(_gaps(consumer))
    for producer in producers:
        wrong += list(_missing(producer, found))
    known = {one.prefix for one in producers}
    wrong += [f"nobody sent {value}" for value in found if value // PREFIX_UNIT not in known]
    committed: dict[int, int] = {}
    for consumer in consumers:
        for partition, offset in consumer.committed().items():
            committed[partition] = max(offset, committed.get(partition, 0))
    for partition, end in ends.items():
        if committed.get(partition, 0) != end:
            wrong.append(f"{partition}: committed {committed.get(partition)}, the end is {end}")
    return wrong


def _missing(producer: Produced, found: Mapping[int, set[tuple[int, int]]]) -> Iterator[str]:
    for value, at in producer.acknowledged.items():
        if at not in found.get(value, ()):
            yield f"{producer.name}: {value} was acknowledged at {at}, found {found.get(value)}"
    if producer.is_idempotent:
        for value, places in found.items():
            if value // PREFIX_UNIT == producer.prefix and len(places) > 1:
                yield f"{producer.name}: {value} is there {len(places)} times: {sorted(places)}"


def _gaps(consumer: Consumed) -> Iterator[str]:
    """A position moves by one, unless the partition was assigned anew."""
    position: dict[int, int] = {}
    for event in consumer.events:
        if event["name"] == "partitions_assigned":
            position.clear()
        elif event["name"] == "record_data":
            partition, offset = event["partition"], event["offset"]
            if position.get(partition, offset) != offset:
                yield f"{consumer.name}: {partition} goes from {position[partition]} to {offset}"
            position[partition] = offset + 1


def without_value(consumed: Iterable[Consumed], value: int) -> list[Consumed]:
    """As if no consumer had ever been given it."""
    return [
        Consumed(
            one.name,
            [
                event
                for event in one.events
                if event["name"] != "record_data" or value_of(event["value"]) != value
            ],
        )
        for one in consumed
    ]
