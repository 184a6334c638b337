"""Ways that are clogged or slow, where all comes late and in order; and ways that are cut."""

from random import Random

import pytest

from tests.simulation.clock import Schedule
from tests.simulation.network import SimulatedNetwork
from tests.simulation.streams import Connection, Streams

CLOGGED_MS = 5_000
ONE, OTHER = 1, 2
PAIRS = [(0, 1), (0, 2), (1, 2)]


def test_a_clogged_way_delivers_all_at_once_when_it_is_free() -> None:
    schedule = Schedule()
    network: SimulatedNetwork[int] = SimulatedNetwork(schedule, Random(1))
    came: list[tuple[int, bytes]] = []
    network.attach(OTHER, lambda frame: came.append((schedule.now_ms, frame)))
    network.clog([(ONE, OTHER)], CLOGGED_MS)
    for number in range(3):
        network.send(ONE, OTHER, b"%d" % number)
    schedule.run(CLOGGED_MS - 1)
    assert not came
    schedule.run(CLOGGED_MS)
    assert sorted(came) == [(CLOGGED_MS, b"0"), (CLOGGED_MS, b"1"), (CLOGGED_MS, b"2")]
    assert (network.lost, network.held) == (0, 3)


def test_the_way_back_and_other_ways_are_free() -> None:
    schedule = Schedule()
    network: SimulatedNetwork[int] = SimulatedNetwork(schedule, Random(1))
    came: list[bytes] = []
    network.attach(ONE, came.append)
    network.clog([(ONE, OTHER)], CLOGGED_MS)
    network.send(OTHER, ONE, b"back")
    schedule.run(CLOGGED_MS - 1)
    assert came == [b"back"]


def test_a_connection_over_a_clogged_way_keeps_its_order() -> None:
    """Who asked may have given up by then: what was under way arrives all the same."""
    schedule = Schedule()
    ways: SimulatedNetwork[int] = SimulatedNetwork(schedule, Random(1))
    streams = Streams(schedule, Random(2), ways)
    came: list[tuple[int, bytes | None]] = []

    def accept(connection: Connection) -> None:
        connection.on_server = lambda frame: came.append((schedule.now_ms, frame))

    streams.listen(OTHER, accept)
    connection = streams.connect(ONE, OTHER, lambda frame: None)
    ways.clog([(ONE, OTHER)], CLOGGED_MS)
    for frame in (b"a", b"b", b"c"):
        connection.ask(frame)
    connection.hang_up()
    schedule.run(CLOGGED_MS)
    assert came == [(CLOGGED_MS, frame) for frame in (b"a", b"b", b"c", None)]


def test_a_way_is_slow_until_it_heals() -> None:
    network: SimulatedNetwork[int] = SimulatedNetwork(Schedule(), Random(1))
    network.slow[ONE, OTHER] = 200.0
    usual = network.weather.delay_ms_mean
    assert network.delay_ms_mean((ONE, OTHER)) == usual + 200.0
    assert network.delay_ms_mean((OTHER, ONE)) == usual
    network.heal()
    assert network.delay_ms_mean((ONE, OTHER)) == usual


@pytest.mark.parametrize("count", [3, 4, 5])
def test_in_a_ring_each_sees_a_majority_and_no_two_the_same(count: int) -> None:
    network: SimulatedNetwork[int] = SimulatedNetwork(Schedule(), Random(1))
    ring = Random(2).sample(range(count), count)
    network.cut_to_ring(ring)
    seen = [
        frozenset(other for other in ring if other == one or not network.is_cut((other, one)))
        for one in ring
    ]
    assert all(2 * len(one) > count for one in seen)
    assert len(set(seen)) == count
    if count == 3:  # Else two of them would see all three.
        assert all(network.is_cut((one, two)) != network.is_cut((two, one)) for one, two in PAIRS)


def test_a_cut_for_frames_lets_connections_pass() -> None:
    schedule = Schedule()
    network: SimulatedNetwork[int] = SimulatedNetwork(schedule, Random(1))
    streams = Streams(schedule, Random(2), network)
    frames: list[bytes] = []
    asked: list[bytes | None] = []

    def accept(connection: Connection) -> None:
        connection.on_server = asked.append

    network.attach(OTHER, frames.append)
    streams.listen(OTHER, accept)
    network.cut_for_frames.add((ONE, OTHER))
    network.send(ONE, OTHER, b"frame")
    streams.connect(ONE, OTHER, lambda _: None).ask(b"question")
    schedule.run(CLOGGED_MS)
    assert (frames, asked) == ([], [b"question"])
