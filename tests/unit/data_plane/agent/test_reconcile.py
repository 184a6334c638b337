"""Wish and sight to steps: every difference has its step, no difference has none."""

import uuid
from dataclasses import replace

from data_plane.agent.reconcile import (
    ApplyAdminState,
    BrokerSeen,
    ClusterSeen,
    EndHungBroker,
    PreparePorts,
    ReloadBroker,
    RemoveBroker,
    RemoveCluster,
    ReservePeerPorts,
    StartBroker,
    StopBroker,
    StopBrokers,
    WriteFiles,
    is_turn_over,
    steps,
    wanting,
    wants_roll,
)
from data_plane.agent.storage import Digests
from data_plane.contract.rolling import RollView
from data_plane.contract.spec import BrokerSpec, ClusterSpec, SealedSecret, TurnSpec

KEY = SealedSecret(ephemeral_public_key="", nonce="", ciphertext="")
WHOLE = RollView(0, 0, 0, controller_id=1)
FILES, OTHERS, REISSUED = Digests("d", "c"), Digests("e", "c"), Digests("d", "c2")


def running(
    *,
    has_read: Digests = FILES,
    on_disk: Digests = FILES,
    wanted: Digests = FILES,
    is_ready: bool = True,
) -> BrokerSeen:
    return BrokerSeen(
        is_running=True, is_ready=is_ready, has_read=has_read, on_disk=on_disk, wanted=wanted
    )


SERVING = running()


def spec(*broker_ids: int, desired: str = "running") -> ClusterSpec:
    brokers = [
        BrokerSpec(broker_id=number, advertised_host="h", certificate_pem="c", key=KEY)
        for number in broker_ids
    ]
    return ClusterSpec.model_validate(
        {"cluster_id": str(uuid.uuid4()), "generation": 4, "desired": desired, "brokers": brokers}
    )


def seen(
    brokers: dict[int, BrokerSeen], is_admin_due: bool = False, has_directory: bool = True
) -> ClusterSeen:
    return ClusterSeen(has_directory, brokers, is_admin_due)


def start(broker_id: int) -> tuple[object, ...]:
    return PreparePorts(broker_id), WriteFiles(broker_id), StartBroker(broker_id)


def test_a_cluster_as_wished_needs_nothing() -> None:
    assert steps(spec(0, 1), seen({0: SERVING, 1: SERVING})) == ()


def test_new_brokers_are_started_in_order() -> None:
    assert steps(spec(0, 1), seen({}, is_admin_due=True)) == (*start(0), *start(1))


def test_a_broker_that_must_wait_is_left_alone() -> None:
    assert steps(spec(0), seen({0: BrokerSeen(may_start=False, wanted=FILES)})) == ()


def test_changed_files_restart_the_broker() -> None:
    changed = running(wanted=OTHERS)
    assert steps(spec(0), seen({0: changed}, is_admin_due=True)) == (
        StopBroker(0, "its files changed"),
        *start(0),
    )


def test_reissued_certificates_are_reloaded_without_a_restart() -> None:
    assert steps(spec(0), seen({0: running(wanted=REISSUED)}, is_admin_due=True)) == (
        WriteFiles(0),
        ReloadBroker(0),
    )


def test_a_broker_that_is_starting_is_not_told_yet() -> None:
    """Before it has its handlers the signal would end it."""
    assert steps(spec(0), seen({0: running(wanted=REISSUED, is_ready=False)})) == ()


def test_written_but_not_told_is_told_again() -> None:
    """The agent died between both steps."""
    half = running(wanted=REISSUED, on_disk=REISSUED)
    assert steps(spec(0), seen({0: half})) == (WriteFiles(0), ReloadBroker(0))


def test_a_restart_reads_certificates_too() -> None:
    both = running(wanted=Digests("e", "c2"))
    assert steps(spec(0), seen({0: both})) == (StopBroker(0, "its files changed"), *start(0))


def test_files_changed_by_hand_are_written_again_without_a_restart() -> None:
    drifted = running(on_disk=OTHERS)
    assert steps(spec(0), seen({0: drifted})) == (WriteFiles(0),)


def test_admin_state_waits_for_all_brokers() -> None:
    starting = running(is_ready=False)
    assert steps(spec(0, 1), seen({0: SERVING, 1: starting}, is_admin_due=True)) == ()
    assert steps(spec(0, 1), seen({0: SERVING, 1: SERVING}, is_admin_due=True)) == (
        ApplyAdminState(4),
    )


def test_a_cluster_without_brokers_here_applies_nothing() -> None:
    assert steps(spec(), seen({}, is_admin_due=True)) == ()


