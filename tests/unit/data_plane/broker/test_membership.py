"""A broker's way in and out of a cluster: registered, let in, silent, back, shut down in order."""

import dataclasses
from uuid import UUID

import pytest

from data_plane.metadata.broker_sessions import GATHERING_MS
from data_plane.metadata.decision import Decision
from data_plane.metadata.features import NEWEST_LEVEL
from data_plane.metadata.records import (
    CommitMode,
    PartitionRecord,
    RestartKind,
    TopicRecord,
)
from data_plane.protocol.errors import ErrorCode
from tests.unit.data_plane.broker.members import Members

TOPIC_ID = UUID(int=77)
SESSION_MS = 6_000


def gathered(count: int = 3) -> Members:
    members = Members(count)
    members.run(5_000)
    assert all(each.membership.is_let_in for each in members.up())
    return members


def with_topic(members: Members, *, leader: int) -> PartitionRecord:
    """One `spread` partition, led as told."""
    replicas = (leader, *(each for each in members.members if each != leader))
    row = PartitionRecord(TOPIC_ID, 0, replicas, replicas, leader, 0, 0, CommitMode.SPREAD)
    members.write(TopicRecord("t", TOPIC_ID), row)
    return row


def row_of(members: Members) -> PartitionRecord:
    (row,) = members.active.image.topics["t"].partitions
    return row


def others(members: Members) -> list[int]:
    """Brokers that are not the active controller."""
    return [each.broker_id for each in members.up() if each is not members.active]


def test_all_register_and_are_let_in_and_the_cluster_is_ready_for_two_machines() -> None:
    members = gathered()
    image = members.active.image
    assert sorted(image.brokers) == [0, 1, 2]
    assert image.features["ottla.version"] == NEWEST_LEVEL
    assert image.broker_configs(None)["min.insync.replicas"] == "2"
    assert image.spec_broker_count == 3
    assert {each.image.offset for each in members.up()} == {image.offset}


@pytest.mark.semantics("77a")
def test_a_silent_broker_is_fenced_when_its_session_is_over() -> None:
    members = gathered()
    silent = others(members)[0]
    before = with_topic(members, leader=silent)
    members.stop(silent)
    members.run(SESSION_MS - 1_000)
    assert not members.active.image.brokers[silent].is_fenced
    members.run(2_000)
    assert members.active.image.brokers[silent].is_fenced
    row = row_of(members)
    assert row.leader in before.replicas[1:]
    assert silent not in row.isr
    assert row.leader_epoch == before.leader_epoch + 1


def test_who_hears_but_is_not_heard_knows_it_when_its_session_is_over() -> None:
    """Its own image may show it as it was; what tells is that nobody answers."""
    members = gathered()
    mute = others(members)[0]

    def unheard() -> list[int]:
        return [each.broker_id for each in members.up() if each.membership.is_unheard]

    members.run(1_000)
    members.mute.add(mute)
    members.run(SESSION_MS - 600)
    assert unheard() == []
    members.run(1_000)
    assert unheard() == [mute]
    assert members.active.image.brokers[mute].is_fenced
    members.mute.clear()
    members.run(3_000)
    assert unheard() == []


def test_who_has_never_been_let_in_leads_nothing_to_be_in_doubt_of() -> None:
    """An answer alone is no welcome: it may say that the broker is fenced."""
    members = Members(3)
    waiting = members.members[2]
    waiting.membership.is_ready = False
    members.run(5_000)
    assert waiting.membership.is_done
    members.mute.add(2)
    members.run(2 * SESSION_MS)
    assert not waiting.membership.is_unheard


def test_a_controller_that_nobody_hears_knows_it_too() -> None:
    members = gathered()
    mute = members.active
    members.mute.add(mute.broker_id)
    members.run(SESSION_MS + 3_000)
    assert mute.membership.is_unheard


