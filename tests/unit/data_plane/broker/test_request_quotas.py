"""Quotas of request time: what a client's requests cost the one thread that answers (KIP-124)."""

import pytest

from data_plane.broker.client_quotas import NS_PER_PERCENT
from data_plane.broker.dispatch import Session
from data_plane.protocol.messages.api_versions import ApiVersionsRequest
from data_plane.protocol.messages.heartbeat import HeartbeatRequest
from data_plane.protocol.messages.metadata import MetadataRequest
from data_plane.security.quotas import REQUEST_PERCENTAGE, THROTTLE_MS_MAX
from tests.unit.data_plane.broker.test_client_quotas import limited
from tests.unit.data_plane.broker.world import World, batch_of, fetched, produced

COST_NS = 10_000_000  # each request, as the stopwatch of these tests has it


class Stopwatch:
    """Goes on by a fixed time whenever it is read."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        self.ns += COST_NS
        return self.ns


def timed(percentage: float) -> World:
    world = limited("request_percentage", percentage)
    world.broker.quotas.stopwatch_ns = Stopwatch()
    return world


def ask_until_throttled(world: World, request: object, version: int) -> int:
    """How many requests were answered without a throttle time."""
    for count in range(1_000):
        if world.ask(request, version).response().throttle_time_ms:
            return count
    raise AssertionError("never throttled")


@pytest.mark.semantics("93b")
@pytest.mark.parametrize(
    ("request_", "version"),
    [
        (MetadataRequest(topics=[]), 9),
        (HeartbeatRequest("group", 1, "member"), 4),
        (ApiVersionsRequest("name", "1"), 3),
    ],
)
def test_any_request_counts_and_is_told(request_: object, version: int) -> None:
    """1 % of a second is 10 ms: two seconds of it are two requests."""
    world = timed(1)
    assert ask_until_throttled(world, request_, version) == 3, "the last is told of by the next"
    waits_ms = world.session.throttle.until_ms - world.now_ms
    assert 0 < waits_ms <= THROTTLE_MS_MAX[REQUEST_PERCENTAGE]


def test_produce_and_fetch_count_and_are_told() -> None:
    world = timed(1)
    ask_until_throttled(world, MetadataRequest(topics=[]), 9)
    asked = world.produce("t", batch_of(b"x"))
    world.executor.run()
    assert produced(asked).error_code == 0
    assert asked.response().throttle_time_ms > 0
    read = world.fetch("t", 0)
    assert fetched(read).records, "its time is over the quota, its bytes are not"
    assert read.response().throttle_time_ms > 0


@pytest.mark.semantics("93b")
def test_over_a_minute_a_client_gets_its_share() -> None:
    """Requests as fast as the throttle times let them come (reliability.md L4)."""
    world = timed(5)
    begin_ms = world.now_ms
    asked = 0
    while world.now_ms < begin_ms + 120_000:
        if world.now_ms >= world.session.throttle.until_ms:
            world.ask(MetadataRequest(topics=[]), 9)
            asked += world.now_ms >= begin_ms + 60_000
        world.now_ms += 10
    used_percent = asked * COST_NS / NS_PER_PERCENT / 60
    assert used_percent == pytest.approx(5, rel=0.1)


def test_nothing_is_timed_without_such_a_quota() -> None:
    world, watch = limited("producer_byte_rate", 1_000_000), Stopwatch()
    world.broker.quotas.stopwatch_ns = watch
    world.ask(MetadataRequest(topics=[]), 9)
    assert watch.ns == 0


def test_brokers_have_no_quota_among_themselves() -> None:
    """A default quota for every user must not slow down replication."""
    world = timed(1)
    ask_until_throttled(world, MetadataRequest(topics=[]), 9)
    session = world.session
    world.session = Session(
        listener="INTERNAL",
        principal=session.principal,
        client_host=session.client_host,
        is_internal=True,
    )
    assert world.ask(MetadataRequest(topics=[]), 9).response().throttle_time_ms == 0
    assert world.session.throttle.until_ms == 0
