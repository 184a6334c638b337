"""Reports to one word and one sentence."""

import datetime as dt

from control_plane.domain.health import SILENCE, Health, Observed, faults, health_of

NOW = dt.datetime(2026, 1, 15, tzinfo=dt.UTC)


def condition(name: str, *, status: bool, message: str = "", reason: str = "") -> dict[str, object]:
    return {"name": name, "status": status, "message": message, "reason": reason}


def test_a_fresh_ready_report_is_healthy() -> None:
    assert health_of([Observed("ready", NOW - SILENCE)], NOW)[0] is Health.HEALTHY


def test_silence_is_unknown_and_not_a_failure() -> None:
    old = NOW - SILENCE - dt.timedelta(seconds=1)
    for shares in ([], [Observed("ready", None)], [Observed("ready", old), Observed("ready", old)]):
        assert health_of(shares, NOW)[0] is Health.UNKNOWN


def test_a_fault_is_named() -> None:
    judged = health_of([Observed("ready", NOW, ["The disk is full."])], NOW)
    assert judged == (Health.DEGRADED, "The disk is full.")
    assert health_of([Observed("starting", NOW)], NOW)[0] is Health.DEGRADED


def test_which_conditions_are_faults() -> None:
    """Some names are well when true, others when false; a port stepped aside from is a note."""
    said = [
        condition("Ready", status=True),
        condition("TopicsApplied", status=False, message="Topic a: no."),
        condition("DiskPressure", status=True, reason="DiskFull"),
        condition("CrashLoop", status=False),
        condition("PortTaken", status=True, message="20001 instead of 20000"),
        condition("Upgraded", status=True),
        condition("Upgraded", status=False, message="1 of 3 brokers run 2"),
    ]
    assert faults(said) == ["Topic a: no.", "DiskFull"]


def test_one_silent_node_of_several_is_named_with_its_brokers() -> None:
    old = NOW - SILENCE - dt.timedelta(seconds=1)
    silent = Observed("ready", old, problems=["said long ago"], node="b", broker_ids=[1, 4])
    health, sentence = health_of([Observed("ready", NOW, node="a", broker_ids=[0]), silent], NOW)
    assert health is Health.DEGRADED
    assert sentence == (
        "Node b has not reported lately, so brokers 1, 4 may be gone; the other brokers serve on. "
        "If it stays away, another node takes over."
    )


def test_replicas_that_are_behind_are_told() -> None:
    health, sentence = health_of([Observed("ready", NOW, out_of_sync_count=3)], NOW)
    assert (health, sentence) == (
        Health.DEGRADED,
        "3 partitions lack a replica that is in sync.",
    )
