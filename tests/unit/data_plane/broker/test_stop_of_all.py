"""All brokers of a cluster stop as one, whoever told them to (docs/decisions/0048)."""

from uuid import UUID

import pytest

from data_plane.broker.membership import ABANDONED_MS
from data_plane.metadata.broker_sessions import GATHERING_MS, SESSION_MS
from data_plane.metadata.records import (
    CommitMode,
    PartitionRecord,
    RestartKind,
    TopicRecord,
)
from tests.unit.data_plane.broker.members import STEP_MS, Members

TOPIC_ID = UUID(int=77)
ALL = (0, 1, 2)


def gathered(count: int = 3) -> Members:
    """Each broker leads one partition that all have on disk."""
    members = Members(count)
    members.run(5_000)
    replicas = tuple(range(count))
    rows = [
        PartitionRecord(TOPIC_ID, each, replicas, replicas, each, 0, 0, CommitMode.SYNCED)
        for each in replicas
    ]
    members.write(TopicRecord("t", TOPIC_ID), *rows)
    return members


def in_sync(members: Members, by: int) -> list[set[int]]:
    """The ISRs as one broker knows them, running or not."""
    return [set(row.isr) for row in members.members[by].image.topics["t"].partitions]


def leaders(members: Members, by: int) -> list[int]:
    return [row.leader for row in members.members[by].image.topics["t"].partitions]


def wish(members: Members, *brokers: int) -> None:
    for each in brokers:
        members.members[each].membership.want_shutdown()


def let_stop(members: Members, ms: int, *, notice_losses: bool = True) -> list[int]:
    """Run so long; whoever may stop does, and is missed at once by its neighbours. In order."""
    stopped: list[int] = []
    for _ in range(0, ms, STEP_MS):
        members.run(STEP_MS)
        for each in members.up():
            if each.membership.may_stop:
                stopped.append(each.broker_id)
                members.stop(each.broker_id)
                for other in members.up() if notice_losses else []:
                    other.host.lose(each.broker_id)
    return stopped


def others(members: Members) -> list[int]:
    return [each.broker_id for each in members.up() if each is not members.active]


def test_where_all_wish_to_stop_nobody_leaves_an_isr_and_the_controller_is_the_last() -> None:
    members = gathered()
    controller = members.active.broker_id
    wish(members, *ALL)
    stopped = let_stop(members, 500)
    assert sorted(stopped) == [*ALL]
    assert stopped[-1] == controller, "the others hear it from it"
    for each in ALL:
        assert in_sync(members, each) == [{*ALL}] * 3
        assert leaders(members, each) == [*ALL]
        assert members.members[each].membership.all_stop


@pytest.mark.parametrize("last", ALL)
def test_wishes_within_a_moment_of_each_other_are_one_stop(last: int) -> None:
    """The moment begins anew with each wish: a machine that is busy tells its brokers slowly."""
    members = gathered()
    for each in sorted(ALL, key=lambda one: one == last):
        wish(members, each)
        assert let_stop(members, GATHERING_MS - STEP_MS) == [] or each == last
    let_stop(members, 500)
    assert not members.up()
    assert in_sync(members, last) == [{*ALL}] * 3


def test_who_wishes_alone_is_taken_out_after_the_moment_and_serves_until_then() -> None:
    members = gathered()
    leaving = others(members)[0]
    wish(members, leaving)
    members.run(GATHERING_MS - STEP_MS)
    assert leaders(members, leaving) == [*ALL], "it leads and serves on meanwhile"
    membership = members.members[leaving].membership
    while not membership.may_stop:
        members.run(STEP_MS)
        assert leaving in leaders(members, leaving) or not membership.all_stop
    assert leaving not in leaders(members, members.active.broker_id)
    assert in_sync(members, members.active.broker_id) == [{*ALL} - {leaving}] * 3
    assert not membership.all_stop


def test_who_wishes_later_than_the_moment_stops_with_those_that_are_left() -> None:
    """The first one has left the ISRs; the others stay in them, both."""
    members = gathered()
    first, second = others(members)
    wish(members, first)
    let_stop(members, GATHERING_MS + 4 * STEP_MS)
    left = {*ALL} - {first}
    wish(members, second, members.active.broker_id)
    let_stop(members, 500)
    assert not members.up()
    assert in_sync(members, second) == [left] * 3


