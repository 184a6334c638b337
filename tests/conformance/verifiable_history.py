"""The verifiable tools' output as a history for the checker (tests/checker/lines.py).

The tools print completions only. A send counts as begun when its producer started, a poll when the
consumer printed the line before: earlier than it was, which accuses nobody of what did not happen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tests.checker.lines import Line
from tests.conformance.place import Death
from tests.conformance.record import Record
from tests.conformance.verifiable import Consumed, Event, Produced, value_of

NS: Final = 1_000_000  # in a millisecond


class FinalRead(NamedTuple):
    """What a client of another library read in the end, from the beginning."""

    library: str
    is_committed: bool
    t0: int
    t1: int
    records: Sequence[Record]


def history_of(
    topic: str,
    produced: Iterable[Produced],
    consumed: Iterable[Consumed],
    group: str,
    kills: Iterable[Death],
    reads: Sequence[FinalRead],
) -> Iterator[Line]:
    """Yield the lines."""
    yield {"p": "nemesis", "t": 0, "op": "run", "type": "info", "meta": {}}
    for producer in produced:
        yield from sends_of(topic, producer, reads)
    for consumer in consumed:
        yield from polls_of(topic, consumer, group)
    for number, kill in enumerate(kills, start=1):
        common = {"p": "nemesis", "op": "nemesis", "n": number}
        yield {**common, "t": kill.t0, "type": "invoke", "fault": "kill"}
        yield {**common, "t": kill.t1, "type": "ok", "partitions": []}
    for read in reads:
        yield from final_lines(topic, read)


def sends_of(topic: str, producer: Produced, reads: Iterable[FinalRead]) -> Iterator[Line]:
    """Sends with the partition that the acknowledgement told, or for a failed one a reader.

    A failed send that nobody ever read is left out: nothing can be asked of it.
    """
    common: Line = {"p": producer.name, "op": "send"}
    first = next(event["timestamp"] for event in producer.events) * NS
    yield _client(
        producer.name, first, "producer", library="Java", is_idempotent=producer.is_idempotent
    )
    places = _unknown(producer, reads)
    places |= {value: partition for value, (partition, _) in producer.acknowledged.items()}
    for value in sorted(places):  # the order in which the tool sends
        tp = f"{topic}-{places[value]}"
        yield {**common, "n": value, "t": first, "type": "invoke", "tp": tp, "v": value}
    for event in producer.events:
        if event["name"] not in ("producer_send_success", "producer_send_error"):
            continue
        value = value_of(event["value"])
        end = {**common, "n": value, "t": event["timestamp"] * NS}
        if event["name"] == "producer_send_success":
            yield {**end, "type": "ok", "o": event["offset"]}
        elif value in places:
            yield {**end, "type": "info"}


def _unknown(producer: Produced, reads: Iterable[FinalRead]) -> dict[int, int]:
    """The partitions of values whose send failed, and that are there all the same."""
    failed = set(producer.failed)
    found = {}
    for read in reads:
        for record in read.records:
            value = value_of((record.value or b"").decode())
            if value in failed:
                found[value] = record.partition
    return found


def polls_of(topic: str, consumer: Consumed, group: str) -> Iterator[Line]:
    before = next(event["timestamp"] for event in consumer.events) * NS
    yield _client(consumer.name, before, "member", library="Java")
    records: list[Event] = []
    number = 0
    for event in consumer.events:
        t, name = event["timestamp"] * NS, event["name"]
        common: Line = {"p": consumer.name, "t": t}
        if name == "record_data":
            records.append(event)
            continue
        if name == "records_consumed":
            yield {
                **common,
                "op": "poll",
                "type": "ok",
                "t0": before,
                "reads": _reads(topic, records),
            }
            records = []
        elif name in ("partitions_assigned", "partitions_revoked"):
            yield {
                **common,
                "op": "rebalance",
                "type": "ok",
                "event": name.removeprefix("partitions_"),
                "group": group,
                "member": consumer.name,
                "positions": {f"{topic}-{one['partition']}": None for one in event["partitions"]},
            }
        elif name == "offsets_committed":
            number += 1
            offsets = {f"{topic}-{one['partition']}": one["offset"] for one in event["offsets"]}
            commit = {"p": consumer.name, "op": "commit", "n": number}
            yield {**commit, "t": before, "type": "invoke", "group": group, "offsets": offsets}
            yield {**commit, "t": t, "type": "ok" if event["success"] else "info"}
        before = t


def committed_line(topic: str, group: str, offsets: Mapping[int, int], t: int) -> Line:
    """What the coordinator says in the end, when no member is left."""
    told = {f"{topic}-{partition}": offset for partition, offset in offsets.items()}
    common: Line = {"p": "final", "t": t, "t0": t, "op": "committed", "type": "ok"}
    return {**common, "group": group, "offsets": told}


def final_lines(topic: str, read: FinalRead) -> Iterator[Line]:
    isolation = "read_committed" if read.is_committed else "read_uncommitted"
    process = f"final-{read.library}-{isolation}"
    yield _client(process, read.t0, "final", library=read.library, isolation=isolation)
    rows = [
        {
            "partition": one.partition,
            "offset": one.offset,
            "value": (one.value or b"").decode(),
        }
        for one in read.records
    ]
    yield {
        "p": process,
        "t": read.t1,
        "t0": read.t0,
        "op": "poll",
        "type": "ok",
        "is_final": True,
        "reads": _reads(topic, rows),
    }


def _reads(topic: str, rows: Iterable[Event]) -> dict[str, list[list[int]]]:
    found: dict[str, list[list[int]]] = {}
    for row in rows:
        offsets, values = found.setdefault(f"{topic}-{row['partition']}", [[], []])
        offsets.append(row["offset"])
        values.append(value_of(row["value"]))
    return found


def _client(process: str, t: int, role: str, **fields: Any) -> Line:
    return {"p": process, "t": t, "op": "client", "type": "ok", "role": role, **fields}


def without(lines: Iterable[Line], value: int) -> Iterator[Line]:
    """The history of a cluster that lost this value: nobody ever reads it."""
    for line in lines:
        if line["op"] != "poll":
            yield line
            continue
        reads = {}
        for partition, (offsets, values) in line["reads"].items():
            kept = [(o, v) for o, v in zip(offsets, values, strict=True) if v != value]
            reads[partition] = [[o for o, _ in kept], [v for _, v in kept]]
        yield {**line, "reads": reads}
