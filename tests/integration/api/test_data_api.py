"""The data API as Kafka command lines of Heroku's family use it, traps included."""

import uuid

import pytest

from control_plane.domain.states import AddonState, OperationState, TopicState
from control_plane.models import Addon, Cluster, Node, Operation, Topic
from tests.factories import rows as make
from tests.integration.api.conftest import World

# heroku-contract.md a.2: fields whose absence crashes a command.
CLUSTER_FIELDS = {
    "state",
    "version",
    "created_at",
    "robot",
    "limits",
    "topics",
    "partition_replica_count",
    "messages_in_per_sec",
    "bytes_in_per_sec",
    "bytes_out_per_sec",
    "capabilities",
    "data_size",
    "shared_cluster",
    "topic_prefix",
}


def path_of(world: World, rest: str = "") -> str:
    return f"/data/kafka/v0/clusters/{world.addon_id}{rest}"


def test_a_cluster_has_what_the_command_line_reads(world: World) -> None:
    cluster = world.anna.get(path_of(world)).json()
    assert cluster.keys() >= CLUSTER_FIELDS
    assert cluster["topics"] == ["departures"]
    assert cluster["state"]["message"] == "available"
    assert cluster["state"]["healthy?"] is True
    assert isinstance(cluster["bytes_in_per_sec"], int)
    assert cluster["limits"]["max_topics"] == 100
    assert cluster["limits"]["data_size"]["limit_bytes"] == 5 * 10**9
    assert cluster["formation"]["kafkas"] == ["127.0.0.1:20001"]
    assert cluster["robot"] == {"is_robot": False, "robot_ttl": None}


@pytest.mark.parametrize("rest", ["", "/wait_status", "/topics"])
def test_absent_and_gone_clusters_come_without_a_message(world: World, rest: str) -> None:
    """Trap 1: with `message` in the body `wait` never ends."""
    absent = world.anna.get(f"/data/kafka/v0/clusters/{uuid.uuid4()}{rest}")
    assert (absent.status_code, absent.json()) == (404, {"id": "not_found"})
    with world.service.sessions.begin() as session:
        addon = session.get_one(Addon, uuid.UUID(world.addon_id))
        addon.state, addon.deleted_at = AddonState.DEPROVISIONED, make.now()
    gone = world.anna.get(path_of(world, rest))
    assert (gone.status_code, gone.json()) == (410, {"id": "gone"})
    # Another account is not even told that it once was.
    assert world.bert.get(path_of(world, rest)).status_code == 404


def test_wait_status_waits_while_creating(world: World) -> None:
    with world.service.sessions.begin() as session:
        cluster = session.query(Cluster).one()
        cluster.state = "creating"
    status = world.anna.get(path_of(world, "/wait_status")).json()
    assert status["waiting?"] is True
    assert status.keys() == {
        "waiting?",
        "error?",
        "deprovisioned?",
        "missing?",
        "healthy?",
        "message",
    }


def test_an_upgrade_is_accepted_waited_for_and_refused_where_no_node_has_it(world: World) -> None:
    path = path_of(world, "/upgrade")
    early = world.anna.put(path, json={"version": "2"})
    assert (early.status_code, early.json()["id"]) == (422, "invalid_params")
    with world.service.sessions.begin() as session:
        session.query(Node).one().agent_version = "2"
    refused = world.anna.put(path, json={"version": "9"})
    assert (refused.status_code, refused.json()["id"]) == (422, "invalid_params")
    assert "have 2. Version 9 can be chosen once" in refused.json()["message"]
    assert world.anna.put(path, json={"version": "no version"}).status_code == 422
    assert world.bert.put(path, json={"version": "2"}).status_code == 404
    accepted = world.anna.put(path, json={"version": "2"})
    assert accepted.status_code == 202
    reply = accepted.json()
    assert (reply["version"], reply["operation"]["type"]) == ("2", "upgrade_cluster")
    assert accepted.headers["Location"] == f"/operations/{reply['operation']['id']}"
    assert world.anna.get(path_of(world, "/wait_status")).json()["waiting?"] is True
    again = world.anna.put(path, json={}).json()
    assert again["operation"]["id"] == reply["operation"]["id"]


@pytest.mark.parametrize("count", ["4", 4])
def test_a_topic_is_accepted_with_counts_as_text_or_numbers(world: World, count: object) -> None:
    body = {"topic": {"name": "arrivals", "partition_count": count, "replication_factor": "1"}}
    accepted = world.anna.post(path_of(world, "/topics"), json=body)
    assert accepted.status_code == 202, accepted.text
    made = accepted.json()
    assert made["message"]
    assert made["topic"]["partitions"] == 0  # not yet on the brokers
    assert made["topic"]["partition_count"] == 4
    assert made["topic"]["status"] == "pending"
    assert made["operation"]["type"] == "create_topic"
    assert accepted.headers["location"] == f"/operations/{made['operation']['id']}"
    listed = world.anna.get(path_of(world, "/topics")).json()
    assert listed["attachment_name"] == "KAFKA"
    assert listed["limits"] == {"max_topics": 100}
    assert [topic["name"] for topic in listed["topics"]] == ["arrivals", "departures"]


