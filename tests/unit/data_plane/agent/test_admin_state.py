"""Topics and ACLs: what the spec says is what the brokers hold afterwards, and no more."""

import uuid
from collections.abc import Mapping, Sequence

import pytest

from data_plane.agent.admin_state import (
    AdminFailed,
    ObservedTopic,
    SpecOutdated,
    apply,
    bindings_of,
    config_changes,
    roll_view,
    topic_changes,
)
from data_plane.agent.cluster_status import records_lost
from data_plane.agent.replica_moves import PartitionSeen
from data_plane.contract.spec import AclSpec, ClusterSpec, MemberSpec, PrincipalSpec, TopicSpec
from tests.fakes.memory_admin import MemoryAdmin


def topic(name: str, partitions: int = 1, factor: int = 1, **configs: str) -> TopicSpec:
    named = {key.replace("_", "."): value for key, value in configs.items()}
    return TopicSpec(
        name=name, partition_count=partitions, replication_factor=factor, configs=named
    )


def principal(name: str, *operations: str) -> PrincipalSpec:
    acls = [
        AclSpec(resource_type="TOPIC", resource_name="*", operation=each) for each in operations
    ]
    return PrincipalSpec(name=name, acls=acls)


def cluster(*topics: TopicSpec, principals: tuple[PrincipalSpec, ...] = ()) -> ClusterSpec:
    return ClusterSpec(
        cluster_id=str(uuid.uuid4()),
        generation=1,
        topics=list(topics),
        principals=list(principals),
    )


def test_everything_is_made_and_the_second_time_nothing() -> None:
    admin = MemoryAdmin()
    spec = cluster(
        topic("flights", 8, retention_ms="1000"), principals=(principal("User:CN=a", "READ"),)
    )
    first = apply(admin, spec)
    assert (first.is_whole, first.changes) == (True, 2)
    assert admin.held == {"flights": ObservedTopic(8, 1, {"retention.ms": "1000"})}
    assert admin.bindings == bindings_of(spec.principals)
    second = apply(admin, spec)
    assert (second.is_whole, second.changes, admin.calls) == (
        True,
        0,
        ["create_topics", "create_acls"],
    )
    assert [(each.name, each.partition_count) for each in second.topics] == [("flights", 8)]


def test_what_the_spec_lacks_goes() -> None:
    admin = MemoryAdmin()
    apply(admin, cluster(topic("a"), topic("b"), principals=(principal("User:CN=a", "READ"),)))
    apply(admin, cluster(topic("b"), principals=(principal("User:CN=b", "WRITE"),)))
    assert list(admin.held) == ["b"]
    assert {binding.principal for binding in admin.bindings} == {"User:CN=b"}


def test_rights_are_taken_before_and_given_after_the_rest() -> None:
    admin = MemoryAdmin()
    apply(admin, cluster(principals=(principal("User:CN=a", "READ"),)))
    admin.calls.clear()
    apply(admin, cluster(topic("t"), principals=(principal("User:CN=b", "READ"),)))
    assert admin.calls == ["delete_acls", "create_topics", "create_acls"]


def test_partitions_grow_and_configs_follow() -> None:
    admin = MemoryAdmin()
    apply(admin, cluster(topic("t", 2, retention_ms="1", cleanup_policy="delete")))
    apply(admin, cluster(topic("t", 4, retention_ms="2")))
    assert admin.held["t"] == ObservedTopic(4, 1, {"retention.ms": "2"})


@pytest.mark.parametrize(
    ("wished", "why"),
    [
        (topic("t", 2), "the number of partitions cannot shrink from 4 to 2"),
        (topic("t", 4, factor=3), "the replication factor cannot be changed from 1 to 3"),
    ],
)
def test_the_impossible_is_said_and_not_tried(wished: TopicSpec, why: str) -> None:
    admin = MemoryAdmin()
    apply(admin, cluster(topic("t", 4)))
    admin.calls.clear()
    outcome = apply(admin, cluster(wished))
    assert not outcome.is_whole
    assert why in outcome.topic_errors[0]
    assert admin.calls == []
    assert outcome.topics[0].partition_count == 4


def test_one_refused_topic_does_not_stop_the_others() -> None:
    admin = MemoryAdmin()
    admin.refusals["bad"] = "no such config"
    outcome = apply(admin, cluster(topic("bad"), topic("good")))
    assert outcome.topic_errors == ["bad: no such config"]
    assert list(admin.held) == ["good"]


def test_a_topic_that_is_not_described_yet_is_not_applied() -> None:
    class Slow(MemoryAdmin):
        def topics(self) -> dict[str, ObservedTopic]:
            return {}

    outcome = apply(Slow(), cluster(topic("t")))
    assert not outcome.is_whole
    assert outcome.topic_errors == ["t: not visible yet"]


def test_a_failed_admin_call_is_passed_on() -> None:
    admin = MemoryAdmin()
    admin.is_gone = True
    with pytest.raises(AdminFailed):
        apply(admin, cluster(topic("t")))


def test_config_changes_set_and_remove() -> None:
    assert config_changes({"a": "1", "b": "2"}, {"b": "2", "c": "3"}) == {"a": "1", "c": None}
    assert config_changes({"a": "1"}, {"a": "1"}) == {}


def test_topic_changes_are_false_when_nothing_can_be_done() -> None:
    assert not topic_changes([topic("t", 1)], {"t": ObservedTopic(4, 1)})
    assert topic_changes([], {"t": ObservedTopic(4, 1)}).delete == ["t"]


def limited(name: str, **quotas: float) -> PrincipalSpec:
    return principal(name, "WRITE").model_copy(update={"quotas": quotas})


