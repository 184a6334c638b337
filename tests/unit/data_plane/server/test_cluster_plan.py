"""What `ottla-broker cluster` remembers: who formed it, growth, directories that came and went."""

import json
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest

from data_plane.log.files import DiskFiles
from data_plane.peers.addresses import UNIX_PATH_BYTES_MAX
from data_plane.server.cluster_plan import (
    ClusterPlan,
    PlanRefused,
    check_alone,
    open_plan,
    socket_directory,
)
from data_plane.server.cluster_supervisor import broker_document, write_private
from data_plane.server.config_file import read_config


def opened(root: Path, brokers: int) -> ClusterPlan:
    numbers = count(1 + 100 * brokers)
    root.mkdir(exist_ok=True)
    return open_plan(root, DiskFiles(), brokers, lambda: UUID(int=next(numbers)))


def formatted(plan: ClusterPlan, *broker_ids: int) -> None:
    for broker_id in broker_ids:
        plan.directory(broker_id).mkdir(exist_ok=True)
        (plan.directory(broker_id) / "meta.json").touch()


def test_three_brokers_form_a_cluster_together(tmp_path: Path) -> None:
    plan = opened(tmp_path, 4)
    assert [bool(one.voted_as) for one in plan.members] == [True, True, True, False]
    assert len({one.directory_id for one in plan.members}) == 4
    assert opened(tmp_path, 4) == plan


@pytest.mark.parametrize("brokers", [1, 2])
def test_fewer_begin_with_one_voter_since_two_need_both(tmp_path: Path, brokers: int) -> None:
    plan = opened(tmp_path, brokers)
    assert sum(bool(one.voted_as) for one in plan.members) == 1
    grown = opened(tmp_path, 3)
    assert grown.members[:brokers] == plan.members
    assert sum(bool(one.voted_as) for one in grown.members) == 1, "the others join"


def test_each_broker_has_a_page_of_metrics_of_its_own_where_it_is_asked_for(tmp_path: Path) -> None:
    plan = opened(tmp_path, 3)

    def metrics_port(metrics_port: int | None, broker_id: int) -> int | None:
        document = broker_document(
            plan,
            plan.members[broker_id],
            host="127.0.0.1",
            base_port=9092,
            advertise="",
            sockets=tmp_path,
            common={},
            metrics_port=metrics_port,
        )
        write_private(tmp_path / "broker.json", json.dumps(document))
        return read_config(tmp_path / "broker.json").metrics_port

    assert [metrics_port(9400, each) for each in range(3)] == [9400, 9401, 9402]
    assert metrics_port(None, 1) is None


def test_a_lost_directory_comes_back_as_another_one(tmp_path: Path) -> None:
    plan = opened(tmp_path, 3)
    formatted(plan, 0, 1, 2)
    plan = opened(tmp_path, 3)
    assert all(one.is_formatted for one in plan.members)
    (plan.directory(1) / "meta.json").unlink()
    again = opened(tmp_path, 3)
    assert again.members[1].directory_id != plan.members[1].directory_id
    assert again.members[1].voted_as == plan.members[1].voted_as, "who formed it stays known"
    assert (again.members[0], again.members[2]) == (plan.members[0], plan.members[2])


def test_a_smaller_cluster_or_another_file_is_refused(tmp_path: Path) -> None:
    opened(tmp_path, 3)
    with pytest.raises(PlanRefused, match="3 brokers"):
        opened(tmp_path, 2)
    (tmp_path / "cluster.json").write_text("{}")
    with pytest.raises(PlanRefused, match="unreadable"):
        opened(tmp_path, 3)


def test_a_directory_of_something_else_is_refused_in_words(tmp_path: Path) -> None:
    """Else a new cluster would begin beside what is there, and show none of it."""
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "meta.json").touch()
    with pytest.raises(PlanRefused, match="belongs to one broker"):
        opened(alone, 3)
    formed = tmp_path / "formed"
    formatted(opened(formed, 3), 0, 1, 2)
    (formed / "cluster.json").unlink()
    with pytest.raises(
        PlanRefused, match=r"broker-0, broker-1, broker-2.*cluster\.json is missing"
    ):
        opened(formed, 3)


def test_one_broker_alone_does_not_begin_in_a_clusters_directory(tmp_path: Path) -> None:
    opened(tmp_path, 3)
    with pytest.raises(PlanRefused, match="use `cluster`"):
        check_alone(tmp_path)
    check_alone(tmp_path / "elsewhere")


def test_sockets_are_private_and_their_names_short_enough(tmp_path: Path) -> None:
    short = socket_directory(tmp_path)
    assert short.stat().st_mode & 0o777 == 0o700
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    elsewhere = socket_directory(deep)
    try:
        assert len(f"{elsewhere}/internal-100.sock") <= UNIX_PATH_BYTES_MAX
        assert elsewhere == socket_directory(deep), "voters know each other by it"
        assert elsewhere.stat().st_mode & 0o777 == 0o700
    finally:
        elsewhere.rmdir()


def test_a_brokers_file_is_what_run_reads(tmp_path: Path) -> None:
    plan = opened(tmp_path, 3)
    document = broker_document(
        plan,
        plan.members[1],
        host="127.0.0.1",
        base_port=9000,
        advertise="kafka.test",
        sockets=tmp_path / "s",
        common={"auto_create_topics": True},
    )
    import json

    write_private(plan.config_file(1), json.dumps(document))
    assert plan.config_file(1).stat().st_mode & 0o777 == 0o600
    config = read_config(plan.config_file(1))
    assert (config.broker_id, config.listeners[0].port) == (1, 9001)
    assert config.quorum_listener is not None
    assert [one.broker_id for one in config.initial_voters] == [0, 1, 2]
    assert config.initial_voters[1].directory_id == config.directory_id
    assert config.initial_voters[1].quorum_address == config.quorum_listener.address
