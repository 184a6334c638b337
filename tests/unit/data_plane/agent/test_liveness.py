"""Silence that counts, and silence that says nothing about the broker."""

from data_plane.agent.liveness import Liveness

PROBE_S = 2.0


def liveness() -> Liveness:
    return Liveness(failures_max=3, silent_s_max=6.0, probe_s_max=PROBE_S, gap_s_max=5.0)


def test_it_hangs_after_enough_probes_and_enough_time() -> None:
    silent = liveness()
    silent.failed(10.0, 12.0)
    silent.failed(12.2, 14.2)
    before = silent.is_hung
    silent.failed(14.4, 16.4)
    assert (before, silent.is_hung) == (False, True)
    assert round(silent.silent_s, 1) == 6.4


def test_refusals_in_a_burst_are_no_long_silence() -> None:
    silent = liveness()
    for number in range(20):
        silent.failed(10.0 + number / 10, 10.0 + number / 10)
    assert not silent.is_hung


def test_an_answer_begins_anew() -> None:
    silent = liveness()
    silent.failed(10.0, 12.0)
    silent.failed(12.2, 14.2)
    silent.reset()
    silent.failed(14.4, 16.4)
    assert not silent.is_hung


def test_a_probe_during_which_the_agent_stood_still_says_nothing() -> None:
    """The machine was stopped: the time-out ran out for both."""
    silent = liveness()
    silent.failed(10.0, 12.0)
    told = []
    for began_s, ended_s in ((12.2, 600.0), (600.2, 602.2), (602.4, 604.4), (604.6, 606.6)):
        silent.failed(began_s, ended_s)
        told.append(silent.is_hung)
    assert told == [False, False, False, True]


def test_a_long_gap_between_probes_begins_anew() -> None:
    silent = liveness()
    silent.failed(10.0, 12.0)
    silent.failed(12.2, 14.2)
    silent.failed(100.0, 102.0)
    assert not silent.is_hung
