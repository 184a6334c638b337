"""Wish and sight to steps: every difference has its step, no difference has none."""

import uuid

from data_plane.agent.reconcile import (
    ApplyAdminState,
    BrokerSeen,
    ClusterSeen,
    PreparePorts,
    RemoveBroker,
    RemoveCluster,
    StartBroker,
    StopBroker,
    WriteFiles,
    steps,
)
from data_plane.contract.spec import BrokerSpec, ClusterSpec, SealedSecret

KEY = SealedSecret(ephemeral_public_key="", nonce="", ciphertext="")
SERVING = BrokerSeen(
    is_running=True, is_ready=True, started_with="d", on_disk="d", wanted="d", may_start=True
)


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
    assert steps(spec(0), seen({0: BrokerSeen(may_start=False, wanted="d")})) == ()


def test_changed_files_restart_the_broker() -> None:
    changed = BrokerSeen(is_running=True, is_ready=True, started_with="d", on_disk="d", wanted="e")
    assert steps(spec(0), seen({0: changed}, is_admin_due=True)) == (
        StopBroker(0, "its files changed"),
        *start(0),
    )


def test_files_changed_by_hand_are_written_again_without_a_restart() -> None:
    drifted = BrokerSeen(is_running=True, is_ready=True, started_with="d", on_disk="x", wanted="d")
    assert steps(spec(0), seen({0: drifted})) == (WriteFiles(0),)


def test_admin_state_waits_for_all_brokers() -> None:
    starting = BrokerSeen(is_running=True, started_with="d", on_disk="d", wanted="d")
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
    assert steps(wished, seen({0: SERVING, 1: BrokerSeen()}, is_admin_due=True)) == (
        StopBroker(0, "the cluster is to be absent"),
        RemoveCluster(),
    )
    assert steps(wished, seen({}, is_admin_due=True, has_directory=False)) == ()


def test_absent_forgets_a_broker_that_never_had_a_file() -> None:
    """It found no ports, so nothing is on disk; known brokers keep a cluster from being absent."""
    known = seen({0: BrokerSeen()}, is_admin_due=True, has_directory=False)
    assert steps(spec(0, desired="absent"), known) == (RemoveCluster(),)