def test_unlisted_brokers_are_stopped_and_removed_first() -> None:
    assert steps(spec(1), seen({0: SERVING, 1: BrokerSeen(), 2: BrokerSeen()})) == (
        StopBroker(0, "the spec lists it no longer"),
        RemoveBroker(0),
        RemoveBroker(2),
        *start(1),
    )


def test_absent_stops_and_removes() -> None:
    wished = spec(0, desired="absent")
    known = {0: SERVING, 1: BrokerSeen(), 2: SERVING}
    assert steps(wished, seen(known, is_admin_due=True)) == (
        StopBrokers((0, 2), "the cluster is to be absent"),
        RemoveCluster(),
    )
    assert steps(wished, seen({}, is_admin_due=True, has_directory=False)) == ()


def test_absent_forgets_a_broker_that_never_had_a_file() -> None:
    """It found no ports, so nothing is on disk; known brokers keep a cluster from being absent."""
    known = seen({0: BrokerSeen()}, is_admin_due=True, has_directory=False)
    assert steps(spec(0, desired="absent"), known) == (RemoveCluster(),)


def test_of_several_that_serve_one_is_restarted_at_a_time() -> None:
    wished, changed = spec(0, 1, 2), running(wanted=OTHERS)
    before = seen({0: changed, 1: changed, 2: changed})
    assert wants_roll(wished, before)
    assert steps(wished, before) == ()  # a partition lacks a replica, or nobody could tell
    in_sync = replace(before, roll=WHOLE)
    assert steps(wished, in_sync) == (StopBroker(0, "its files changed"), *start(0))
    restarting = running(has_read=OTHERS, on_disk=OTHERS, wanted=OTHERS, is_ready=False)
    half = replace(in_sync, brokers={0: restarting, 1: changed, 2: changed})
    assert not wants_roll(wished, half)
    assert steps(wished, half) == ()  # the first must serve again, whatever was in sync before
    done = running(has_read=OTHERS, on_disk=OTHERS, wanted=OTHERS)
    second = replace(in_sync, brokers={0: done, 1: changed, 2: changed})
    assert steps(wished, second) == (StopBroker(2, "its files changed"), *start(2))
    third = replace(in_sync, brokers={0: done, 1: changed, 2: done})
    assert steps(wished, third) == (StopBroker(1, "its files changed"), *start(1)), (
        "controller last"
    )


def test_brokers_that_never_served_take_their_change_at_once() -> None:
    wished, silent = spec(0, 1, 2), running(wanted=OTHERS, is_ready=False)
    expected = [
        step
        for broker_id in (0, 1)
        for step in (StopBroker(broker_id, "its files changed"), *start(broker_id))
    ]
    assert list(steps(wished, seen({0: silent, 1: silent, 2: running(wanted=OTHERS)}))) == expected


def test_a_broker_that_only_fell_silent_waits_for_its_turn() -> None:
    """It may be slow under load; its replicas may still be what keeps others in sync."""
    slow = replace(running(wanted=OTHERS, is_ready=False), has_served=True)
    held = seen({0: slow, 1: running(wanted=OTHERS), 2: running(wanted=OTHERS)})
    assert steps(spec(0, 1, 2), replace(held, roll=WHOLE)) == ()


def test_one_broker_alone_waits_for_nobody() -> None:
    wished = spec(0)
    held = seen({0: running(wanted=OTHERS)})
    assert not wants_roll(wished, held)
    assert steps(wished, held) == (StopBroker(0, "its files changed"), *start(0))


def test_a_cluster_that_is_to_go_does_not_roll() -> None:
    changed = running(wanted=OTHERS)
    assert not wants_roll(spec(0, 1, desired="absent"), seen({0: changed, 1: changed}))


def test_a_hanging_broker_is_ended_and_started_when_its_policy_says_so() -> None:
    """Changed files do not give it a start besides: that would pass by the back-off."""
    hanging = replace(running(is_ready=False, wanted=OTHERS), is_hung=True, has_served=True)
    for brokers in ({0: hanging}, {0: hanging, 1: SERVING}):
        assert steps(spec(*brokers), seen(brokers)) == (EndHungBroker(0),)
    waiting = BrokerSeen(wanted=OTHERS, may_start=False)
    assert steps(spec(0), seen({0: waiting})) == ()
    assert steps(spec(0), seen({0: replace(waiting, may_start=True)})) == start(0)


def test_brokers_of_other_software_are_rolled_as_those_whose_files_changed() -> None:
    outdated = replace(SERVING, is_outdated=True)
    held = replace(seen({0: outdated, 1: outdated, 2: SERVING}), roll=WHOLE)
    assert steps(spec(0, 1, 2), held) == (StopBroker(0, "other software"), *start(0))
    dead = BrokerSeen(may_start=False, wanted=FILES)
    stuck = replace(held, brokers={0: dead, 1: outdated, 2: SERVING})
    assert steps(spec(0, 1, 2), stuck) == (), "who does not come up ends the roll"


