"""A tiny share of each part runs to its end; figures are printed, never judged."""

import time
from dataclasses import replace

import pytest

from tests.bench import against
from tests.bench.__main__ import PARTS
from tests.bench.against import Compared
from tests.bench.calls import CASES, CountedBroker, calls_of, least
from tests.bench.figures import HEADINGS, Figure, reasons, table
from tests.bench.machine import conditions
from tests.bench.settings import TINY
from tests.bench.yardstick import copying_us, told, turn_us_over_loopback

ROUNDS = 30  # of one request each


@pytest.mark.parametrize("part", PARTS)
def test_part_measures_something(part: str) -> None:
    figures = list(PARTS[part](TINY))
    assert figures
    assert all(figure.samples and figure.best >= 0 for figure in figures)
    assert table([HEADINGS, *(figure.row() for figure in figures)]).count("\n") == len(figures)


@pytest.mark.parametrize("at", [0, 3])
def test_a_request_calls_no_more_than_it_may(at: int) -> None:
    """Calls are the same on every machine, so what is added to the hot path shows here at once."""
    case = replace(CASES[at], turns=1)
    with CountedBroker() as broker:
        calls = least(case, calls_of(broker, case, ROUNDS))
    assert 50 < calls <= case.calls_max


def test_the_least_counts_unless_more_is_better() -> None:
    cost = Figure("cost", "us", 10, samples=[12.0, 9.0, 30.0])
    assert (cost.best, cost.median, cost.worst, cost.verdict) == (9.0, 12.0, 30.0, "met")
    rate = Figure("rate", "MB/s", 10, is_more_better=True, samples=[4.0, 9.0])
    assert (rate.best, rate.worst, rate.verdict) == (9.0, 4.0, "MISSED")
    assert Figure("free", "us", samples=[1.0]).verdict == ""


def test_a_missed_figure_says_why() -> None:
    missed = Figure("cost", "us", 10, samples=[12.0], why="the kernel takes 11")
    met = Figure("other", "us", 10, samples=[2.0], why="not told")
    assert reasons([missed, met]) == ["cost: the kernel takes 11"]


def test_conditions_name_machine_versions_and_commit_mode() -> None:
    text = conditions()
    assert "Python" in text
    assert "ack.durability=replicated" in text
    assert TINY.told().startswith("settings  rounds 1, share 0.005, ")


def test_the_yardstick_measures_this_machine() -> None:
    assert copying_us() > 0
    assert turn_us_over_loopback() > 0
    assert told(72.0, 36.0) == "72 us (2.0x)"


def test_a_ratio_says_who_is_ahead() -> None:
    cost = Compared("cost", "us CPU/MB", ours=[30.0, 20.0], theirs=[40.0, 80.0])
    assert cost.row() == (
        "cost",
        "us CPU/MB",
        "20.0",
        "25.0",
        "40.0",
        "60.0",
        "0.50",
        "Ottla ahead",
        "2",
    )
    rate = Compared("rate", "MB/s", is_more_better=True, ours=[30.0, 20.0], theirs=[40.0, 60.0])
    assert rate.row()[-3:] == ("0.50", "Kafka ahead", "2")
    assert against.table([cost, rate]).count("\n") == 2


def test_a_broker_serves_when_its_metadata_names_it() -> None:
    with against.ours() as (side, started_s):
        against.await_metadata(side.broker)
        assert time.perf_counter() > started_s
        assert against.names_a_broker(side.broker)
        assert side.of(Compared("cost", "us")) == []
    assert not against.names_a_broker(side.broker)