def test_quotas_follow_the_spec_and_come_before_rights() -> None:
    admin = MemoryAdmin()
    apply(admin, cluster(principals=(limited("User:CN=a", producer_byte_rate=64_000),)))
    assert admin.limits == {"User:CN=a": {"producer_byte_rate": 64_000}}
    assert admin.calls == ["set_quotas", "create_acls"]
    changed = cluster(principals=(limited("User:CN=a", consumer_byte_rate=256_000),))
    outcome = apply(admin, changed)
    assert (outcome.is_whole, outcome.changes) == (True, 1)
    assert admin.limits == {"User:CN=a": {"consumer_byte_rate": 256_000}}
    assert apply(admin, changed).changes == 0
    apply(admin, cluster())
    assert admin.limits == {"User:CN=a": {}}


def test_a_refused_quota_is_told() -> None:
    class Refusing(MemoryAdmin):
        def set_quotas(self, changes: Mapping[str, Mapping[str, float | None]]) -> Sequence[str]:
            return [f"{name}: no" for name in changes]

    outcome = apply(Refusing(), cluster(principals=(limited("User:CN=a", producer_byte_rate=1),)))
    assert not outcome.is_whole
    assert outcome.acl_errors == ["User:CN=a: no"]


def spread(generation: int, *topics: TopicSpec) -> ClusterSpec:
    """Of a cluster over three nodes, whose agents all apply it."""
    members = [MemberSpec(broker_id=each, directory_id=str(uuid.uuid4())) for each in range(3)]
    values = {"peers": "tls", "members": members, "generation": generation}
    return cluster(*topics).model_copy(update=values)


def three_brokers() -> MemoryAdmin:
    admin = MemoryAdmin()
    admin.live = {0: "a", 1: "b", 2: "c"}
    admin.voting = [0, 1, 2]
    return admin


def test_an_agent_with_an_old_spec_changes_nothing() -> None:
    """It has not heard of the newer topic, and would delete it."""
    admin = three_brokers()
    apply(admin, spread(2, topic("old", factor=3), topic("new", factor=3)))
    before, calls = dict(admin.held), len(admin.calls)
    with pytest.raises(SpecOutdated):
        apply(admin, spread(1, topic("old", factor=3)))
    assert admin.held == before
    assert admin.calls[calls:] == ["claim"]


def test_what_is_as_wanted_claims_nothing() -> None:
    admin = three_brokers()
    wanted = topic("t", factor=3)
    apply(admin, spread(2, wanted))
    calls = len(admin.calls)
    assert apply(admin, spread(1, wanted)).is_whole
    assert len(admin.calls) == calls


def test_min_insync_waits_for_the_replicas_that_it_asks_for() -> None:
    admin = three_brokers()
    apply(admin, spread(1, topic("t", 2, min_insync_replicas="1")))
    wanted = spread(2, topic("t", 2, factor=3, min_insync_replicas="2"))
    begun = apply(admin, wanted)
    assert begun.is_whole
    assert not begun.is_settled
    assert begun.topics[0].pending == "replicas of 2 of 2 partitions are being moved"
    assert admin.held["t"].configs == {"min.insync.replicas": "1"}
    assert apply(admin, wanted).topics[0].pending
    assert admin.held["t"].configs == {"min.insync.replicas": "1"}
    admin.seen.clear()  # all are in sync
    assert apply(admin, wanted).is_settled
    assert admin.held["t"].configs == {"min.insync.replicas": "2"}
    assert admin.calls.count("move_replicas") == 1


def test_what_another_agent_has_done_meanwhile_is_no_error() -> None:
    class Beaten(MemoryAdmin):
        def create_topics(self, topics: Sequence[TopicSpec]) -> Mapping[str, str]:
            super().create_topics(topics)
            return {each.name: "TopicAlreadyExistsError" for each in topics}

    outcome = apply(Beaten(), cluster(topic("t")))
    assert (outcome.is_whole, outcome.topic_errors) == (True, [])


def test_what_nobody_has_any_more_is_told_and_holds_nothing_up() -> None:
    """Its only replica came back with an empty disk: no move, roll or operation may wait for it."""
    admin = MemoryAdmin()
    spec = cluster(topic("t", 2, 3), topic("u", 1, 1)).model_copy(
        update={
            "members": [MemberSpec(broker_id=each, directory_id=str(each)) for each in range(3)]
        }
    )
    admin.live = dict.fromkeys(range(3), "")
    admin.held = {"t": ObservedTopic(2, 1, {}), "u": ObservedTopic(1, 1, {})}
    admin.seen["t", 0] = PartitionSeen("t", 0, -1, (0,), frozenset())
    outcome = apply(admin, spec)
    assert outcome.lost == [("t", 0)]
    assert "move_replicas" in admin.calls
    assert admin.seen["t", 0].replicas == (0,)  # The others move; this one could never end.
    assert outcome.out_of_sync_count == 1  # t 1, whose new replicas copy
    admin.out_of_sync = 1
    assert roll_view(admin).out_of_sync_count == 0
    del admin.live[0]  # Its broker is away, so it may come back with all it had.
    assert apply(admin, spec).lost == []
    assert roll_view(admin).out_of_sync_count == 1


def test_lost_records_are_told_by_topic_with_the_way_out() -> None:
    said = records_lost([("orders", number) for number in range(7)] + [("more", 1)])
    assert said == (
        "records are gone with the disk of their only replica, those of topic more (partition 1), "
        "orders (partition 0, 1, 2, 3, 4 and 2 more): there nothing is written or read until the "
        "topic is destroyed and created anew, empty"
    )
