"""The demo's verdict: right streams pass, each planted defect is found."""

import pytest

from control_plane.cli.demo.check import check
from control_plane.cli.demo.flights import Flight
from control_plane.cli.demo.stream import Received, StreamResult

CARRIERS = ("UA", "AA", "B6")
FLIGHTS = [Flight(line, CARRIERS[line % 3], f"{line},2013,1".encode()) for line in range(2, 302)]


def right_result() -> StreamResult:
    """What two members read of a faultless stream: carrier n is alone on partition n."""
    logs: dict[int, list[tuple[int, int, bytes, bytes]]] = {0: [], 1: [], 2: []}
    for flight in FLIGHTS:
        partition = CARRIERS.index(flight.carrier)
        log = logs[partition]
        log.append((partition, len(log), flight.carrier.encode(), flight.value))
    ends = {partition: len(log) for partition, log in logs.items()}
    return StreamResult(
        sent=len(FLIGHTS),
        acknowledged=len(FLIGHTS),
        members=[
            Received(logs[0] + logs[1], commits=3, commits_while_writing=2),
            Received(logs[2], commits=2, commits_while_writing=1),
        ],
        end_offsets=ends,
        committed=dict(ends),
    )


def test_a_right_stream_passes() -> None:
    verdict = check(FLIGHTS, right_result())
    assert verdict.differences == []
    assert (verdict.records_in, verdict.records_out, verdict.redelivered) == (300, 300, 0)


def test_a_redelivery_is_counted_and_is_no_difference() -> None:
    result = right_result()
    result.members[1].records.append(result.members[0].records[5])
    verdict = check(FLIGHTS, result)
    assert verdict.redelivered == 1
    assert verdict.differences == []


def lose_one(result: StreamResult) -> None:
    del result.members[0].records[7]


def store_one_twice(result: StreamResult) -> None:
    partition, _, key, value = result.members[1].records[3]
    result.members[1].records.append((partition, 100, key, value))
    result.end_offsets[partition] += 1
    result.committed[partition] += 1


def swap_two(result: StreamResult) -> None:
    records = result.members[1].records
    first, second = records[3], records[4]
    records[3], records[4] = (*first[:2], *second[2:]), (*second[:2], *first[2:])


def change_a_key(result: StreamResult) -> None:
    partition, offset, _, value = result.members[1].records[3]
    result.members[1].records[3] = (partition, offset, b"XX", value)


def lag_behind(result: StreamResult) -> None:
    result.committed[2] -= 1


def commit_late(result: StreamResult) -> None:
    result.members[0].commits_while_writing = 0


def miss_an_acknowledgement(result: StreamResult) -> None:
    result.acknowledged -= 1


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (lose_one, "1 records missing"),
        (store_one_twice, "twice in the log"),
        (swap_two, "order of key B6 broken"),
        (change_a_key, "1 records missing"),
        (lag_behind, "lag is 1"),
        (commit_late, "member 0 did not commit"),
        (miss_an_acknowledgement, "299 acknowledged"),
    ],
)
def test_a_planted_defect_is_found(plant: object, told: str) -> None:
    result = right_result()
    assert callable(plant)
    plant(result)
    verdict = check(FLIGHTS, result)
    assert any(told in difference for difference in verdict.differences), verdict.differences