def test_a_broker_whose_connection_is_refused_is_fenced_at_once() -> None:
    members = gathered()
    silent = others(members)[0]
    members.stop(silent)
    members.active.host.lose(silent)
    members.run(200)
    assert members.active.image.brokers[silent].is_fenced


def test_a_controller_that_is_gone_is_not_named_while_its_successor_is_not_elected_yet() -> None:
    """Clients and brokers would wait for it."""
    members = gathered()
    gone = members.active.broker_id
    members.stop(gone)
    hosts = [each.host for each in members.up()]
    for host in hosts:
        assert host.controller_id == gone
        host.lose(gone)
        assert host.controller_id is None
    members.run(5_000)
    assert {host.controller_id for host in hosts} == {members.active.broker_id} != {gone}


def test_a_controller_that_is_heard_of_again_is_the_controller_still() -> None:
    members = gathered()
    active = members.active
    follower = members.members[others(members)[0]].host
    follower.lose(active.broker_id)
    assert follower.controller_id is None
    members.run(500)
    assert members.active is active
    assert follower.controller_id == active.broker_id


def test_nobody_waits_for_a_controller_that_has_a_successor() -> None:
    members = gathered()
    members.stop(members.active.broker_id)
    answers: list[bytes | None] = []
    asking = members.up()[0].host.line
    asking.ask(b"\x00\x3f", answers.append, until_ms=members.now_ms + 600_000)
    members.run(100)
    assert answers == []
    members.run(5_000)
    assert members.active
    assert answers == [None]


def test_a_broker_that_comes_back_is_let_in_after_it_has_replayed_its_registration() -> None:
    members = gathered()
    back = others(members)[0]
    epoch = members.active.image.brokers[back].broker_epoch
    members.stop(back)
    members.run(1_000)
    members.restart(back, RestartKind.PROCESS_CRASH)
    members.run(3_000)
    known = members.active.image.brokers[back]
    assert known.broker_epoch > epoch
    assert not known.is_fenced
    assert members.members[back].membership.is_let_in


def test_a_broker_that_is_not_ready_is_registered_and_stays_fenced() -> None:
    members = gathered()
    slow = others(members)[0]
    members.stop(slow)
    members.restart(slow, RestartKind.CLEAN)
    membership = members.members[slow].membership
    membership.is_ready = False
    members.run(3_000)
    assert membership.is_done
    assert not membership.is_let_in
    membership.is_ready = True
    members.run(1_000)
    assert membership.is_let_in


def test_the_loss_of_the_active_controller_fences_it_and_nobody_else() -> None:
    members = gathered()
    lost = members.active.broker_id
    with_topic(members, leader=lost)
    members.stop(lost)
    members.run(SESSION_MS + 6_000)
    image = members.active.image
    fenced = {each for each, broker in image.brokers.items() if broker.is_fenced}
    assert fenced == {lost}
    assert row_of(members).leader != lost


@pytest.mark.semantics("74a")
def test_a_shutdown_in_order_moves_the_leaders_before_the_broker_may_stop() -> None:
    members = gathered()
    leaving = others(members)[0]
    before = with_topic(members, leader=leaving)
    membership = members.members[leaving].membership
    membership.want_shutdown()
    while not membership.may_stop:
        members.run(50)
        if row_of(members).leader == leaving:
            assert not membership.may_stop
    row = row_of(members)
    assert row.leader in before.replicas[1:]
    assert leaving not in row.isr


def test_nobody_waits_for_the_next_heartbeat_of_others_to_stop() -> None:
    """Five stops, of the world's time: each other broker would else tell twice a second only.

    Beside that there is the moment in which others may wish to stop as well.
    """
    taken_ms = []
    for phase_ms in range(0, 500, 100):
        members = gathered()
        leaving = others(members)[0]
        with_topic(members, leader=leaving)
        members.run(phase_ms + 50)
        began_ms = members.now_ms
        members.members[leaving].membership.want_shutdown()
        while not members.members[leaving].membership.may_stop:
            members.run(50)
        taken_ms.append(members.now_ms - began_ms)
    assert max(taken_ms) <= 300 + GATHERING_MS, taken_ms


