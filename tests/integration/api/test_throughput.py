"""Series from stored readings: thinned by the database, the same as if nothing were left out."""

import datetime as dt

import pytest

from control_plane.models import Cluster, Node
from control_plane.services import throughput
from tests.factories import rows as make
from tests.integration.api.conftest import World


@pytest.mark.parametrize(("bucket_s", "bucket_count"), [(10, 60), (60, 10)])
def test_a_series_averages_what_was_measured(
    world: World, bucket_s: int, bucket_count: int
) -> None:
    with world.service.sessions.begin() as session:
        cluster, node = session.query(Cluster).one(), session.query(Node).one()
        now = make.now()
        for sequence, seconds_ago in enumerate(range(900, -1, -3)):
            total = 7_000.0 * (900 - seconds_ago)
            if not 200 < seconds_ago < 400:
                at = now - dt.timedelta(seconds=seconds_ago)
                make.sample(session, cluster, node, "bytes_in_total", at, total, sequence=sequence)
    with world.service.sessions() as session:
        found = throughput.histories(
            session, [cluster.id], now=now, bucket_s=bucket_s, bucket_count=bucket_count
        )[cluster.id]
    measured = [value for value in found.bytes_in if value is not None]
    assert measured == pytest.approx([7_000.0] * len(measured))
    assert found.bytes_in[-1] == pytest.approx(7_000.0)  # the bucket being filled counts already
    silent_s = bucket_s * (len(found.bytes_in) - len(measured))
    assert 200 - 2 * bucket_s <= silent_s <= 200 + 2 * bucket_s
    assert found.bytes_out == [None] * bucket_count
    assert found.times_s[-1] - found.times_s[0] == bucket_s * (bucket_count - 1)