def test_the_second_last_wishes_while_the_last_one_waits() -> None:
    members = gathered()
    gone, second = others(members)
    last = members.active.broker_id
    wish(members, gone)
    let_stop(members, 1_000)
    assert members.down == {gone}
    wish(members, last)
    assert let_stop(members, GATHERING_MS - STEP_MS) == []
    wish(members, second)
    assert sorted(let_stop(members, 500)) == sorted([second, last])
    assert in_sync(members, last) == [{second, last}] * 3


def test_a_wish_dies_with_who_had_it() -> None:
    """It comes back as another incarnation, which does not wish to stop: the others hand over."""
    members = gathered()
    died, leaving = others(members)
    wish(members, died)
    members.run(STEP_MS)
    members.stop(died)
    members.active.host.lose(died)
    members.restart(died, RestartKind.PROCESS_CRASH)
    members.run(2_000)
    assert members.members[died].membership.is_let_in
    wish(members, leaving, members.active.broker_id)
    let_stop(members, 1_000)
    assert [each.broker_id for each in members.up()] == [died]
    assert not members.members[died].membership.may_stop
    assert not members.members[leaving].membership.all_stop


def test_nobody_waits_long_for_a_controller_that_dies_in_the_middle() -> None:
    """One was let go before; the other one has neither a controller nor a quorum."""
    members = gathered()
    controller = members.active.broker_id
    told, left = others(members)
    wish(members, *ALL)
    while not members.members[told].membership.may_stop:
        members.run(STEP_MS)
        if members.members[left].membership.may_stop:
            told, left = left, told
    members.stop(told)
    members.stop(controller)
    let_stop(members, ABANDONED_MS + 500)
    assert not members.up()
    assert in_sync(members, left) == [{*ALL}] * 3


def test_a_controller_that_dies_before_all_had_wished_leaves_it_to_the_next_one() -> None:
    """It gathers anew, and does not know yet that its predecessor is dead: they hand over."""
    members = gathered()
    controller = members.active.broker_id
    left = others(members)
    wish(members, *left)
    members.run(STEP_MS)
    members.stop(controller)
    began_ms = members.now_ms
    while members.up():
        let_stop(members, STEP_MS)
        assert members.now_ms - began_ms < 10_000, "of the world's time"


def test_who_hangs_with_its_wish_keeps_the_controller_for_its_session_at_most() -> None:
    members = gathered()
    controller = members.active.broker_id
    hung, other = others(members)
    wish(members, hung)
    members.run(STEP_MS)
    members.stop(hung)
    wish(members, other, controller)
    assert let_stop(members, 500, notice_losses=False) == [other]
    assert let_stop(members, SESSION_MS, notice_losses=False) == [controller]
    assert in_sync(members, controller) == [{*ALL}] * 3


def test_an_answer_that_is_lost_is_asked_for_again() -> None:
    members = gathered()
    deaf = others(members)[0]
    wish(members, *ALL)
    for _ in range(20):
        members.sent[:] = [one for one in members.sent if one[0] != deaf]
        members.run(STEP_MS)
    let_stop(members, ABANDONED_MS + 500)
    assert not members.up()
    assert in_sync(members, deaf) == [{*ALL}] * 3


def test_who_is_back_before_the_others_are_gone_changes_nothing() -> None:
    """As a service manager restarts each: the first to come back waits for the next controller."""
    members = gathered()
    first = others(members)[0]
    wish(members, *ALL)
    while not members.members[first].membership.may_stop:
        members.run(STEP_MS)
    members.stop(first)
    members.restart(first, RestartKind.CLEAN)
    members.run(500)
    assert not members.members[first].membership.is_done
    assert in_sync(members, members.active.broker_id) == [{*ALL}] * 3
    for each in {*ALL} - {first}:
        assert members.members[each].membership.may_stop
        members.stop(each)
        members.restart(each, RestartKind.CLEAN)
    members.run(10_000)
    assert [each.broker_id for each in members.up() if each.membership.is_let_in] == [*ALL]


def test_who_is_told_of_a_stop_of_all_by_its_supervisor_fences_nobody() -> None:
    """SIGUSR1: the same, without a wish (docs/decisions/0047)."""
    members = gathered()
    controller = members.active
    for each in members.up():
        each.membership.end_with_all()
    for gone in others(members):
        members.stop(gone)
        controller.host.lose(gone)
    members.run(1_000)
    assert in_sync(members, controller.broker_id) == [{*ALL}] * 3


def test_one_broker_of_a_cluster_stops_at_once() -> None:
    members = gathered(1)
    wish(members, 0)
    assert let_stop(members, STEP_MS) == [0]
    assert in_sync(members, 0) == [{0}]