def test_a_partition_of_one_replica_does_not_keep_its_broker_from_stopping() -> None:
    members = gathered()
    leaving = others(members)[0]
    row = PartitionRecord(TOPIC_ID, 0, (leaving,), (leaving,), leaving, 0, 0)
    members.write(TopicRecord("t", TOPIC_ID), row)
    members.members[leaving].membership.want_shutdown()
    members.run(2_000)
    assert members.members[leaving].membership.may_stop
    after = row_of(members)
    assert (after.leader, tuple(after.elr)) == (-1, (leaving,))


def test_the_last_of_a_cluster_that_stops_waits_for_nobody() -> None:
    members = gathered()
    last = others(members)[0]
    for number in set(members.members) - {last}:
        members.stop(number)
    members.members[last].membership.want_shutdown()
    members.run(2_000)
    assert not members.members[last].membership.may_stop, "another controller may come up"
    members.run(10_000)
    assert members.members[last].membership.may_stop


def test_brokers_that_all_stop_at_once_do_not_wait_for_each_other() -> None:
    """The quorum loses its majority while they stop; who is last must not wait for an answer."""
    members = gathered()
    with_topic(members, leader=members.active.broker_id)
    began_ms = members.now_ms
    for each in members.up():
        each.membership.want_shutdown()
    while members.up():
        members.run(50)
        assert members.now_ms - began_ms <= 1_000, "of the world's time"
        for each in members.up():
            if each.membership.may_stop:
                assert each.membership.is_last or row_of(members).leader != each.broker_id
                members.stop(each.broker_id)


def test_one_that_stops_later_than_all_others_waits_for_nobody() -> None:
    members = gathered()
    last = others(members)[0]
    for number in set(members.members) - {last}:
        members.members[number].membership.want_shutdown()
    while len(members.up()) > 1:
        members.run(50)
        for each in members.up():
            if each.membership.may_stop:
                members.stop(each.broker_id)
    members.members[last].membership.want_shutdown()
    members.run(50)
    assert members.members[last].membership.may_stop


def test_what_still_comes_after_the_close_is_not_carried_out() -> None:
    """Its executor takes no work any more."""
    members = gathered()
    closed = members.active
    closed.host.close()
    closed.host.decide(lambda _: Decision(None, [TopicRecord("t", TOPIC_ID)]))
    members.sent.clear()
    closed.executor.is_held = True
    closed.host.pump()
    assert not members.sent
    assert not closed.executor.waiting


def test_an_incarnation_that_was_replaced_is_told_to_end() -> None:
    """It was paused and does not know: its image still has its own registration."""
    members = gathered()
    number = others(members)[0]
    known = members.active.image.brokers[number]
    later = dataclasses.replace(known, incarnation_id=UUID(int=999), broker_epoch=10**6)
    stale = members.members[number]
    members.stop(number)
    members.write(later)
    sent, stale.host.controller.committed = stale.image, stale.image
    members.down.discard(number)
    stale.membership.tick(members.now_ms + 1_000)
    assert sent.brokers[number] == known
    members.run(200)
    assert stale.membership.ended_by is ErrorCode.STALE_BROKER_EPOCH


def test_a_broker_of_another_cluster_is_refused_for_good() -> None:
    members = gathered()
    number = others(members)[0]
    before = members.active.image.brokers[number]
    members.restart(number, RestartKind.CLEAN)
    foreign = members.members[number].membership
    foreign.cluster_id = "c2"
    members.run(1_000)
    assert foreign.ended_by is ErrorCode.INCONSISTENT_CLUSTER_ID
    assert members.active.image.brokers[number].incarnation_id == before.incarnation_id