@pytest.mark.parametrize(
    ("topic", "field"),
    [
        ({"name": "a/b"}, "name"),
        ({"name": ""}, "topic.name"),
        ({"name": ".."}, "name"),
        ({"name": "x" * 250}, "name"),
        ({"name": "__consumer_offsets"}, "name"),
        ({"name": "departures"}, "name"),
        ({"name": "t", "partition_count": 0}, "partition_count"),
        ({"name": "t", "partition_count": -3}, "partition_count"),
        ({"name": "t", "partition_count": 10**12}, "partition_count"),
        ({"name": "t", "partition_count": "many"}, "topic.partition_count"),
        ({"name": "t", "replication_factor": "3"}, "replication_factor"),
        ({"name": "t", "retention_time_ms": 1}, "retention_time_ms"),
        ({"name": "t", "retention_time_ms": 2**70}, "topic.retention_time_ms"),
    ],
)
def test_bad_topics_name_the_field(world: World, topic: dict[str, object], field: str) -> None:
    refused = world.anna.post(path_of(world, "/topics"), json={"topic": topic})
    assert refused.status_code == (409 if topic["name"] == "departures" else 422)
    assert refused.json()["details"][0]["field"] == field


def test_too_much_replication_names_the_plan_that_has_it(world: World) -> None:
    body = {"topic": {"name": "t", "replication_factor": 3}}
    refused = world.anna.post(path_of(world, "/topics"), json=body).json()
    assert refused["id"] == "plan_limit"
    assert "standard-0" in refused["message"]


def test_retention_is_changed_by_an_operation(world: World) -> None:
    path = path_of(world, "/topics/departures")
    body = {"topic": {"name": "departures", "compaction": True, "retention_time_ms": None}}
    accepted = world.anna.put(path, json=body)
    assert accepted.status_code == 202
    assert accepted.json()["operation"]["type"] == "alter_topic"
    assert accepted.json()["topic"]["status"] == "updating"
    busy = world.anna.put(path, json=body)
    assert busy.status_code == 409


def test_a_topic_is_marked_for_deletion_once(world: World) -> None:
    path = path_of(world, "/topics/departures")
    first = world.anna.request("DELETE", path, json={"topic_name": "departures"})
    again = world.anna.delete(path)
    assert first.status_code == again.status_code == 202
    assert first.json()["operation"]["id"] == again.json()["operation"]["id"]
    assert first.json()["topic"]["status"] == "deleting"


def test_a_failed_topic_says_why(world: World) -> None:
    with world.service.sessions.begin() as session:
        topic = session.query(Topic).one()
        topic.state, topic.error = TopicState.FAILED, "The brokers refused it."
    (listed,) = world.anna.get(path_of(world, "/topics")).json()["topics"]
    assert listed["reason"] == listed["status_label"] == "The brokers refused it."
    assert world.anna.get(path_of(world)).json()["state"]["degraded_topics"] == ["departures"]


def test_rates_come_from_counters(world: World) -> None:
    with world.service.sessions.begin() as session:
        make.traffic(
            session,
            session.query(Cluster).one(),
            session.query(Node).one(),
            minutes=2,
            bytes_per_s=50_000,
            topic_names=("departures",),
            first_sequence=1,
        )
    cluster = world.anna.get(path_of(world)).json()
    (topic,) = world.anna.get(path_of(world, "/topics")).json()["topics"]
    assert 20_000 < cluster["bytes_in_per_sec"] < 90_000
    assert topic["bytes_in_per_second"] == pytest.approx(cluster["bytes_in_per_sec"], rel=0.2)
    assert cluster["bytes_out_per_sec"] > cluster["bytes_in_per_sec"]


def test_an_operation_is_waited_for(world: World) -> None:
    """The reply comes when the operation ends, not when the waiting time does."""
    body = {"topic": {"name": "arrivals"}}
    location = world.anna.post(path_of(world, "/topics"), json=body).headers["location"]
    at_once = world.anna.get(location).json()
    assert at_once["state"] == "pending"
    assert world.anna.get(f"{location}?wait=100ms").json()["state"] == "pending"
    import threading

    def finish() -> None:
        with world.service.sessions.begin() as session:
            operation = session.get_one(Operation, uuid.UUID(at_once["id"]))
            operation.state, operation.finished_at = OperationState.FAILED, make.now()
            operation.reason = "No node has room."

    timer = threading.Timer(0.3, finish)
    timer.start()
    ended = world.anna.get(f"{location}?wait=60s").json()
    timer.join()
    assert ended["state"] == "failed"
    assert ended["error"] == {"id": "operation_failed", "message": "No node has room."}
    assert ended["resource"]["name"] == "kafka-calm-1000"


@pytest.mark.parametrize("wait", ["soon", "-1s", "1w"])
def test_a_bad_wait_is_refused(world: World, wait: str) -> None:
    body = {"topic": {"name": "arrivals"}}
    location = world.anna.post(path_of(world, "/topics"), json=body).headers["location"]
    assert world.anna.get(location, params={"wait": wait}).status_code == 422


def test_cost_so_far(world: World) -> None:
    usage = world.anna.get(f"/addons/{world.addon_id}/usage").json()
    # Two hours of a plan of five dollars in 720 hours.
    assert usage["amount_micros"] == pytest.approx(2 * 5_000_000 / 720, rel=0.01)
    assert usage["plan_seconds"] == pytest.approx(7200, rel=0.01)
    assert usage["currency"] == "USD"
    assert sum(line["amount_micros"] for line in usage["lines"]) == usage["amount_micros"]
