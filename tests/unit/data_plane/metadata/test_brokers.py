"""Registration: the epoch is the record's offset, and everything led gets a new leader epoch."""

import dataclasses
from uuid import UUID

import pytest

from data_plane.metadata.brokers import (
    MIN_INSYNC,
    BrokerIdNotRegistered,
    DuplicateBrokerRegistration,
    InvalidRegistration,
    decide_register_broker,
    decide_unregister,
)
from data_plane.metadata.decision import Decision
from data_plane.metadata.features import NEWEST_LEVEL, supported_ranges, supported_up_to
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import (
    ConfigRecord,
    FeatureLevelRecord,
    RegisterBrokerRecord,
    RestartKind,
)
from data_plane.protocol.errors import InvalidRequest, UnsupportedVersion
from tests.unit.data_plane.metadata.worlds import (
    after,
    broker,
    cluster,
    scope_of,
    topic,
    with_topics,
)


def incarnation(broker_id: int, number: int = 1, **changes: object) -> RegisterBrokerRecord:
    """A later incarnation of a broker, with the same directory."""
    changes["incarnation_id"] = UUID(int=1_000 * number + broker_id)
    return dataclasses.replace(broker(broker_id), **changes)  # type: ignore[arg-type]  # made up by the test


@pytest.mark.semantics("77c")
def test_the_epoch_of_an_incarnation_is_the_offset_of_its_record() -> None:
    decision = decide_register_broker(scope_of(cluster()), incarnation(1), next_offset=42)
    assert decision.response == 42
    assert after(cluster(), decision).brokers[1].broker_epoch == 42


def test_what_the_broker_led_gets_a_new_leader_epoch_and_the_rest_stays() -> None:
    image = with_topics(cluster(broker(1), broker(2)), topic("a", 4))
    again = after(image, decide_register_broker(scope_of(image), incarnation(1), next_offset=9))
    pairs = list(zip(image.topics["a"].partitions, again.topics["a"].partitions, strict=True))
    assert {before.leader for before, _ in pairs} == {1, 2}
    for before, now in pairs:
        bump = int(before.leader == 1)
        assert now.leader_epoch == before.leader_epoch + bump
        assert now.partition_epoch == before.partition_epoch + bump
        assert now.isr == before.isr


def test_only_a_broker_that_has_stopped_is_unregistered() -> None:
    stopped = dataclasses.replace(broker(2), is_fenced=True)
    image = cluster(broker(1), stopped)
    with pytest.raises(InvalidRequest, match="stop it"):
        decide_unregister(scope_of(image), 1)
    with pytest.raises(BrokerIdNotRegistered):
        decide_unregister(scope_of(image), 3)
    assert set(after(image, decide_unregister(scope_of(image), 2)).brokers) == {1}


def registered(
    image: MetadataImage, record: RegisterBrokerRecord, *, is_alive: bool = False
) -> MetadataImage:
    decision = decide_register_broker(
        scope_of(image), record, next_offset=image.offset + 1, is_alive=is_alive
    )
    now = after(image, decision)
    assert now.brokers[record.broker_id].broker_epoch == decision.response
    assert decision.records.index(now.brokers[record.broker_id]) == decision.response - (
        image.offset + 1
    ), "the epoch is the offset of the record, whatever stands before it"
    return now


def test_the_first_finalizes_the_features_and_the_second_the_records_of_clusters() -> None:
    first = registered(MetadataImage(), broker(1))
    assert first.features["ottla.version"] == NEWEST_LEVEL
    older = dataclasses.replace(broker(1), features=supported_ranges(supported_up_to(1)))
    assert registered(MetadataImage(), older).features["ottla.version"] == 1
    alone = after(MetadataImage(), Decision(None, [broker(1)]))  # As it was before clusters.
    assert registered(alone, incarnation(1)).features == {}
    able = incarnation(2, features=supported_ranges())
    assert registered(alone, able).features == {"ottla.version": 1}


def test_two_machines_ask_for_two_replicas_unless_somebody_chose() -> None:
    assert not registered(cluster(broker(1)), broker(2, node_id="node-1")).broker_configs(None)
    two = registered(cluster(broker(1)), broker(2))
    assert two.broker_configs(None) == {"min.insync.replicas": "2"}
    chosen = after(cluster(broker(1)), Decision(None, [ConfigRecord(4, "", MIN_INSYNC, "1")]))
    assert registered(chosen, broker(2)).broker_configs(None) == {MIN_INSYNC: "1"}


@pytest.mark.semantics("77a")
def test_another_directory_waits_for_the_session_and_the_same_one_does_not() -> None:
    image = cluster(broker(1), broker(2))
    other = incarnation(1, directory_id=UUID(int=55))
    with pytest.raises(DuplicateBrokerRegistration):
        registered(image, other, is_alive=True)
    now = registered(image, other)
    assert now.brokers[1].restart_kind == RestartKind.NEW_DIRECTORY
    registered(image, incarnation(1), is_alive=True)


