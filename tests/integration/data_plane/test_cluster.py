"""`ottla-broker cluster`: start, refusals, a broker that is killed, growth, a lost directory."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.integration.data_plane.broker_process import wait_until
from tests.integration.data_plane.cluster_process import (
    SECONDS_MAX,
    ClusterProcess,
    free_base_port,
    start,
)
from tests.integration.data_plane.kafka_clients import produce, read_all

Starter = Callable[[int], ClusterProcess]


@pytest.fixture
def start_cluster(tmp_path: Path) -> Iterator[Starter]:
    """Start clusters of so many brokers on `tmp_path/c`; what still runs ends with the test."""
    started: list[ClusterProcess] = []
    base_port = free_base_port()

    def begin(brokers: int) -> ClusterProcess:
        cluster = ClusterProcess(tmp_path / "c", brokers=brokers, base_port=base_port)
        started.append(cluster)
        return cluster

    yield begin
    for cluster in started:
        cluster.stop()


def test_three_brokers_one_killed_a_second_copy_refused_and_a_clean_stop(
    start_cluster: Starter, tmp_path: Path
) -> None:
    cluster = start_cluster(3)
    cluster.wait_for("ready")
    voters = cluster.wait_for_voters(0, 1, 2)
    second = start(tmp_path / "c", brokers=3, base_port=cluster.base_port)
    second.communicate(timeout=SECONDS_MAX)
    assert second.returncode == 75, "the directory is in use"
    leader_id = cluster.quorum(1).leader_id
    cluster.kill_broker(leader_id)
    other = (leader_id + 1) % 3
    wait_until(
        lambda: (found := cluster.quorum(other)) is not None and found.leader_id != leader_id,
        "another controller",
    )
    cluster.wait_for(f"broker {leader_id} serves again")
    assert cluster.voters(other) == voters, "it came back as the voter that it was"
    assert cluster.stop() == 0


def test_one_broker_grows_to_three_voters_and_a_lost_directory_is_replaced(
    start_cluster: Starter,
) -> None:
    cluster = start_cluster(1)
    cluster.wait_for("ready")
    (alone,) = cluster.wait_for_voters(0).values()
    assert cluster.stop() == 0
    cluster = start_cluster(3)
    cluster.wait_for("ready")
    voters = cluster.wait_for_voters(0, 1, 2)
    assert voters[0] == alone
    assert cluster.stop() == 0
    shutil.rmtree(cluster.data_dir / "broker-2")
    cluster = start_cluster(3)
    cluster.wait_for("ready")
    wait_until(
        lambda: (now := cluster.voters()).keys() == voters.keys() and now[2] != voters[2],
        "a voter for the one that was lost",
    )
    assert {at: cluster.voters()[at] for at in (0, 1)} == {at: voters[at] for at in (0, 1)}


@pytest.mark.timeout(300)
def test_whoever_loses_its_directory_while_all_are_stopped_nothing_is_lost(
    start_cluster: Starter,
) -> None:
    """Whoever stops last must not be left alone in an ISR, and so be the only one to lead.

    The next directory is lost once the cluster is whole again, its voters as well: two of three
    lost voters are a lost quorum, whatever the replicas hold.
    """
    cluster = start_cluster(3)
    cluster.wait_for("ready")
    admin = AdminClient({"bootstrap.servers": cluster.addresses})
    admin.create_topics([NewTopic("t", 3, 3)])["t"].result(30)
    for partition in range(3):
        produce(cluster.addresses, "t", [b"kept"], partition)
    gone: set[str] = set()
    for lost in range(3):
        wait_until(partial(are_in_sync, cluster), "all in sync")
        wait_until(partial(have_voters, cluster, gone), "a voter for the one that was lost")
        gone.add(cluster.wait_for_voters(0, 1, 2)[lost])
        assert cluster.stop() == 0
        shutil.rmtree(cluster.data_dir / f"broker-{lost}")
        cluster = start_cluster(3)
        cluster.wait_for("ready")
        values = [one.value() for one in read_all(cluster.addresses, "t", 3, 3, SECONDS_MAX)]
        assert values == [b"kept"] * 3


def have_voters(cluster: ClusterProcess, gone: set[str]) -> bool:
    """Each broker is one voter, and none of them is of a directory that is gone."""
    with suppress(OSError, AssertionError):  # It is on its way.
        found = cluster.quorum()
        rows = [] if found is None else found.current_voters
        ids = [one.replica_id for one in rows]
        directories = {str(one.replica_directory_id) for one in rows}
        return sorted(ids) == [0, 1, 2] and gone.isdisjoint(directories)
    return False


def are_in_sync(cluster: ClusterProcess) -> bool:
    admin = AdminClient({"bootstrap.servers": cluster.addresses})
    partitions = admin.list_topics("t", timeout=30).topics["t"].partitions
    return [sorted(each.isrs) for each in partitions.values()] == [[0, 1, 2]] * 3