def spread(number: int, broker_id: int, *own: int) -> ClusterSpec:
    """A cluster over several nodes, `own` here; the turn as given."""
    turn = TurnSpec(number=number, broker_id=broker_id)
    return spec(*own).model_copy(update={"peers": "tls", "turn": turn})


SERVED_AND_CHANGED = replace(running(wanted=OTHERS), has_served=True)


def test_over_several_nodes_only_the_broker_whose_turn_it_is_is_restarted() -> None:
    here = seen({0: SERVED_AND_CHANGED, 1: SERVED_AND_CHANGED})
    mine, others = spread(3, 1, 0, 1), spread(3, 7, 0, 1)
    for one in (mine, others):
        assert wanting(one, here) == {0, 1}
    assert wants_roll(mine, here)
    assert steps(mine, here) == ()  # not while a replica is behind
    assert steps(mine, replace(here, roll=WHOLE)) == (
        StopBroker(1, "its files changed"),
        *start(1),
    )
    assert not wants_roll(others, here)
    assert steps(others, replace(here, roll=WHOLE)) == ()


def test_a_turn_is_used_once() -> None:
    used = replace(seen({0: SERVED_AND_CHANGED}), turn_done=3, roll=WHOLE)
    assert steps(spread(3, 0, 0), used) == ()
    assert not is_turn_over(spread(3, 0, 0), used)


def test_a_turn_is_over_once_its_broker_serves_what_is_wanted() -> None:
    one = spread(3, 0, 0)
    assert is_turn_over(one, seen({0: SERVING}))
    assert not is_turn_over(one, seen({0: SERVED_AND_CHANGED}))
    assert not is_turn_over(one, seen({0: running(is_ready=False)}))
    assert not is_turn_over(spread(3, 7, 0), seen({0: SERVING}))


def test_a_broker_that_never_served_needs_no_turn() -> None:
    """It may be waiting for just that change."""
    new = seen({0: running(wanted=OTHERS, is_ready=False)})
    assert steps(spread(3, 7, 0), new) == (StopBroker(0, "its files changed"), *start(0))


def test_a_broker_that_gets_peers_on_its_node_is_restarted_for_them() -> None:
    """They cannot serve before it knows of them, so nothing else may be waited for."""
    waiting = running(is_ready=False)
    old = replace(running(wanted=OTHERS), has_served=True, has_ever_served=True)
    here = seen({0: old, 1: waiting, 2: waiting})
    assert steps(spec(0, 1, 2), here) == (StopBroker(0, "its files changed"), *start(0))
    served = replace(waiting, has_ever_served=True)
    assert steps(spec(0, 1, 2), seen({0: old, 1: served, 2: served})) == ()


def test_new_brokers_take_no_time_from_the_restart_of_the_first() -> None:
    """All that is written waits for it, and they can only serve once it does."""
    old = replace(running(wanted=OTHERS), has_served=True, has_ever_served=True)
    wished = spec(0, 1, 2)
    restart = (StopBroker(0, "its files changed"), *start(0))
    assert steps(wished, seen({0: old})) == restart
    starting = replace(running(is_ready=False), has_ever_served=True)
    assert steps(wished, seen({0: starting})) == ()
    back = replace(SERVING, has_ever_served=True)
    assert steps(wished, seen({0: back})) == (*start(1), *start(2))


def test_what_may_be_a_voter_is_started_whatever_the_first_does() -> None:
    """The first may need its vote to serve."""
    starting = replace(running(is_ready=False), has_ever_served=True)
    formatted = BrokerSeen(is_formatted=True)
    assert steps(spec(0, 1, 2), seen({0: starting, 1: formatted})) == start(1)
    served = BrokerSeen(has_ever_served=True)
    assert steps(spec(0, 1), seen({0: starting, 1: served})) == start(1)


def test_a_candidate_only_reserves_its_ports() -> None:
    candidate = spec(0, 1)
    brokers = [candidate.brokers[0], candidate.brokers[1].model_copy(update={"is_candidate": True})]
    one = candidate.model_copy(update={"brokers": brokers, "peers": "tls"})
    without_ports = replace(SERVING, has_ports=False)
    new = BrokerSeen(has_ports=False)
    assert steps(one, seen({0: without_ports, 1: new})) == (ReservePeerPorts(0), PreparePorts(1))
    assert steps(one, seen({0: SERVING, 1: BrokerSeen()}, is_admin_due=True)) == (
        ApplyAdminState(4),
    )