def test_a_retired_id_and_a_broker_that_lacks_a_feature_are_refused() -> None:
    image = cluster(broker(1), broker(2, is_fenced=True))
    gone = after(image, decide_unregister(scope_of(image), 2))
    assert 2 not in gone.brokers
    with pytest.raises(InvalidRegistration):
        registered(gone, broker(2))
    level = FeatureLevelRecord("group.version", 1)
    finalized = after(cluster(broker(1)), Decision(None, [level]))
    with pytest.raises(UnsupportedVersion):
        registered(finalized, broker(3))
    registered(finalized, dataclasses.replace(broker(3), features=supported_ranges()))


@pytest.mark.parametrize(
    ("kind", "min_insync", "isr", "elr"),
    [
        (RestartKind.CLEAN, "2", {2}, {1}),
        (RestartKind.PROCESS_CRASH, "2", {2}, {1}),
        (RestartKind.POWER_LOSS, "2", {2}, set()),
        (RestartKind.NEW_DIRECTORY, "2", {2}, set()),
        (RestartKind.POWER_LOSS, "1", {2}, set()),
    ],
)
def test_what_a_restart_costs(
    kind: RestartKind, min_insync: str, isr: set[int], elr: set[int]
) -> None:
    """Two of three are in sync; the one that restarts stays eligible if it holds all it held."""
    asked = topic("a", 1, 3, min_insync_replicas=min_insync)
    image = with_topics(cluster(broker(1), broker(2), broker(3)), asked)
    row = dataclasses.replace(image.topics["a"].partitions[0], isr=(1, 2), leader=1)
    image = after(image, Decision(None, [row]))
    restarted = incarnation(1, restart_kind=kind, is_fenced=True)
    now = registered(image, restarted).topics["a"].partitions[0]
    assert (now.leader, set(now.isr), set(now.elr)) == (2, isr, elr)
    assert now.leader_epoch == row.leader_epoch + 1


@pytest.mark.parametrize("flush_messages", ["1", ""])
def test_a_clean_mark_of_an_older_epoch_tells_of_a_directory_that_was_put_back(
    flush_messages: str,
) -> None:
    """It lacks what was synced since, so it is out everywhere; -1: software that told no epoch."""
    configs = {"min_insync_replicas": "2"} | ({"flush_messages": "1"} if flush_messages else {})
    image = with_topics(cluster(broker(1), broker(2), broker(3)), topic("a", 1, 3, **configs))
    isr = (1,) if flush_messages else (1, 2)
    row = dataclasses.replace(image.topics["a"].partitions[0], isr=isr, leader=1)
    image = registered(after(image, Decision(None, [row])), incarnation(1, broker_epoch=-1))
    last_epoch = image.brokers[1].broker_epoch
    for epoch, kind in (
        (last_epoch, RestartKind.CLEAN),
        (-1, RestartKind.CLEAN),
        (last_epoch - 1, RestartKind.NEW_DIRECTORY),
    ):
        now = registered(image, incarnation(1, 2, broker_epoch=epoch, is_fenced=True))
        assert now.brokers[1].restart_kind == kind
        found = now.topics["a"].partitions[0]
        assert (1 in (*found.isr, *found.elr)) == (kind is RestartKind.CLEAN)


def test_a_new_controller_that_has_heard_of_nobody_gives_its_own_broker_a_new_leader_epoch() -> (
    None
):
    """It is let in at once and goes on leading, but as another: records of the incarnation before
    that only followers hold must not pass for its own (durability.md 3)."""
    image = with_topics(cluster(broker(1), broker(2), broker(3)), topic("a", 1, 3))
    row = dataclasses.replace(image.topics["a"].partitions[0], isr=(1, 2, 3), leader=1)
    image = after(image, Decision(None, [row]))
    decision = decide_register_broker(
        scope_of(image), incarnation(1), next_offset=9, unheard={1, 2, 3}
    )
    now = after(image, decision).topics["a"].partitions[0]
    assert (now.leader, now.leader_epoch) == (1, row.leader_epoch + 1)


@pytest.mark.parametrize("kind", list(RestartKind))
def test_alone_a_broker_leads_again_whatever_happened(kind: RestartKind) -> None:
    image = with_topics(
        cluster(broker(1)), topic("a", 1, 1), topic("r", ack_durability="replicated")
    )
    now = registered(image, incarnation(1, restart_kind=kind))
    kept = now.topics["a"].partitions[0]
    if kind is RestartKind.NEW_DIRECTORY:
        assert kept.leader == -1, "an empty log is no replica of what there was"
        return
    assert (kept.leader, kept.leader_epoch, kept.is_recovering) == (1, 1, False)
    weak = now.topics["r"].partitions[0]
    assert (weak.leader, weak.leader_epoch) == (1, 1)
    assert weak.is_recovering == (kind is RestartKind.POWER_LOSS)
